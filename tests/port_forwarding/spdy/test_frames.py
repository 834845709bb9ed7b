from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.port_forwarding.spdy.errors import SpdyError
from connmon_agent.port_forwarding.spdy.frames import (
    CANCEL,
    OK,
    Data,
    Frame,
    FrameReader,
    GoAway,
    Headers,
    Ping,
    RstStream,
    SynStream,
    write_data_head,
    write_go_away,
    write_ping,
    write_rst_stream,
    write_syn_reply,
    write_syn_stream,
)

Told = tuple[object, ...]


def control(kind: int, body: bytes, *, flags: int = 0, version: int = 3) -> bytes:
    return struct.pack("!HHI", 0x8000 | version, kind, flags << 24 | len(body)) + body


def tell(frame: Frame) -> Told:
    """A frame that outlives what it was read from."""
    if isinstance(frame, Data):
        return (frame.stream, bytes(frame.payload), frame.last)
    return (frame,)


def read(*pieces: bytes) -> list[Told]:
    reader = FrameReader()
    return [tell(frame) for piece in pieces for frame in reader.feed(memoryview(piece))]


@pytest.mark.parametrize(
    ("written", "frame"),
    [
        (write_syn_stream(5, b"block"), SynStream(5, b"block", last=False)),
        (control(1, struct.pack("!IIBB", 5, 0, 0, 0), flags=1), SynStream(5, b"", last=True)),
        (write_syn_reply(5, b"block"), Headers(5, b"block", last=False, reply=True)),
        (control(8, b"\0\0\0\5block", flags=1), Headers(5, b"block", last=True, reply=False)),
        (write_rst_stream(5, CANCEL), RstStream(5, CANCEL)),
        (write_ping(7), Ping(7)),
        (write_go_away(5, OK), GoAway(5, OK)),
    ],
    ids=["SYN_STREAM", "SYN_STREAM, last", "SYN_REPLY", "HEADERS, last", "RST_STREAM", "PING", "GOAWAY"],
)
def test_control_frames(written: bytes, frame: Frame) -> None:
    assert read(written) == [(frame,)]
    assert read(*(bytes([byte]) for byte in written)) == [(frame,)]


def test_windows_and_settings_are_passed_over() -> None:
    assert read(control(4, bytes(12)), control(9, struct.pack("!II", 5, 100)), write_ping(1)) == [(Ping(1),)]


def test_data_is_handed_on_as_it_comes() -> None:
    head = write_data_head(5, 6, last=True)
    assert read(head[:3], head[3:] + b"abc", b"def" + write_ping(1)) == [
        (5, b"abc", False),
        (5, b"def", True),
        (Ping(1),),
    ]


@pytest.mark.parametrize("last", [False, True])
def test_a_frame_without_data(last: bool) -> None:
    assert read(write_data_head(5, 0, last=last)) == [(5, b"", last)]


@given(st.lists(st.binary(max_size=300), max_size=6), st.integers(1, 200))
def test_however_it_is_cut_the_data_is_the_same(payloads: list[bytes], size: int) -> None:
    whole = b"".join(write_data_head(5, len(payload)) + payload + write_ping(1) for payload in payloads)
    told = read(*(whole[start : start + size] for start in range(0, len(whole), size)))
    assert b"".join(data for _, data, *_ in (one for one in told if len(one) == 3)) == b"".join(payloads)
    assert told.count((Ping(1),)) == len(payloads)


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (control(6, bytes(4), version=2), "a frame is of version 2"),
        (control(5, bytes(4)), "there is no frame of type 5"),
        (control(3, bytes(4)), "a frame of type 3 has only 4 bytes"),
        (control(3, bytes(8)), "a frame of type 3 is for the stream 0"),
        (write_data_head(0, 1), "data came for the stream 0"),
        (struct.pack("!HHI", 0x8003, 8, 0xFF_FFFF), "a control frame has 16777215 bytes"),
    ],
)
def test_what_is_no_frame(came: bytes, words: str) -> None:
    with pytest.raises(SpdyError, match=words):
        read(came)


@given(st.binary(max_size=200))
def test_any_bytes_at_all(came: bytes) -> None:
    try:
        read(came)
    except SpdyError:
        return

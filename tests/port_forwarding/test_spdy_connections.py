"""A SPDY connection to a server that says what the test wants."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.kube_sites import PATIENT, http, read_request, speak
from tests.fakes.loopback import Handler
from tests.port_forwarding.places import run
from tests.port_forwarding.test_api_streams import streams_to

from connmon_agent.errors import ClusterError
from connmon_agent.port_forwarding.api_streams import ApiStreams
from connmon_agent.port_forwarding.pod_failures import PodRefused
from connmon_agent.port_forwarding.pod_frames import HEADROOM
from connmon_agent.port_forwarding.spdy.frames import (
    Frame,
    FrameReader,
    Ping,
    SynStream,
    write_data_head,
    write_go_away,
    write_ping,
    write_rst_stream,
)
from connmon_agent.port_forwarding.spdy_connections import SpdyConnection
from connmon_agent.port_forwarding.tunnels import TunnelStream

TARGET = "/api/v1/namespaces/default/pods/web/portforward"
PROTOCOL = "portforward.k8s.io"
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
FORBIDDEN = b'{"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403}'


async def ask(streams: ApiStreams) -> SpdyConnection | None:
    return await streams.tunnel(TARGET, protocol=PROTOCOL, timeout=PATIENT)


async def upgrade(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Agree to SPDY, and answer the ping that proves it."""
    await read_request(reader)
    writer.write(UPGRADED)
    writer.write(await reader.readexactly(len(write_ping(1))))


def upgraded(*parts: bytes, then_hold: bool = False) -> Handler:
    """A server that agrees to SPDY, says ``parts`` and hangs up (or holds on)."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        for part in parts:
            writer.write(part)
        if then_hold:
            await reader.read()

    return handle


@contextlib.asynccontextmanager
async def connection_to(handle: Handler, folder: Path) -> AsyncIterator[SpdyConnection]:
    async with streams_to(handle, folder) as streams:
        connection = await ask(streams)
        assert connection is not None
        try:
            yield connection
        finally:
            await connection.abort()


class TestUpgrade:
    @pytest.mark.parametrize(
        "answer",
        [
            http(b'{"message": "Upgrade request required"}', status="400 Bad Request"),
            http(b"", status="405 Method Not Allowed"),
            http(b"", status="426 Upgrade Required"),
            http(b"{}"),
            http(b"<html>", status="403 Forbidden", content_type="text/html"),
            http(b"<html>", status="502 Bad Gateway", content_type="text/html"),
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
            UPGRADED.replace(b"\r\n\r\n", b"\r\nX-Stream-Protocol-Version: other.k8s.io\r\n\r\n"),
        ],
        ids=[
            "the proxy took the wish away",
            "405",
            "426",
            "200",
            "403 of a proxy",
            "502",
            "another protocol",
            "another version",
        ],
    )
    def test_a_server_that_does_not_take_it_is_asked_once(self, tmp_path: Path, answer: bytes) -> None:
        asked: list[bytes] = []

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.append(await read_request(reader))
            writer.write(answer)

        async def scenario() -> None:
            async with streams_to(handle, tmp_path) as streams:
                assert await ask(streams) is None
                streams.do_without_spdy()
                assert await ask(streams) is None
            assert [one.split(b" HTTP")[0] for one in asked] == [b"POST " + TARGET.encode()]

        run(scenario())

    @pytest.mark.parametrize("hold", [True, False], ids=["keeps silent", "hangs up"])
    def test_a_proxy_that_agrees_to_it_and_does_not_speak_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hold: bool
    ) -> None:
        monkeypatch.setattr("connmon_agent.port_forwarding.api_streams.PROOF", 0.01)

        async def scenario() -> None:
            async with streams_to(speak(UPGRADED, then_hold=hold), tmp_path) as streams:
                assert await ask(streams) is None

        run(scenario())

    def test_once_a_server_has_spoken_it_nothing_is_to_be_proved(self, tmp_path: Path) -> None:
        servers = [upgraded(then_hold=True), speak(UPGRADED, then_hold=True)]

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await servers.pop(0)(reader, writer)

        async def scenario() -> None:
            async with streams_to(handle, tmp_path) as streams:
                for _ in range(2):
                    connection = await ask(streams)
                    assert connection is not None
                    await connection.abort()

        run(scenario())

    def test_it_is_asked_again_after_a_while(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connmon_agent.port_forwarding.api_streams.WITHOUT_SPDY", -1.0)
        servers = [speak(http(b"", status="405 Method Not Allowed")), upgraded(then_hold=True)]

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await servers.pop(0)(reader, writer)

        async def scenario() -> None:
            async with streams_to(handle, tmp_path) as streams:
                assert await ask(streams) is None
                streams.do_without_spdy()
                connection = await ask(streams)
                assert connection is not None
                await connection.abort()

        run(scenario())

    @pytest.mark.parametrize(
        ("answer", "kind"),
        [
            (http(FORBIDDEN, status="403 Forbidden"), "forbidden"),
            (http(FORBIDDEN.replace(b"403", b"404"), status="404 Not Found"), "not-found"),
            (http(FORBIDDEN.replace(b"403", b"400"), status="400 Bad Request"), "invalid"),
            (b"", "unreachable"),
        ],
        ids=["403", "404", "400", "nothing"],
    )
    def test_a_refusal_is_an_answer(self, tmp_path: Path, answer: bytes, kind: str) -> None:
        async def scenario() -> None:
            async with streams_to(speak(answer), tmp_path) as streams:
                for _ in range(2):
                    with pytest.raises(ClusterError) as caught:
                        await ask(streams)
                    assert caught.value.kind == kind

        run(scenario())


def saying(*frames: bytes, hold: bool = True) -> Handler:
    """A server that says ``frames`` once a client has opened both of its streams."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        frames_in, opened = FrameReader(), 0
        while opened < 2 and (data := await reader.read(65_536)):
            opened += sum(isinstance(frame, SynStream) for frame in frames_in.feed(memoryview(data)))
        for frame in frames:
            writer.write(frame)
        if hold:
            await reader.read()

    return handle


def data(stream: int, payload: bytes = b"", *, last: bool = False) -> bytes:
    return write_data_head(stream, len(payload), last=last) + payload


class TestConnection:
    def test_data_and_errors_and_the_end(self, tmp_path: Path) -> None:
        said = (data(3, b"one"), data(1, b"oh"), data(1, b" dear", last=True), data(3, last=True))

        async def scenario() -> None:
            async with connection_to(saying(*said), tmp_path) as connection:
                pair = connection.begin(80)
                assert await connection.receive(pair) == b"one"
                assert await connection.receive(pair) == b""
                assert bytes(pair.text) == b"oh dear"

        run(scenario())

    @pytest.mark.parametrize(
        ("frame", "words"),
        [
            (write_rst_stream(3, 2), "reset the stream with status 2"),
            (write_rst_stream(1, 3), "reset the stream with status 3"),
            (b"\x80\x02\x00\x06\x00\x00\x00\x00", "violates SPDY: a frame is of version 2"),
        ],
    )
    def test_how_it_breaks(self, tmp_path: Path, frame: bytes, words: str) -> None:
        async def scenario() -> None:
            async with connection_to(saying(data(3, b"one"), frame), tmp_path) as connection:
                pair = connection.begin(80)
                assert await connection.receive(pair) == b"one"
                with pytest.raises(ClusterError, match=words):
                    await connection.receive(pair)
                assert not await connection.part(pair)

        run(scenario())

    def test_an_end_without_a_word_on_errors_is_none(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with connection_to(saying(data(3, b"one"), data(3, last=True), hold=False), tmp_path) as connection:
                pair = connection.begin(80)
                assert await connection.receive(pair) == b"one"
                with pytest.raises(ClusterError, match="closed the connection"):
                    await connection.receive(pair)

        run(scenario())

    def test_what_was_never_sent_may_go_elsewhere(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with connection_to(upgraded(), tmp_path) as connection:
                await connection.attend()
                stream = TunnelStream(connection, "web-1", 80)
                with pytest.raises(PodRefused, match="the stream to the pod web-1 ended"):
                    await stream.write(memoryview(bytearray(HEADROOM + 1)))

        run(scenario())

    def test_the_server_hangs_up(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with connection_to(upgraded(), tmp_path) as connection:
                with pytest.raises(ClusterError, match="closed the connection"):
                    await connection.receive(connection.begin(80))
                await connection.attend()
                assert not await connection.ping(PATIENT)
                with pytest.raises(ClusterError, match="closed the connection"):
                    connection.begin(80)

        run(scenario())

    def test_no_client_comes_after_a_farewell(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with connection_to(upgraded(write_go_away(0, 0), then_hold=True), tmp_path) as connection:
                await connection.attend()

        run(scenario())

    def test_what_comes_for_streams_of_the_past_is_for_nobody(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with connection_to(answering(data(3, b"late"), data(7, b"two")), tmp_path) as connection:
                assert await connection.part(connection.begin(80))
                assert await connection.receive(connection.begin(80)) == b"two"

        run(scenario())

    def test_whoever_does_not_answer_gets_no_other_client(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("connmon_agent.port_forwarding.spdy_connections.FAREWELL", 0.05)

        async def scenario() -> None:
            async with connection_to(saying(), tmp_path) as connection:
                assert not await connection.part(connection.begin(80))

        run(scenario())

    def test_a_connection_has_so_many_clients(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("connmon_agent.port_forwarding.spdy_connections.MOST_CLIENTS", 2)

        async def scenario() -> None:
            async with connection_to(answering(), tmp_path) as connection:
                assert [await connection.part(connection.begin(80)) for _ in range(2)] == [True, False]

        run(scenario())

    def test_the_server_s_own_pings_are_answered(self, tmp_path: Path) -> None:
        answered: asyncio.Queue[Frame] = asyncio.Queue()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await upgrade(reader, writer)
            writer.write(write_ping(2))
            frames = FrameReader()
            while came := await reader.read(65_536):
                for frame in frames.feed(memoryview(came)):
                    answered.put_nowait(frame)

        async def scenario() -> None:
            async with connection_to(handle, tmp_path):
                assert await answered.get() == Ping(2)

        run(scenario())


def answering(*late: bytes) -> Handler:
    """A server that answers pings, and says ``late`` once a second client has opened its streams."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await upgrade(reader, writer)
        frames, opened = FrameReader(), 0
        while came := await reader.read(65_536):
            for frame in frames.feed(memoryview(came)):
                if isinstance(frame, Ping):
                    writer.write(write_ping(frame.number))
                elif isinstance(frame, SynStream):
                    opened += 1
                    writer.write(b"".join(late) if opened == 4 else b"")

    return handle

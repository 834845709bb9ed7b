"""One request and its answer: what is read of others, however it comes, is bounded and judged."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.http1 import HEAD_LIMIT, BadAnswer, Flaw, Head, HttpExchange, ask_for_tunnel


def ask(method: str = "GET", **fields: str) -> HttpExchange:
    return HttpExchange(method, "/", {"Host": "a", **fields}.items())


def read(exchange: HttpExchange, *pieces: bytes) -> tuple[Head, bytes]:
    """The answer that comes in these pieces, after which the other side closes."""
    waiting = [*pieces, b""]
    while (head := exchange.read_head()) is None:
        exchange.feed(waiting.pop(0))
    body = b""
    while (piece := exchange.read_body()) != b"":
        if piece is None:
            exchange.feed(waiting.pop(0))
        else:
            body += piece
    return head, body


def flaw_of(*pieces: bytes) -> Flaw:
    with pytest.raises(BadAnswer) as found:
        read(ask(), *pieces)
    return found.value.flaw


def test_a_request_is_written_as_it_was_given() -> None:
    assert ask(**{"X-Wish": "b"}).request == b"GET / HTTP/1.1\r\nHost: a\r\nX-Wish: b\r\n\r\n"
    with_body = HttpExchange("POST", "/", {"Host": "a", "Content-Length": "3"}.items(), b"\xc3\xbcx")
    assert with_body.request == b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n\xc3\xbcx"
    tunnel = ask_for_tunnel("::1", 443, "Basic x", user_agent="u", limit=HEAD_LIMIT)
    expected = b"CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\nUser-Agent: u\r\nProxy-Authorization: Basic x\r\n\r\n"
    assert tunnel.request == expected


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("/ HTTP/1.1\r\nX: y", {}),
        ("/a b", {}),
        ("/\u20ac", {}),
        ("/", {"Authorization": "Bearer a\r\nX: y"}),
        ("/", {"Authorization": "Bearer \u20ac"}),
        ("/", {"X: y\r\nZ": "a"}),
    ],
)
def test_nothing_is_smuggled_into_a_request(target: str, fields: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a request"):
        HttpExchange("GET", target, {"Host": "a", **fields}.items())


@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_the_pieces_in_which_an_answer_comes_make_no_difference(size: int) -> None:
    answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nX: a\r\nX: b\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer += b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    pieces = [answer[start : start + size] for start in range(0, len(answer), size)]
    head, body = read(ask(), *pieces)
    assert (head.status, head.fields["x"], body) == (200, "a,b", b"abcde")


@pytest.mark.parametrize(
    ("pieces", "flaw"),
    [
        ((b"SSH-2.0-x\r\n",), Flaw.NO_HTTP),
        ((b"H", b"TTP/2 200\r\n"), Flaw.NO_HTTP),
        ((b"\x15\x03\x01",), Flaw.NO_HTTP),
        ((b"HTTP/1.1 abc\r\n\r\n",), Flaw.NO_HTTP),
        ((b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",), Flaw.MALFORMED),
        ((b"HTTP/1.1 101 Switching Protocols\r\n\r\n",), Flaw.MALFORMED),
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",), Flaw.CODING),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",), Flaw.CUT),
        ((b"HTTP/1.1 20",), Flaw.CUT),
        ((), Flaw.CUT),
    ],
)
def test_what_is_wrong_with_an_answer(pieces: tuple[bytes, ...], flaw: Flaw) -> None:
    assert flaw_of(*pieces) is flaw


@pytest.mark.parametrize("piece", [1_000, 128 * 1024])
@pytest.mark.parametrize(
    "begin",
    [
        b"HTTP/1.1 200 " + b"x" * HEAD_LIMIT,
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * HEAD_LIMIT,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * HEAD_LIMIT + b"\r\n\r\n",
        b"HTTP/1.1 102 Processing\r\n\r\n" * 1_000,
    ],
    ids=["a line", "fields", "a whole head", "interim answers"],
)
def test_a_head_has_an_end(begin: bytes, piece: int) -> None:
    """However much of it comes at once: a reader may get more than the limit in one piece."""
    assert flaw_of(*(begin[start : start + piece] for start in range(0, len(begin), piece))) is Flaw.LONG_HEAD


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_follows_a_switch_of_protocols_is_left_to_the_other_one(method: str) -> None:
    exchange = ask(method, Connection="Upgrade", Upgrade="SPDY/3.1")
    exchange.feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n\x80\x03\x00")
    head = exchange.read_head()
    assert head is not None and (head.status, exchange.rest, exchange.read_body()) == (101, b"\x80\x03\x00", b"")


def test_what_follows_the_answer_of_a_proxy_is_seen() -> None:
    exchange = ask_for_tunnel("a", 1, None, user_agent="u", limit=HEAD_LIMIT)
    exchange.feed(b"HTTP/1.1 200 Connection established\r\n\r\nearly")
    assert exchange.read_head() == Head(200) and exchange.rest == b"early"


def test_the_end_of_a_body_is_told_again_and_again() -> None:
    exchange = ask()
    read(exchange, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
    assert [exchange.read_body() for _ in range(3)] == [b""] * 3


FRAGMENTS = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 101 x\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n"]
FRAGMENTS += [b"\r\n", b"\n", b"5\r\n", b"0\r\n", b"abc", b"\xff", b": ", b"Connection: keep-alive\r\n"]


@given(st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=20), max_size=12))
def test_no_answer_breaks_it(pieces: list[bytes]) -> None:
    with contextlib.suppress(BadAnswer):
        read(ask(), b"HTTP/1.1 200 OK\r\n", *[piece for piece in pieces if piece])

"""One HTTP/1.1 request and its answer, by h11, without a socket: what is to be sent, and what came of it so far.

Probes, notices, streams of the Kubernetes API, tunnels of proxies and checks of local ports read answers here alone.
What is read of others is bounded in bytes here, and in time by who waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import h11

HEAD_LIMIT = 16 * 1024  # bytes of status line and fields, interim answers included, unless told otherwise
_BEGINNING = b"HTTP/1."
_NOT_IMPLEMENTED = 501  # h11's hint where an answer comes in another transfer coding than chunked


class Flaw(StrEnum):
    """What is wrong with an answer. The values are for sentences that begin with who answered."""

    CUT = "closed the connection before the answer was complete"
    NO_HTTP = "the answer is not HTTP"
    MALFORMED = "the answer is malformed HTTP"
    CODING = "the answer uses a transfer coding that was not requested"
    LONG_HEAD = "the answer's head is too long"


class BadAnswer(Exception):
    """An answer that cannot be read. ``begins`` are its first bytes, for messages."""

    def __init__(self, flaw: Flaw, begins: bytes = b"") -> None:
        super().__init__(str(flaw))
        self.flaw = flaw
        self.begins = begins


@dataclass(frozen=True, slots=True)
class Head:
    """Status and fields of an answer; the fields' names in lower case, values of the same name joined by commas."""

    status: int
    fields: Mapping[str, str] = field(default_factory=dict)


class HttpExchange:
    """A request of ``method`` for ``target`` with ``fields`` (Host first) and ``body``, and its answer.

    ``limit``: bytes of the answer's head at most. Raises ValueError where these are no request.
    """

    def __init__(
        self, method: str, target: str, fields: Iterable[tuple[str, str]], body: bytes = b"", *, limit: int = HEAD_LIMIT
    ) -> None:
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=limit)
        self._limit = limit
        self._fed = 0  # bytes of the answer
        self._begins = b""
        self._ended = False  # the other side has closed
        self._whole = False  # the body has come to its end
        try:
            headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
            asked = h11.Request(method=method, target=target.encode("latin-1"), headers=headers)
            events = [asked, *([h11.Data(body)] if body else []), h11.EndOfMessage()]
            sent = [self._connection.send(event) for event in events]
        except (h11.LocalProtocolError, UnicodeError) as error:
            raise ValueError(f"not a request: {error}") from None
        self.request: bytes = b"".join(part for part in sent if part)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what came; nothing: the other side has closed. Raises BadAnswer."""
        if len(self._begins) < len(_BEGINNING):
            self._begins += bytes(data[:80])
            # Others than HTTP say one line and wait; h11 waits for an empty one.
            if not _BEGINNING.startswith(self._begins[: len(_BEGINNING)]):
                raise BadAnswer(Flaw.NO_HTTP, self._begins)
        self._fed += len(data)
        self._ended = not data
        self._connection.receive_data(bytes(data))

    def read_head(self) -> Head | None:
        """The head of the final answer; None: more must come first. Raises BadAnswer."""
        while True:
            event = self._next()
            used = self._fed - len(self.rest)
            if used > self._limit or (event is h11.NEED_DATA and self._fed > self._limit):
                raise BadAnswer(Flaw.LONG_HEAD, self._begins)
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.Response):
                return _read_head(event)
            if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                return _read_head(event)

    def read_body(self) -> bytes | None:
        """The next piece of the body, empty at its end; None: more must come first. Raises BadAnswer."""
        if self._whole:
            return b""
        event = self._next()
        if isinstance(event, h11.Data):
            return bytes(event.data)
        self._whole = event is not h11.NEED_DATA
        return b"" if self._whole else None

    @property
    def rest(self) -> bytes:
        """What came and is not read: after a switch of protocols, the beginning of the other one."""
        return self._connection.trailing_data[0]

    def _next(self) -> object:
        answering = self._connection.their_state is h11.SEND_RESPONSE
        try:
            return self._connection.next_event()
        except h11.RemoteProtocolError as error:
            raise BadAnswer(self._judge(error, answering), self._begins) from None

    def _judge(self, error: h11.RemoteProtocolError, answering: bool) -> Flaw:
        if self._ended:
            return Flaw.CUT
        if error.error_status_hint == _NOT_IMPLEMENTED:
            return Flaw.CODING
        if answering and self._fed > self._limit:
            return Flaw.LONG_HEAD
        return Flaw.NO_HTTP if "status line" in str(error) else Flaw.MALFORMED


def ask_for_tunnel(host: str, port: int, authorization: str | None, *, user_agent: str, limit: int) -> HttpExchange:
    """Ask a proxy to connect to ``host`` (RFC 9110, section 9.3.6). ``authorization``: the field that it wants."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    fields = [("Host", place), ("User-Agent", user_agent)]
    if authorization is not None:
        fields.append(("Proxy-Authorization", authorization))
    return HttpExchange("CONNECT", place, fields, limit=limit)


def _read_head(event: h11.Response | h11.InformationalResponse) -> Head:
    fields: dict[str, str] = {}
    for raw_name, raw_value in event.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        fields[name] = f"{fields[name]},{value}" if name in fields else value
    return Head(event.status_code, fields)

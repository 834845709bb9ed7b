"""A web server on loopback that keeps the requests it is sent, and answers as it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """``fields`` by their names in lower case."""

    method: str
    path: str
    fields: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """``released``: it is given once this is set (None: at once)."""

    status: int = 200
    body: bytes = b'{"id": "1"}'
    fields: Mapping[str, str] = field(default_factory=dict)
    released: threading.Event | None = None


@dataclass(slots=True)
class HttpSink:
    """``replies`` are given one after the other, the last of them for ever."""

    replies: list[Reply]
    port: int = 0
    requests: list[ReceivedRequest] = field(default_factory=list)
    arrived: threading.Condition = field(default_factory=threading.Condition)

    def url(self, path: str = "/") -> str:
        return f"http://{HOST}:{self.port}{path}"

    def wait_for(self, number: int, patience: float = 120.0) -> list[ReceivedRequest]:
        """The requests, once there are so many."""
        with self.arrived:
            come = self.arrived.wait_for(lambda: len(self.requests) >= number, patience)
            assert come, f"{len(self.requests)} requests came"
        return self.requests


@contextmanager
def serve_http(*replies: Reply) -> Iterator[HttpSink]:
    """A sink for as long as the block runs."""
    sink = HttpSink(list(replies) or [Reply()])

    class Handler(_Handler):
        to = sink

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        server.block_on_close = False
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    to: HttpSink

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if self.raw_requestline and self.parse_request():
            self._answer()
        self.close_connection = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        fields = {name.lower(): value for name, value in self.headers.items()}
        with self.to.arrived:
            reply = self.to.replies.pop(0) if len(self.to.replies) > 1 else self.to.replies[0]
            self.to.requests.append(ReceivedRequest(self.command, self.path, fields, body))
            self.to.arrived.notify_all()
        if reply.released is not None:
            reply.released.wait(240)
        with suppress(OSError):  # who asked may be gone by now
            self._write(reply)

    def _write(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.fields}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing for stderr."""

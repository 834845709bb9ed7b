"""A mail server on loopback that keeps what it is given, and answers as it is told to."""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, BinaryIO

HOST = "127.0.0.1"
CERTIFICATES = Path(__file__).parents[1] / "probes" / "certificates"
AUTHORITY = CERTIFICATES / "authority.pem"


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    """One mail with its envelope. ``secure``: it came through TLS; ``login``: what AUTH PLAIN said (None: nothing)."""

    sender: str
    recipients: tuple[str, ...]
    message: EmailMessage
    secure: bool
    login: str | None


@dataclass(slots=True)
class MailSink:
    """``answers`` are given in the place of the usual ones, by the first word of the command; DATA's by ``.`` (what
    comes after the mail), the greeting's by an empty one. ``offers`` are the extensions.
    """

    answers: Mapping[str, bytes] = field(default_factory=dict)
    offers: tuple[str, ...] = ()
    context: ssl.SSLContext | None = None
    port: int = 0
    mails: list[ReceivedMail] = field(default_factory=list)

    def wait_for(self, number: int, patience: float = 120.0) -> list[ReceivedMail]:
        """The mails, once there are so many."""
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.mails) >= number, patience), f"{len(self.mails)} mails came"
        return self.mails

    arrived: threading.Condition = field(default_factory=threading.Condition)


@contextmanager
def serve_mail(
    answers: Mapping[str, bytes] | None = None,
    *,
    offers: tuple[str, ...] = (),
    context: ssl.SSLContext | None = None,
    place: tuple[str, int] = (HOST, 0),
) -> Iterator[MailSink]:
    """A sink for as long as the block runs. ``context``: TLS from the first byte, or by STARTTLS where offered."""
    sink = MailSink(answers or {}, offers, context)

    class Session(_Session):
        to = sink

    with _Server(place, Session) as server:
        sink.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            server.shutdown()
            thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that breaks off is no error."""


class _Session(socketserver.StreamRequestHandler):
    to: MailSink

    def setup(self) -> None:
        super().setup()
        self.secure = False
        self.login: str | None = None
        if self.to.context is not None and "STARTTLS" not in self.to.offers:
            self._secure()
        self.sender, self.recipients = "", list[str]()

    def finish(self) -> None:
        self.connection.close()

    def _secure(self) -> None:
        assert self.to.context is not None
        self.connection = self.to.context.wrap_socket(self.connection, server_side=True)
        self.rfile: BinaryIO = self.connection.makefile("rb")  # type: ignore[assignment]
        self.secure = True

    def handle(self) -> None:
        self._say("", b"220 sink ESMTP")
        while line := self.rfile.readline(4096):
            word = line.split()[0].decode().upper() if line.split() else ""
            if not self._obey(word, line.decode().strip()):
                return

    def _obey(self, word: str, line: str) -> bool:
        """Answer one command; False: the session is over."""
        if word == "EHLO":
            self._say(
                word, b"\r\n".join([b"250-sink", *(b"250-" + offer.encode() for offer in self.to.offers), b"250 HELP"])
            )
        elif word == "STARTTLS":
            self._say(word, b"220 go ahead")
            self._secure()
        elif word == "AUTH":
            self.login = line.split()[-1]
            self._say(word, b"235 welcome")
        elif word == "MAIL":
            self.sender, self.recipients = line.partition("<")[2].partition(">")[0], []
            self._say(word, b"250 ok")
        elif word == "RCPT":
            self._take_recipient(line.partition("<")[2].partition(">")[0])
        elif word == "DATA":
            self._say(word, b"354 go ahead")
            if word not in self.to.answers:
                self._take_mail()
        else:
            self._say(word, b"221 bye" if word == "QUIT" else b"250 ok")
            return word != "QUIT"
        return True

    def _take_recipient(self, recipient: str) -> None:
        refusal = self.to.answers.get(recipient)
        if refusal is None and "RCPT" not in self.to.answers:
            self.recipients.append(recipient)
        self._write(refusal) if refusal is not None else self._say("RCPT", b"250 ok")

    def _take_mail(self) -> None:
        lines = []
        while (line := self.rfile.readline(4096)) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        message = message_from_bytes(b"".join(lines), policy=default)
        assert isinstance(message, EmailMessage)
        with self.to.arrived:
            self.to.mails.append(ReceivedMail(self.sender, tuple(self.recipients), message, self.secure, self.login))
            self.to.arrived.notify_all()
        self._say(".", b"250 queued")

    def _say(self, word: str, usual: bytes) -> None:
        self._write(self.to.answers.get(word, usual))

    def _write(self, answer: bytes) -> None:
        self.connection.sendall(answer + b"\r\n")


def server_context() -> ssl.SSLContext:
    """TLS with the certificate of the tests, whose authority is AUTHORITY."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATES / "good.pem")
    return context

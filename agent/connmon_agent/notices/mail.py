"""A notice as a mail by SMTP (RFC 5321), with the stdlib's client, whose reading is bounded here."""

from __future__ import annotations

import smtplib
import socket
from contextlib import suppress
from email.headerregistry import HeaderRegistry, MessageIDHeader
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import formatdate
from typing import Any, NoReturn

from ..connection_failures import explain_failure
from ..redaction import redact
from ..settings import MailChannel
from .http_requests import trust
from .messages import Message
from .outcomes import NotSentError, fail, read_secret, refuse

TIMEOUT = 20.0  # seconds for one answer of the server
FAREWELL = 2.0  # seconds for the answer to QUIT
MOST_READ = 64 * 1024  # bytes of a server's answers
PORTS = {"starttls": 587, "tls": 465, "none": 25}
_SHOWN = 200  # characters of a server's answer


def send(channel: MailChannel, message: Message) -> str:
    """Hand it to the mail server; returns what it said. Raises NotSentError."""
    try:
        server = _connect(channel)
        try:
            _log_in(channel, server)
            refused = server.send_message(make_mail(channel, message))
            _say_goodbye(server)
        finally:
            server.close()
    except NotSentError:
        raise
    except smtplib.SMTPRecipientsRefused as error:
        _judge(channel, list(error.recipients.values()))
    except smtplib.SMTPResponseException as error:
        _judge(channel, [(error.smtp_code, error.smtp_error)])
    except smtplib.SMTPException as error:
        fail(f"{channel.host}: {_clean(str(error))}")
    except OSError as error:
        fail(f"{channel.host}: {'no answer' if isinstance(error, TimeoutError) else explain_failure(error).words}")
    if refused:
        return f"{channel.host} accepted it, but not for {', '.join(refused)}: {_say(next(iter(refused.values())))}"
    return f"{channel.host} accepted it"


def make_mail(channel: MailChannel, message: Message) -> EmailMessage:
    """The mail. Its Message-ID is the same in every attempt, and all mails about one outage are one thread."""
    sender = channel.sender or f"connmon-agent@{socket.gethostname()}"
    domain = sender.rpartition("@")[2]
    mail = EmailMessage(_make_policy())
    mail["From"] = sender
    mail["To"] = ", ".join(channel.to)
    mail["Subject"] = message.text.subject
    mail["Date"] = formatdate(localtime=True)
    mail["Message-ID"] = f"<connmon-{message.id}@{domain}>"
    if message.notice.outage is not None:
        mail["References"] = f"<connmon-{message.thread}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer of a machine is wanted
    if message.urgent:
        mail["Importance"] = "high"
    mail.set_content(message.text.body + "\n", cte="quoted-printable")  # every server takes it
    return mail


def _make_policy() -> EmailPolicy[Any]:
    """References is a name of a message, too: a long one would be encoded as text, and the mails be no thread."""
    headers = HeaderRegistry()
    headers.map_to_type("references", MessageIDHeader)  # type: ignore[arg-type]  # the registry adds the base itself
    return EmailPolicy(header_factory=headers)


def _connect(channel: MailChannel) -> smtplib.SMTP:
    port = channel.port or PORTS[channel.security]
    if channel.security == "tls":
        return _BoundedTls(
            channel.host, port, timeout=TIMEOUT, context=trust(channel.ca_file), local_hostname=_own_name()
        )
    server = _Bounded(channel.host, port, timeout=TIMEOUT, local_hostname=_own_name())
    try:
        if channel.security == "starttls":
            _start_tls(channel, server)
    except BaseException:
        server.close()
        raise
    return server


def _say_goodbye(server: smtplib.SMTP) -> None:
    """The mail is accepted: whatever the server makes of this, a second attempt would be a second mail."""
    if server.sock is not None:
        server.sock.settimeout(FAREWELL)
    with suppress(smtplib.SMTPException, OSError):
        server.quit()


def _own_name() -> str:
    """What EHLO says. smtplib would ask a name server for it, which may keep silent."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else "[127.0.0.1]"


def _start_tls(channel: MailChannel, server: smtplib.SMTP) -> None:
    server.ehlo_or_helo_if_needed()
    if not server.has_extn("starttls"):
        # Somebody between here and the server may have taken the offer away: nothing is sent without.
        fail(f"{channel.host} does not offer STARTTLS. Write security: tls, or none for a server in the LAN")
    server.starttls(context=trust(channel.ca_file))


def _log_in(channel: MailChannel, server: smtplib.SMTP) -> None:
    if channel.user is None or channel.password_file is None:
        return
    password = read_secret(channel.password_file, "password_file")
    try:
        server.login(channel.user, password)
    except smtplib.SMTPNotSupportedError:
        fail(f"{channel.host} offers no login. Remove user and password_file")
    except smtplib.SMTPAuthenticationError as error:
        words = f"{channel.host} refused the login of {channel.user}: {_say((error.smtp_code, error.smtp_error))}"
        if 500 <= error.smtp_code < 600:
            refuse(f"{words}. Check user and password_file")
        fail(words)


def _judge(channel: MailChannel, answers: list[tuple[int, bytes | str]]) -> NoReturn:
    """Raises NotSentError: a 5xx for everybody is for good (RFC 5321, section 4.2.1)."""
    words = f"{channel.host} refused it: {_say(answers[0])}"
    if all(500 <= code < 600 for code, _ in answers):
        refuse(f"{words}. Check from and to")
    fail(words)


def _say(answer: tuple[int, bytes | str]) -> str:
    code, text = answer
    return _clean(f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}")


def _clean(text: str) -> str:
    return redact(" ".join(text.split()))[:_SHOWN]


class _Lines:
    """A server's answers, of which a hostile one would send endless ones."""

    def __init__(self, file: Any) -> None:
        self._file, self._left = file, MOST_READ

    def readline(self, size: int = -1) -> bytes:
        line: bytes = self._file.readline(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(line)
        if self._left <= 0:
            raise smtplib.SMTPServerDisconnected(f"the server sent more than {MOST_READ // 1024} KiB")
        return line

    def close(self) -> None:
        self._file.close()


class _Bounded(smtplib.SMTP):
    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Lines(self.sock.makefile("rb"))
        return super().getreply()


class _BoundedTls(smtplib.SMTP_SSL):
    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Lines(self.sock.makefile("rb"))
        return super().getreply()

"""A notice through the library apprise, which is an extra: it loads 200 modules, in a process that then ends."""

from __future__ import annotations

import sys
from typing import Any

from ..redaction import MASK, redact
from ..settings import AppriseChannel
from .messages import Message
from .outcomes import fail, read_secret, refuse

MOST_MEMORY = 1 << 30  # bytes of addresses
_SHOWN = 300  # characters of what apprise logged


def send(channel: AppriseChannel, message: Message) -> str:
    """Send it, by an object of its own: for several URLs apprise gives one result. Raises NotSentError."""
    url = read_secret(channel.url_file, "url_file")
    apprise = _load()
    _limit_memory()
    service = apprise.Apprise()
    with apprise.LogCapture(level=apprise.logging.WARNING, fmt="%(message)s") as log:
        if not service.add(url):
            fail("url_file: apprise does not know this URL. See https://appriseit.com for its form")
        sent = service.notify(title=message.text.subject, body=message.text.body, body_format=apprise.NotifyFormat.TEXT)
        said = " ".join(str(log.getvalue()).split())
    if not sent:
        # It does not tell a refusal from a failure.
        why = redact(said.replace(url, MASK))[:_SHOWN]
        fail(f"apprise could not send it{f': {why}' if why else ''}")
    return "sent by apprise"


def _limit_memory() -> None:
    """What a server answers apprise reads to its end: the child fails before the machine does."""
    if sys.platform != "win32":
        import resource  # not on Windows

        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        most = MOST_MEMORY if hard == resource.RLIM_INFINITY else min(MOST_MEMORY, hard)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _load() -> Any:
    try:
        import apprise  # an extra; only a channel of this kind needs it
    except ImportError:
        refuse(f"apprise is not installed. Install it: {sys.executable} -m pip install apprise")
    return apprise

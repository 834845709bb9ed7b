"""A notice as a message of ntfy, published as JSON (https://docs.ntfy.sh/publish/#publish-as-json): headers would have
to be ASCII.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from ..probes.http import Sending
from ..settings import NtfyChannel
from .http_requests import ask, basic, choose_url, read_header
from .messages import Message
from .outcomes import fail, read_secret

LONGEST_MESSAGE = 4000  # bytes; ntfy takes 4096, and makes a file of what is longer
HIGH, USUAL = 4, 3  # priorities: with 4 a phone vibrates longer
_CUT = "\n..."


def send(channel: NtfyChannel, message: Message) -> str:
    """Publish it; returns what the server said. Raises NotSentError."""
    url = choose_url(channel.url, channel.url_file)
    parts = urlsplit(url.text)
    root, _, topic = parts.path.rstrip("/").rpartition("/")
    if not topic:
        fail("the URL names no topic. Write it as https://ntfy.sh/topic")
    url.text = urlunsplit(parts._replace(path=f"{root}/", query=""))
    fields = {"Content-Type": "application/json", "Idempotency-Key": message.id, **_login(channel)}
    body = json.dumps(make_publication(channel, message, unquote(topic)), ensure_ascii=False)
    sending = Sending("POST", fields, body.encode("utf-8", "backslashreplace"))
    answer = ask(url, sending, proxy=channel.proxy, ca_file=channel.ca_file, environment=message.environment)
    _check(url.host, answer.body)
    return f"{url.host} answered HTTP {answer.head.status}"


def make_publication(channel: NtfyChannel, message: Message, topic: str) -> dict[str, Any]:
    """What ntfy takes; without the keys that are not set."""
    publication: dict[str, Any] = {
        "topic": topic,
        "title": message.text.subject,
        "message": cut(message.text.body),
        "priority": channel.priority or (HIGH if message.urgent else USUAL),
    }
    if channel.tags:
        publication["tags"] = list(channel.tags)
    if channel.click is not None:
        publication["click"] = channel.click
    return publication


def cut(text: str) -> str:
    """``text`` in at most ``LONGEST_MESSAGE`` bytes of UTF-8: whole lines, and three dots for the rest."""
    if len(text.encode("utf-8", "backslashreplace")) <= LONGEST_MESSAGE:
        return text
    kept = text.encode("utf-8", "backslashreplace")[: LONGEST_MESSAGE - len(_CUT)].decode("utf-8", "ignore")
    return kept.rpartition("\n")[0] + _CUT if "\n" in kept else kept + _CUT


def _login(channel: NtfyChannel) -> dict[str, str]:
    if channel.token_file is not None:
        return {"Authorization": f"Bearer {read_header(channel.token_file, 'token_file')}"}
    if channel.user is not None and channel.password_file is not None:
        return {"Authorization": basic(channel.user, read_secret(channel.password_file, "password_file"))}
    return {}


def _check(host: str, body: bytes) -> None:
    """Raises NotSentError where what answered is not ntfy, as a portal answers anything with a page."""
    try:
        said = json.loads(body)
    except ValueError:
        said = None
    if not isinstance(said, dict) or "id" not in said:
        fail(f"{host} did not answer as ntfy does. Check the URL; a captive portal may answer in its place")

"""A notice as an HTTP request with a JSON body, which a template may shape."""

from __future__ import annotations

import json

from ..probes.http import Sending
from ..settings import WebhookChannel
from .fields import fill
from .http_requests import ask, choose_url, read_header
from .messages import Message


def send(channel: WebhookChannel, message: Message) -> str:
    """Send it; returns what the receiver said. Raises NotSentError."""
    url = choose_url(channel.url, channel.url_file)
    secrets = {name: read_header(path, f"header_files.{name}") for name, path in channel.header_files.items()}
    body = message.fields if channel.template is None else fill(channel.template, message.fields)
    fields = {
        "Content-Type": "application/json; charset=utf-8",
        "Idempotency-Key": message.id,
        **channel.headers,
        **secrets,
    }
    sending = Sending(channel.method, fields, json.dumps(body, ensure_ascii=False).encode("utf-8", "backslashreplace"))
    answer = ask(url, sending, proxy=channel.proxy, ca_file=channel.ca_file, environment=message.environment)
    return f"{url.host} answered HTTP {answer.head.status}"

"""HTTP for notices: one request, with the proxies, limits and words of probes, and what its answer means."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ..authorities import create_context
from ..kube.handed_files import find_handed
from ..probes.failures import ProbeFailure, explain_error
from ..probes.http import Answer, Sending, send_request
from ..probes.lookups import Lookup
from ..probes.network import Network
from ..probes.registries import read_retry_after
from .jobs import LONGEST_RETRY_AFTER
from .outcomes import fail, read_secret, refuse

TIMEOUT = 30.0  # seconds for one request and its answer
_PASSING = (408, 425, 429)  # of the statuses that blame the request: those that say "later"
_PROXY_REFUSES = 407
_SHOWN = 150  # characters of an answer in a detail


class Url:
    """An http or https URL, and the login in it (None: none), which is sent as a header."""

    def __init__(self, text: str, key: str) -> None:
        """Raises NotSentError. The URL may be a secret, and is in no message."""
        try:
            parts = urlsplit(text)
            port, host = parts.port, parts.hostname
        except ValueError:
            fail(f"{key} is not a URL. Write it as https://host/path")
        if parts.scheme not in ("http", "https") or not host or port == 0 or not text.isascii() or " " in text:
            fail(f"{key} is not an http or https URL. Write it as https://host/path")
        self.authorization = None
        if parts.username is not None:
            self.authorization = basic(unquote(parts.username), unquote(parts.password or ""))
        self.text = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
        self.host = host


def choose_url(url: str | None, url_file: Path | None) -> Url:
    """The one of both that is given. Raises NotSentError."""
    return Url(url or "", "url") if url_file is None else Url(read_secret(url_file, "url_file"), "url_file")


def read_header(path: Path, key: str) -> str:
    """The value of a header, which is in a file. Raises NotSentError."""
    value = read_secret(path, key)
    if not value.isascii():
        fail(f"{key}: {path} contains a character that is not ASCII. Correct it")
    return value


def basic(user: str, password: str) -> str:
    """The header Authorization of a login (RFC 7617)."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode('ascii')}"


def ask(
    url: Url,
    sending: Sending,
    *,
    proxy: str | None,
    ca_file: Path | None,
    environment: Mapping[str, str] = os.environ,
    timeout: float = TIMEOUT,
) -> Answer:
    """The answer, which is a success. ``timeout`` in seconds. Raises NotSentError."""
    fields = dict(sending.fields)
    if url.authorization is not None:
        fields.setdefault("Authorization", url.authorization)
    try:
        answer = asyncio.run(
            _ask(url.text, Sending(sending.method, fields, sending.body), proxy, ca_file, environment, timeout)
        )
    except TimeoutError:
        fail(f"{url.host}: no answer within {timeout:g} s")
    except ProbeFailure as error:
        fail(f"{url.host}: {_without(url, error.reason)}")
    except OSError as error:
        fail(f"{url.host}: {explain_error(error)}")
    judge(url.host, answer)
    return answer


async def _ask(
    url: str, sending: Sending, proxy: str | None, ca_file: Path | None, environment: Mapping[str, str], timeout: float
) -> Answer:
    network = Network(partial(trust, ca_file), Lookup(), timeout=timeout, environment=environment)
    async with asyncio.timeout(timeout):
        return await send_request(url, network, sending, proxy=proxy)


def trust(ca_file: Path | None) -> ssl.SSLContext:
    """What this machine trusts, and the authorities in ``ca_file``. Raises NotSentError."""
    context = create_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=find_handed(ca_file, os.environ))
        except OSError as error:  # ssl.SSLError is one: the file holds no certificate
            words = "holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
            fail(f"ca_file: {ca_file}: {words}. Correct it, or remove the key")
    return context


def judge(host: str, answer: Answer) -> None:
    """Raises NotSentError where the status is no success."""
    status = answer.head.status
    if 200 <= status < 300:
        return
    words = f"{host} answered HTTP {status}{_quote(answer.body)}"
    if answer.proxied and status == _PROXY_REFUSES:
        fail(f"the proxy answered HTTP {status}. Put its login into the proxy's URL in the agent's environment")
    if 400 <= status < 500 and status not in _PASSING:
        refuse(f"{words}. Check the URL and its login")
    if 300 <= status < 400:
        # A portal redirects, too, and that passes.
        fail(f"{words}, a redirect, which is not followed. Write the new URL if the service has moved")
    wait = read_retry_after(answer.head)
    fail(words, retry_after=None if wait is None else min(wait, LONGEST_RETRY_AFTER))


def _quote(body: bytes) -> str:
    """Why, in the server's words, where these are no page."""
    text = " ".join(body[:4000].decode("utf-8", "replace").split())
    return f": {text[:_SHOWN]}" if text and not text.startswith("<") else ""


def _without(url: Url, reason: str) -> str:
    return reason.replace(url.text, "the URL")

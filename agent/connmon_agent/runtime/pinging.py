"""The ping of a heartbeat over real sockets: a GET, as healthchecks takes it."""

from __future__ import annotations

import asyncio
import os
import ssl
import uuid
from collections.abc import Callable, Mapping
from functools import cache, partial
from urllib.parse import urlsplit, urlunsplit

from ..authorities import create_context, create_lean_context
from ..notices.http_requests import choose_url
from ..notices.outcomes import NotSentError
from ..probes.failures import ProbeFailure, explain_error
from ..probes.http import Answer, Sending, send_request
from ..probes.lookups import Lookup
from ..probes.network import Network
from ..settings import HeartbeatSettings

TIMEOUT = 10.0  # seconds for one ping; the shortest interval is 15 s


class Pinger:
    """Pings over real sockets, within ``timeout`` seconds each. ``environment`` is where proxies are named.

    ``lean`` and ``full`` give the TLS context: the second is made where the first one does not trust the server.
    """

    def __init__(
        self,
        settings: HeartbeatSettings,
        *,
        environment: Mapping[str, str] = os.environ,
        timeout: float = TIMEOUT,
        lean: Callable[[], ssl.SSLContext] = create_lean_context,
        full: Callable[[], ssl.SSLContext] = create_context,
    ) -> None:
        self._settings = settings
        self._run = str(uuid.uuid4())
        self._trust, self._full = cache(lean), cache(full)
        self._lookup = Lookup()
        self._environment = environment
        self._timeout = timeout

    async def __call__(self, what: str) -> str | None:
        """Why the ping was not delivered, in words; None: it was."""
        address = ""
        try:
            async with asyncio.timeout(self._timeout):
                find = partial(choose_url, self._settings.url, self._settings.url_file)
                url = await asyncio.to_thread(find)  # it may be in a file, on some disk
                address = add_to_url(url.text, what, self._run)
                answer = await self._send(
                    address, {} if url.authorization is None else {"Authorization": url.authorization}
                )
        except TimeoutError:
            return f"no answer within {self._timeout:g} s"
        except NotSentError as error:
            return error.detail
        except ProbeFailure as error:
            return error.reason.replace(address, "the URL") if address else error.reason
        except OSError as error:
            return explain_error(error)
        return None if 200 <= answer.head.status < 300 else f"HTTP {answer.head.status}"

    async def _send(self, address: str, fields: Mapping[str, str]) -> Answer:
        try:
            return await self._ask(address, fields)
        except ssl.SSLCertVerificationError:
            if self._trust is self._full:
                raise
            self._trust = self._full
            return await self._ask(address, fields)

    async def _ask(self, address: str, fields: Mapping[str, str]) -> Answer:
        network = Network(self._trust, self._lookup, timeout=self._timeout, environment=self._environment)
        return await send_request(address, network, Sending(fields=fields), proxy=self._settings.proxy)


def add_to_url(url: str, what: str, run: str) -> str:
    """``url`` with ``what`` at the end of its path, and the name of the run in its query."""
    parts = urlsplit(url)
    query = f"{parts.query}&rid={run}" if parts.query else f"rid={run}"
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}{what}", query=query))

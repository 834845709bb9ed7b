"""Image registries, asked whether they can be pulled from: ``GET /v2/``, as every client begins.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md#determining-support: 200, or 401 to who must log
in. Nothing is logged in to and nothing is pulled, so that no limit on pulls is used up. The certificate is not checked:
nodes may trust others than this machine does, no secret is sent, and an answer can do no more than postpone a restart.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cache
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import urlsplit

from ..core.observations import Failure, Reach, RegistryAnswer
from ..http1 import Head
from ..settings import NOT_ASKED
from .failures import ProbeFailure, WrongAnswer, classify_error, explain_error, word_seconds
from .http import get_head
from .lookups import Lookup, Resolve
from .network import Network

TIMEOUT = 3.0  # seconds for everything that one registry is asked
# Seconds for which an answer is given again. Less than the default `hold`: no answer outlives an outage.
KEPT = 5.0
DEFAULT_LIMIT = 60.0  # seconds that a limit without a Retry-After is taken to last
LONGEST_LIMIT = 3600.0  # seconds; a longer Retry-After is asked about again
MOST_KEPT = 64  # answers

# Docker Hub's images are named by docker.io, and served elsewhere.
_HOSTS = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
# What OpenSSL calls an answer that is no TLS record.
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG")
# Host and port as an image may name them: who may set an image must not choose more of the request than that.
_PLACE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
# Names that only a site's own resolver knows: RFC 6762, RFC 8375, the ICANN's .internal, Kubernetes' own.
_LOCAL_NAMES = ("local", "localhost", "internal", "home.arpa", "lan", "home", "corp", "intranet", "svc")


class RegistryAsker:
    """The port ``Registries`` over real sockets.

    ``endpoints`` maps a registry to the URL that nodes really pull from, a mirror, or to ``none``. ``resolve`` and
    ``environment`` are as in ``TargetProber``; ``get`` gives the head of what a URL is answered with.
    """

    def __init__(
        self,
        endpoints: Mapping[str, str] = MappingProxyType({}),
        *,
        timeout: float = TIMEOUT,
        resolve: Resolve = socket.getaddrinfo,
        environment: Mapping[str, str] = os.environ,
        get: Callable[[str, Network], Awaitable[Head]] = get_head,
    ) -> None:
        self._endpoints = dict(endpoints)
        self._timeout = timeout
        self._resolve = resolve
        self._environment = environment
        self._get = get
        self._trust = cache(_trust_anybody)
        self._asking: dict[str, asyncio.Task[RegistryAnswer]] = {}
        self._kept: dict[str, tuple[float, RegistryAnswer]] = {}  # until when, in the loop's time
        self._heard: set[str] = set()  # registries that have once answered

    def follow(self, endpoints: Mapping[str, str]) -> None:
        """Ask by other ``endpoints`` from now on."""
        if endpoints != self._endpoints:
            self._endpoints = dict(endpoints)
            self._kept.clear()

    async def ask(self, registry: str) -> RegistryAnswer:
        """Whether ``registry`` can be pulled from. Ends within the timeout, and never raises for its sake."""
        now = asyncio.get_running_loop().time()
        self._kept = {name: kept for name, kept in self._kept.items() if kept[0] > now}
        if registry in self._kept:
            until, answer = self._kept[registry]
            return answer if answer.retry_after is None else _shorten_limit(answer, until - now)
        if registry not in self._asking:
            self._asking[registry] = asyncio.ensure_future(self._ask_anew(registry))
        return await asyncio.shield(self._asking[registry])  # who asked first may go before the answer comes

    async def close(self) -> None:
        """End what is under way."""
        asking = list(self._asking.values())
        for task in asking:
            task.cancel()
        await asyncio.gather(*asking, return_exceptions=True)

    async def _ask_anew(self, registry: str) -> RegistryAnswer:
        try:
            answer = await self._find_answer(registry)
        finally:
            del self._asking[registry]
        if answer.reach in (Reach.REACHABLE, Reach.LIMITED):
            self._heard.add(registry)
        if len(self._kept) < MOST_KEPT:
            kept = KEPT if answer.retry_after is None else max(KEPT, answer.retry_after)
            self._kept[registry] = (asyncio.get_running_loop().time() + kept, answer)
        return answer

    async def _find_answer(self, registry: str) -> RegistryAnswer:
        endpoint = self._endpoints.get(registry)
        if endpoint == NOT_ASKED:
            return RegistryAnswer(Reach.UNKNOWN, "disabled in the configuration")
        if endpoint is None and not _PLACE.fullmatch(registry):
            return RegistryAnswer(Reach.UNKNOWN, "it is not a host name")
        url = f"https://{_HOSTS.get(registry, registry)}" if endpoint is None else endpoint.rstrip("/")
        host = urlsplit(url).hostname or ""
        if endpoint is None and _is_loopback(host):
            return RegistryAnswer(Reach.UNKNOWN, "its name resolves to each node itself")
        network = Network(self._trust, Lookup(self._resolve), timeout=self._timeout, environment=self._environment)
        try:
            async with asyncio.timeout(self._timeout):
                return read_answer(await self._get_v2(url, network))
        except TimeoutError:
            failure = self._explain_silence(network)
        except ProbeFailure as error:
            failure = error
        except OSError as error:
            failure = ProbeFailure(explain_error(error), classify_error(error))
        except Exception as error:  # a mistake of ours must not postpone a restart
            return RegistryAnswer(Reach.UNKNOWN, f"internal error: {type(error).__name__}: {error}")
        return await self._judge(failure, network, registry=registry, host=host)

    async def _get_v2(self, url: str, network: Network) -> Head:
        """The head of the answer; a server that speaks no TLS is asked without, as nodes may be told to."""
        try:
            return await self._get(f"{url}/v2/", network)
        except ssl.SSLError as error:
            if not url.startswith("https://") or (error.reason or "") not in _NO_TLS:
                raise
            return await self._get(f"http://{url.removeprefix('https://')}/v2/", network)

    def _explain_silence(self, network: Network) -> ProbeFailure:
        limit = word_seconds(self._timeout)
        if network.lookup.pending:
            return _SilentResolver(f"the system's resolver did not answer within {limit}", Failure.NAME)
        return ProbeFailure(f"no answer within {limit}", Failure.SILENT)

    async def _judge(self, failure: ProbeFailure, network: Network, *, registry: str, host: str) -> RegistryAnswer:
        """What a failure to ask says of the nodes: nothing, where they may have a way that this machine has not."""
        reason = failure.reason
        if network.proxy is not None:
            reason = f"through the proxy {network.proxy}: {reason}"
            refused = not (isinstance(failure, WrongAnswer) and failure.failure is Failure.UNREACHABLE)
            return RegistryAnswer(Reach.UNKNOWN if refused else Reach.UNREACHABLE, reason)
        if failure.failure is Failure.NAME:
            passing = isinstance(failure, _SilentResolver) or _is_passing(failure.__cause__)
            return RegistryAnswer(Reach.UNREACHABLE if passing and not _is_local(host) else Reach.UNKNOWN, reason)
        odd = isinstance(failure, WrongAnswer) and failure.failure is not Failure.REFUSED
        if odd or failure.failure in (
            Failure.WRONG,
            Failure.DECLINED,
            Failure.BROKEN,
        ):  # somebody answers, otherwise than registries do
            return RegistryAnswer(Reach.UNKNOWN, reason)
        met = network.connected or failure.failure is Failure.REFUSED or registry in self._heard
        if not met and await self._is_private(host):
            return RegistryAnswer(Reach.UNKNOWN, f"{reason}; its private address has never answered")
        return RegistryAnswer(Reach.UNREACHABLE, reason)

    async def _is_private(self, host: str) -> bool:
        """Whether every address of ``host`` is of a site's own network, which nodes may reach and this machine not."""
        try:
            async with asyncio.timeout(self._timeout / 2):
                addresses = await Lookup(self._resolve).find_addresses(host, 443)
        except (ProbeFailure, TimeoutError):
            return False
        return bool(addresses) and not any(
            ip_address(str(place[0]).partition("%")[0]).is_global for _, place in addresses
        )


class _SilentResolver(ProbeFailure):
    """No name server has answered yet, which may pass."""


def read_answer(head: Head) -> RegistryAnswer:
    """What the status says. Only a limit and a server in trouble keep a node from pulling; anything else may not."""
    reason = f"HTTP {head.status}"
    if head.status == 429:
        limit = read_retry_after(head)
        return RegistryAnswer(Reach.LIMITED, reason, DEFAULT_LIMIT if limit is None else min(limit, LONGEST_LIMIT))
    if head.status >= 500:
        return RegistryAnswer(Reach.UNREACHABLE, reason)
    return RegistryAnswer(Reach.REACHABLE, reason)


def read_retry_after(head: Head) -> float | None:
    """The seconds of Retry-After (RFC 9110, section 10.2.3); None: there is none that can be used.

    A date is held against the answer's own, never against this machine's clock.
    """
    text = head.fields.get("retry-after", "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        until = parsedate_to_datetime(text)
        said = parsedate_to_datetime(head.fields.get("date", ""))
        return max(0.0, (until - said).total_seconds())
    except (TypeError, ValueError, OverflowError):
        return None


def _shorten_limit(answer: RegistryAnswer, left: float) -> RegistryAnswer:
    return RegistryAnswer(answer.reach, answer.reason, round(left, 1))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_local(host: str) -> bool:
    """Whether ``host`` is no name of the public DNS."""
    name = host.rstrip(".").lower()
    return "." not in name or any(name.endswith(f".{suffix}") for suffix in _LOCAL_NAMES)


def _is_passing(error: BaseException | None) -> bool:
    """Whether no name server answered, rather than said that there is no such name."""
    return isinstance(error, OSError) and error.errno == socket.EAI_AGAIN


def _trust_anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

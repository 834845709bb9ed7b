"""The port ``Prober`` over real sockets: every target at once, each with its own deadline, no exception let through."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from urllib.parse import urlsplit

from ..authorities import create_context
from ..core.observations import Failure, ProbeResult
from ..settings import ApiTarget, GatewayTarget, HttpTarget, Target
from . import PROBES, Probe
from .companions import Companion
from .failures import ProbeFailure, WrongAnswer, classify_error, explain_error, word_seconds
from .lookups import Lookup, Resolve
from .network import Network
from .own_load import OwnLoad, limit_fairly
from .patience import UsualTimes
from .proxies import choose_proxy

# Seconds between two questions to the API server, at least: how fast rounds come is a matter of the link.
API_PAUSE = 2.0
# Seconds for which the gateway's answer is told again: rounds in doubt overlap, and each is to know it. Seconds that a
# round in doubt waits for it, when its targets are done: silence on both sides is over at the same time.
GATEWAY_KEPT = 3.0
GATEWAY_GRACE = 0.05


class TargetProber:
    """Probes ``targets``, and gives each of them ``timeout`` seconds.

    ``trust`` gives the TLS context for https targets; it is called once, and only when there is such a target.
    ``resolve`` looks up host names, as socket.getaddrinfo does, in a thread of its own. ``environment`` is where
    proxies are named. ``left_out`` holds the targets that this machine does not let anybody probe, by name, with the
    reason: they are no failure of the link, and have no result, but for the case that no other target could be one.
    ``find_api`` tells where the cluster's API server listens (None: nobody does); it is called in a thread, so that it
    may read files. The API server is asked beside the rounds, as is a gateway (``watch_gateway``).
    """

    def __init__(
        self,
        targets: Sequence[Target | ApiTarget],
        timeout: float,
        *,
        trust: Callable[[], ssl.SSLContext] = create_context,
        resolve: Resolve = socket.getaddrinfo,
        environment: Mapping[str, str] = os.environ,
        find_api: Callable[[], ApiTarget | None] | None = None,
    ) -> None:
        self.left_out = find_obstacles(targets)
        self._targets = [target for target in targets if target.name not in self.left_out]
        self._hopeless = () if any(map(_counts, self._targets)) else tuple(_leave_out(targets, self.left_out))
        self._lookups = {target.name: Lookup(resolve) for target in self._targets}
        self._make_trust = trust
        self._trust = cache(trust)
        self._resolve = resolve
        self._environment = environment
        self._timeout = timeout
        self._running: set[asyncio.Task[ProbeResult]] = set()
        self._usual = UsualTimes()
        self._find_api = find_api
        self._api_lookup = Lookup(resolve)
        self._api = Companion(self._ask_api, pause=API_PAUSE)
        self._gateway: GatewayTarget | None = None
        self._gateway_asked = Companion(self._ask_gateway, keep=GATEWAY_KEPT)

    @property
    def proxies(self) -> dict[str, str]:
        """The proxies in use, each by the name of the target that is asked through it."""
        return find_proxies(self._targets, self._environment)

    def renew(self, kinds: Collection[str]) -> None:
        """Let go of all that the probes of these kinds keep from one round to the next, as if it were at fault.

        Sockets and ids are new in every round anyway. A lookup that hangs is left to itself, and the next one is made
        by a new thread; the certificate authorities are loaded again.
        """
        suspects = set(kinds)
        for target in self._targets:
            if PROBES[type(target)].kind in suspects:
                self._lookups[target.name] = Lookup(self._resolve)
        self._trust = cache(self._make_trust)

    def watch_gateway(self, address: str | None) -> None:
        """Ask the gateway with this address (None: none) beside the rounds, where no target already does."""
        asked = any(isinstance(target, GatewayTarget) for target in self._targets)
        wanted = address is not None and not asked
        name = f"gateway {address}"
        if not wanted or self._gateway is None or self._gateway.name != name:
            self._gateway_asked.forget()
        self._gateway = GatewayTarget(name, address) if wanted else None

    async def probe_quietly(self, name: str, *, doubt: Callable[[], object]) -> tuple[ProbeResult, ...]:
        """Probe one target alone, and all of them where it does not answer in its usual time: ``ports.Prober``."""
        target = next((target for target in self._targets if target.name == name), None)
        if target is None:  # other targets are asked by now
            doubt()
            return await self.probe_all()
        self._begin_companions()
        asked = self._ask(target, self._timeout)
        try:
            await asyncio.wait([asked], timeout=self._usual.late_after(name, self._timeout))
            if asked.done() and asked.result().ok:
                return (asked.result(), *self._api.take())
            doubt()
            return await self._gather({name: asked})
        except asyncio.CancelledError:
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            raise
        finally:
            self._running.discard(asked)

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        """Probe every target at once and return one result a target, in their order. A failure is a result.

        No target is waited for longer than ``patience`` seconds (None: than the timeout).
        """
        return await self._gather({}, self._timeout if patience is None else min(patience, self._timeout))

    async def _gather(
        self, asked: Mapping[str, asyncio.Task[ProbeResult]], limit: float | None = None
    ) -> tuple[ProbeResult, ...]:
        """The results of all targets, of which those in ``asked`` are asked already, by name."""
        self._begin_companions()  # first: their time is up first
        limit = self._timeout if limit is None else limit
        tasks = [asked.get(target.name) or self._ask(target, limit) for target in self._targets]
        try:
            results = await asyncio.gather(*tasks)
            await self._gateway_asked.linger(GATEWAY_GRACE)
            return (*self._hopeless, *results, *self._gateway_asked.take(), *self._api.take())
        except asyncio.CancelledError:
            # The first to end would end the waiting; the others may still have sockets to close.
            await asyncio.gather(*tasks, return_exceptions=True)
            raise
        finally:
            self._running.difference_update(tasks)

    def _ask(self, target: Target | ApiTarget, limit: float) -> asyncio.Task[ProbeResult]:
        asked = asyncio.create_task(self._probe(target, limit))
        self._running.add(asked)
        return asked

    async def close(self) -> None:
        """End the round under way: its caller gets asyncio.CancelledError, as half a round is no verdict."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await self._api.close()
        await self._gateway_asked.close()

    def _begin_companions(self) -> None:
        if self._find_api is not None:
            self._api.begin()
        if self._gateway is not None:
            self._gateway_asked.begin()

    async def _ask_api(self) -> ProbeResult | None:
        target = None if self._find_api is None else await asyncio.to_thread(self._find_api)
        return None if target is None else await self._probe(target, self._timeout)

    async def _ask_gateway(self) -> ProbeResult | None:
        return None if self._gateway is None else await self._probe(self._gateway, self._timeout)

    async def _probe(self, target: Target | ApiTarget, limit: float) -> ProbeResult:
        probe = PROBES[type(target)]
        lookup = self._lookups.get(target.name, self._api_lookup)  # a gateway has an address
        network = Network(self._trust, lookup, timeout=limit, environment=self._environment)
        clock = asyncio.get_running_loop().time
        began, load = clock(), OwnLoad()
        failure = await self._find_failure(probe, target, network)
        seconds = clock() - began
        measured = (failure is None or isinstance(failure, WrongAnswer)) and not load.spoils(limit)
        if failure is None and measured and network.attempts == 1:
            self._usual.note(target.name, seconds)
        return ProbeResult(
            name=target.name,
            kind=probe.kind,
            ok=failure is None,
            latency_ms=round(seconds * 1000, 3) if measured and probe.remote else None,
            reason=_tell(failure, network) if failure else None,
            # The way to a proxy is not the way that is judged.
            family=network.family if network.proxy is None else None,
            failure=failure.failure if failure else None,
            attempts=network.attempts,
            proxy=network.proxy,
            bytes=network.bytes if probe.counts else 0,
        )

    async def _run(self, probe: Probe, target: Target | ApiTarget, network: Network) -> None:
        try:
            await probe.run(target, network)
        except TimeoutError as error:  # the system's own, ETIMEDOUT: an answer of a kind, and not ours
            raise ProbeFailure(explain_error(error), classify_error(error)) from error

    async def _find_failure(self, probe: Probe, target: Target | ApiTarget, network: Network) -> ProbeFailure | None:
        try:
            await limit_fairly(self._run(probe, target, network), network.timeout)
        except ProbeFailure as failure:
            return failure
        except TimeoutError:
            return _explain_silence(network)
        except OSError as error:
            return ProbeFailure(explain_error(error), classify_error(error))
        except Exception as error:  # a mistake of a probe must cost a target, never the agent
            return ProbeFailure(f"internal probe error: {type(error).__name__}: {error}")
        return None


def _counts(target: Target | ApiTarget) -> bool:
    return PROBES[type(target)].counts


def _leave_out(targets: Iterable[Target | ApiTarget], obstacles: Mapping[str, str]) -> Iterator[ProbeResult]:
    """What a round says of the targets that would count, where none can be probed: why nothing is known."""
    for target in targets:
        if _counts(target) and target.name in obstacles:
            kind, why = PROBES[type(target)].kind, obstacles[target.name]
            yield ProbeResult(target.name, kind, False, reason=why, failure=Failure.BROKEN)


def _explain_silence(network: Network) -> ProbeFailure:
    limit = word_seconds(network.timeout)
    if network.lookup.pending:
        return ProbeFailure(f"the system's resolver did not answer within {limit}", Failure.NAME)
    return ProbeFailure(f"no answer within {limit}", Failure.SILENT)


def find_obstacles(targets: Iterable[Target | ApiTarget]) -> dict[str, str]:
    """The targets that cannot be probed on this machine, by name, each with the reason in words."""
    obstacles = ((target.name, PROBES[type(target)].obstacle(target)) for target in targets)
    return {name: obstacle for name, obstacle in obstacles if obstacle is not None}


def find_proxies(targets: Iterable[Target | ApiTarget], environment: Mapping[str, str]) -> dict[str, str]:
    """The HTTP targets that are asked through a proxy, by name, each with its host and port."""
    found = {}
    for target in targets:
        if isinstance(target, HttpTarget):
            parts = urlsplit(target.url)
            with contextlib.suppress(ProbeFailure):  # the probe itself will say it
                secure = parts.scheme == "https"
                port = parts.port or (443 if secure else 80)
                proxy = choose_proxy(target.proxy, parts.hostname or "", port, environment, secure=secure)
                found.update({target.name: str(proxy)} if proxy else {})
    return found


def _tell(failure: ProbeFailure, network: Network) -> str:
    return failure.reason if network.proxy is None else f"through the proxy {network.proxy}: {failure.reason}"

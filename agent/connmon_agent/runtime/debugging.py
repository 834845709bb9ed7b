"""Debug lines: what the agent asked and what came back. Each class wraps a port; no line is made unless wanted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ..core.effects import Listen, Restart
from ..core.events import ForwardChecked, ListenAnswered, RestartAnswered
from ..core.observations import Observation, ProbeResult, Traffic, Unobserved
from ..core.plan import ServicePlan
from ..core.timestamps import Timestamp
from ..ports import Cluster, Forwards, Prober
from .log_records import AREAS, CLUSTER, FORWARDS, LINK, PROBES, LogRecord

# Whether lines of an area (one of AREAS) and a level are logged at a steady time.
Wants = Callable[[str, str, float], bool]


def want_nothing(area: str, level: str, now: float) -> bool:
    """No debug line is wanted."""
    return False


@dataclass(slots=True)
class Debugger:
    """Says debug lines of an area, where they are wanted; the text is made only then."""

    say: Callable[[LogRecord], None]
    now: Callable[[], Timestamp]
    wants: Wants = want_nothing

    def __call__(self, area: str, about: str, text: Callable[[float], str], began: Timestamp | None = None) -> None:
        """Say what ``text`` makes of the milliseconds since ``began`` (None: 0)."""
        assert area in AREAS
        at = self.now()
        if self.wants(area, "debug", at.steady):
            took = 0.0 if began is None else (at.steady - began.steady) * 1000
            self.say(LogRecord(at, "debug", about, text(took), area=area))

    def probing(self, prober: Prober) -> Prober:
        """``prober``, with a line for each round."""
        return _DebuggedProber(prober, self)

    def asking(self, cluster: Cluster) -> Cluster:
        """``cluster``, with a line for each question and each restart."""
        return _DebuggedCluster(cluster, self)

    def forwarding(self, forwards: Forwards) -> Forwards:
        """``forwards``, with a line for each port that is taken, checked or left."""
        return _DebuggedForwards(forwards, self)


class _DebuggedProber:
    def __init__(self, prober: Prober, debug: Debugger) -> None:
        self._prober = prober
        self._debug = debug

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        began = self._debug.now()
        results = await self._prober.probe_all(patience=patience)
        self._debug(PROBES, LINK, lambda took: describe_round(results, took), began)
        return results

    async def probe_quietly(self, name: str, *, doubt: Callable[[], object]) -> tuple[ProbeResult, ...]:
        began = self._debug.now()
        results = await self._prober.probe_quietly(name, doubt=doubt)
        self._debug(PROBES, LINK, lambda took: describe_round(results, took), began)
        return results

    def watch_gateway(self, address: str | None) -> None:
        self._prober.watch_gateway(address)

    def renew(self, kinds: Collection[str]) -> None:
        self._debug(PROBES, LINK, lambda took: f"probes of kind {', '.join(sorted(kinds))} are reopened")
        self._prober.renew(kinds)

    async def close(self) -> None:
        await self._prober.close()


class _DebuggedCluster:
    def __init__(self, cluster: Cluster, debug: Debugger) -> None:
        self._cluster = cluster
        self._debug = debug

    async def inspect(self, service: ServicePlan, *, closely: bool) -> Observation | Unobserved:
        began = self._debug.now()
        seen = await self._cluster.inspect(service, closely=closely)
        how = "looked at closely" if closely else "looked at"
        self._debug(
            CLUSTER, service.name, lambda took: f"{how} in {took:.0f} ms: {describe_quality_measured(seen)}", began
        )
        return seen

    async def restart(self, restart: Restart, at: Timestamp) -> RestartAnswered:
        began = self._debug.now()
        answer = await self._cluster.restart(restart, at)
        self._debug(
            CLUSTER,
            restart.service,
            lambda took: (
                f"patch of {restart.kind} {restart.namespace}/{restart.workload} with token {restart.token}: "
                f"{answer.outcome} in {took:.0f} ms{f', {answer.reason}' if answer.reason else ''}"
            ),
            began,
        )
        return answer

    async def close(self) -> None:
        await self._cluster.close()


class _DebuggedForwards:
    def __init__(self, forwards: Forwards, debug: Debugger) -> None:
        self._forwards = forwards
        self._debug = debug

    async def listen(self, order: Listen, at: Timestamp) -> ListenAnswered:
        answer = await self._forwards.listen(order, at)
        where = f"port {order.port} on {', '.join(order.bind)}"
        self._debug(FORWARDS, order.service, lambda took: f"listen on {where}: {answer.refusal or 'done'}")
        return answer

    def retain(self, services: Collection[str]) -> None:
        self._debug(FORWARDS, "agent", lambda took: f"ports are kept for {', '.join(sorted(services)) or 'no service'}")
        self._forwards.retain(services)

    async def check(self, service: str, began: Timestamp) -> ForwardChecked:
        checked = await self._forwards.check(service, began)
        told = checked.trouble or "reached its end"
        self._debug(FORWARDS, service, lambda took: f"port {checked.port} checked in {took:.0f} ms: {told}", began)
        return checked

    def traffic(self) -> tuple[Traffic, ...]:
        return self._forwards.traffic()

    async def worth_checking(self) -> str:
        service = await self._forwards.worth_checking()
        self._debug(FORWARDS, service, lambda took: "a connection failed or recovered; checking its port")
        return service

    async def close(self) -> None:
        await self._forwards.close()


def describe_round(results: tuple[ProbeResult, ...], took: float) -> str:
    """``2 of 3 answered in 34 ms: tcp 192.0.2.1:443 11 ms; dns ... failed: no answer``."""
    answered = sum(result.ok for result in results)
    told = "; ".join(_describe_probe(result) for result in results)
    return f"{answered} of {len(results)} answered in {took:.0f} ms: {told}"


def _describe_probe(result: ProbeResult) -> str:
    again = f" at attempt {result.attempts}" if result.attempts > 1 else ""
    if not result.ok:
        return f"{result.name} failed{again}: {result.reason}"
    took = "" if result.latency_ms is None else f" {result.latency_ms:.1f} ms"
    return f"{result.name} ok{took}{again}"


def describe_quality_measured(seen: Observation | Unobserved) -> str:
    """A look at a workload, in the words of kubectl."""
    if isinstance(seen, Unobserved):
        return f"unknown, {seen.kind}: {seen.reason}"
    if not seen.exists:
        return "it does not exist"
    parts = [f"{seen.available}/{seen.desired} available", f"rollout {seen.rollout}", f"generation {seen.generation}"]
    parts += [f"token {seen.token}"] if seen.token else []
    return ", ".join(parts + [told for told in (seen.progress, seen.trouble) if told])

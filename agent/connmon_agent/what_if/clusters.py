"""The services of an agent that decides otherwise than the one that recorded: what they would have shown is a model.

Until its first restart a service shows what was last seen of it in the record, without what a recorded restart of ours
made of it. After a restart it gets ready as the model says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf

from msgspec.structs import replace

from ..core.events import Inspected, Outcome, RestartAnswered
from ..core.observations import Observation, Rollout, Unobserved
from ..core.services.recovery import BUSY
from ..core.timestamps import Timestamp
from ..core.world import Service, ServiceState
from .recordings import RecordedStep

USUAL_READY = 30.0  # seconds from a restart until all replicas are available, where none is recorded
ONE_RECOVERY = 3600.0  # seconds within which attempts follow each other
USUAL_ANSWER = 0.1  # seconds until the API server has answered
OWN_STATES = BUSY | {ServiceState.BACKOFF}  # in which a service shows a restart of ours


class Model(StrEnum):
    """How services answer to restarts that were not recorded."""

    AS_RECORDED = "as-recorded"  # as the same service's recorded restart that is nearest in time; failures too
    READY_AFTER_MEDIAN = "ready-after-median"  # ready after the median of its recorded restarts that helped
    NEVER = "never"  # no restart helps


@dataclass(frozen=True, slots=True)
class Attempt:
    """A recorded restart: accepted at ``at`` (steady seconds), ready so many seconds later (None: it did not help)."""

    at: float
    ready: float | None


@dataclass
class Experience:
    """What recorded restarts came to, by service."""

    attempts: dict[str, list[Attempt]] = field(default_factory=lambda: defaultdict(list))
    answers: list[float] = field(default_factory=list)  # seconds from a request to its acceptance
    _asked: dict[str, float] = field(default_factory=dict)
    _begun: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[RecordedStep]) -> Experience:
        """What the recorded events tell."""
        found = cls()
        for row in rows:
            found.note(row)
        return found

    def note(self, row: RecordedStep) -> None:
        """Take in one event."""
        now = row.event.at.steady
        for effect in row.effects:
            self._asked[effect.service] = now
        for one in row.transitions:
            if one.chart != "service" or one.source == one.dest:
                continue
            if one.dest == ServiceState.VERIFYING:
                self._begun[one.instance] = now
                self.answers.append(now - self._asked.get(one.instance, now))
            elif one.source == ServiceState.VERIFYING and one.instance in self._begun:
                since = self._begun.pop(one.instance)
                helped = one.dest == ServiceState.READY
                self.attempts[one.instance].append(Attempt(since, now - since if helped else None))

    @property
    def answer(self) -> float:
        """Seconds until a request is answered."""
        return _median(self.answers) or USUAL_ANSWER

    def ready_after(self, service: str, at: float, model: Model, last: int | None = None) -> tuple[float, int | None]:
        """Seconds until the replicas are available after a restart that is accepted at ``at`` (inf: never), and the
        number of the recorded restart that says so (None: none does).

        ``last`` is that number of the attempt before, which did not help: the record goes on with the one that
        followed it. None: there was none.
        """
        if model is Model.NEVER:
            return inf, None
        own = self.attempts.get(service, [])
        if model is Model.AS_RECORDED and own:
            number = _find_nearest(own, at) if last is None else _find_next(own, last)
            if number is not None:
                ready = own[number].ready
                return inf if ready is None else ready, number
        return self._usually_ready_after(own), None

    def _usually_ready_after(self, own: list[Attempt]) -> float:
        helped = [one.ready for one in own if one.ready is not None]
        every = helped or [one.ready for some in self.attempts.values() for one in some if one.ready is not None]
        return _median(every) or USUAL_READY


def _find_nearest(attempts: list[Attempt], at: float) -> int:
    return min(range(len(attempts)), key=lambda number: abs(attempts[number].at - at))


def _find_next(attempts: list[Attempt], last: int) -> int | None:
    """The attempt that followed in the same recovery; None: the record has none."""
    following = last + 1
    same = following < len(attempts) and attempts[following].at - attempts[last].at < ONE_RECOVERY
    return following if same else None


@dataclass
class _Workload:
    """What the model made of one workload. ``ready`` is a steady time."""

    restarts: int = 0
    token: str | None = None
    ready: float = -inf
    source: int | None = None  # the recorded restart that says so
    template: str | None = None


class ModelledCluster:
    """The port that an agent acts on, without a port: observations and answers are asked for, and take no time."""

    def __init__(self, experience: Experience, model: Model) -> None:
        self._experience, self._model = experience, model
        self._seen: dict[str, Observation | Unobserved] = {}
        self._workloads: dict[str, _Workload] = defaultdict(_Workload)
        self._broken: set[str] = set()
        self._refused: set[str] = set()

    def break_restarts(self, service: str, *, refused: bool = False) -> None:
        """From now on restarts of the service do not help, or are refused."""
        (self._refused if refused else self._broken).add(service)

    def note(self, event: Inspected, service: Service | None) -> None:
        """Remember what was seen, unless it shows a restart of the recording agent, whose ``service`` this is."""
        if service is not None and service.state in OWN_STATES:
            return
        self._seen[event.service] = event.seen
        workload = self._workloads.get(event.service)
        well = isinstance(event.seen, Observation) and event.seen.healthy
        if workload is not None and workload.ready == inf and well and self._model is Model.AS_RECORDED:
            workload.ready = event.at.steady  # in the record somebody mended it

    def forget(self, name: str) -> None:
        """What restarts made of the workload is over: it shows what is noted."""
        self._workloads.pop(name, None)

    def adopt(self, name: str, service: Service) -> None:
        """From now on the model speaks for the service, which is as ``service`` now."""
        workload = self._workloads[name]
        if service.intent is not None or service.state == ServiceState.VERIFYING:
            workload.token = service.token if service.intent is None else service.intent.token
            since = service.restarted.steady if service.restarted is not None else service.since.steady
            workload.ready = since + self._ready_after(name, workload, since)
            workload.template = service.made
            workload.restarts = 1

    def answer(self, name: str, token: str, at: Timestamp) -> RestartAnswered:
        """What the API server says to the request with this token."""
        if name in self._refused:
            return RestartAnswered(at, name, token, Outcome.REFUSED, "refused in this rehearsal", kind="denied")
        workload = self._workloads[name]
        workload.restarts += 1
        workload.token, workload.template = token, f"modelled-{workload.restarts}"
        workload.ready = at.steady + self._ready_after(name, workload, at.steady)
        reason = "accepted, as the model has it"
        return RestartAnswered(at, name, token, Outcome.APPLIED, reason, template=workload.template)

    @property
    def delay(self) -> float:
        """Seconds that an answer takes."""
        return self._experience.answer

    def ready_at(self, name: str) -> float:
        """The steady time at which the newest restart has helped."""
        return self._workloads[name].ready

    def is_available(self, name: str) -> bool:
        """Whether the service was available when it was last seen."""
        seen = self._seen.get(name)
        return not isinstance(seen, Observation) or seen.healthy

    def observe(self, name: str, at: Timestamp, service: Service) -> Observation:
        """What a close look at the workload shows."""
        seen = self._seen.get(name)
        base = seen if isinstance(seen, Observation) else Observation(uid=name, generation=1, desired=1, available=1)
        base = replace(base, close=True, token=service.token, annotated=service.token is not None, pulls=())
        workload = self._workloads.get(name)
        if workload is None or not workload.restarts:
            return base
        shown = replace(
            base, token=workload.token, annotated=True, template=workload.template, blocked_by=None, trouble=None,
            generation=base.generation + workload.restarts, pods=(f"modelled-{workload.restarts}",),
            desired=max(1, base.desired),
        )  # fmt: skip
        if at.steady >= workload.ready:
            return replace(
                shown, rollout=Rollout.COMPLETE, available=shown.desired, rolling=False, stalled=False, progress=""
            )
        progress = f"0 of {shown.desired} new pods are available"
        return replace(shown, rollout=Rollout.UNDER_WAY, rolling=True, available=0, progress=progress)

    def _ready_after(self, name: str, workload: _Workload, at: float) -> float:
        if name in self._broken:
            return inf
        last = workload.source if workload.ready == inf else None
        ready, workload.source = self._experience.ready_after(name, at, self._model, last)
        return ready


def _median(figures: Iterable[float]) -> float | None:
    ordered = sorted(figures)
    return ordered[len(ordered) // 2] if ordered else None

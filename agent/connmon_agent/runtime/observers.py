"""The observers: they look at the world outside when the world inside asks for it, and bring what they saw as events.

They decide nothing: how often to look is told by ``core.demands``. Each waits for the next look that is due, or for a
change of the world, which may make another one due earlier.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import ClassVar

from msgspec import structs

from ..core.demands import Demand, gateway_to_ask, inspections, next_round, round_patience
from ..core.events import Event, Inspected, RoundFinished, TimerDue
from ..core.link.quiet_rounds import Rounds, choose_first, choose_target, merge, tells_news
from ..core.observations import Observation, ProbeResult, Unobserved
from ..core.plan import ServicePlan
from ..core.timestamps import Timestamp
from ..core.world import World
from ..ports import Clock, Cluster, Prober, Registries
from ..supervision import Tasks, report, supervise
from .waking import Waking

# A round may start while older ones still wait for their deadline, but a backlog of them helps nobody.
MOST_ROUNDS_AT_ONCE = 4
# Rounds are spread by this share of the interval, so that the agents of many sites do not ask a target in step.
ROUND_JITTER = 0.1
# A service is not looked at more often than this, whatever is asked for.
SHORTEST_INSPECTION_INTERVAL = 0.2


class Observer(ABC):
    """A loop that looks whenever a look is due. ``take`` receives the events, ``world`` tells what is wanted.

    ``task`` names the loop in the log, should it fail.
    """

    task: ClassVar[str]

    def __init__(self, *, clock: Clock, world: Callable[[], World], take: Callable[[Event], object]) -> None:
        self._clock = clock
        self._world = world
        self._take = take
        self._waking = Waking(clock)
        self._tasks: Tasks = set()
        self._busy: set[str] = set()  # what is being looked at now

    def nudge(self) -> None:
        """Tell that the world changed."""
        self._waking.nudge()

    async def run(self) -> None:
        """Look until cancelled."""
        try:
            while True:
                self._waking.forget()
                due = self.look()
                await self._waking.wait(None if due is None else due - self._clock.now().steady)
        finally:
            for task in self._tasks:
                task.cancel()

    @abstractmethod
    def look(self) -> float | None:
        """Start every look that is due; returns the steady time of the next one (None: only a change can bring one)."""

    def _start(self, name: str, look: Callable[[], Awaitable[None]], *, about: str | None = None) -> None:
        """Look in a task of its own. One that fails is reported, and begun anew when it is due again.

        ``about`` is busy until the task has ended, however it does: also before it began.
        """
        task = supervise(name, look, tasks=self._tasks, again=False)
        if about is not None:
            self._busy.add(about)
            task.add_done_callback(lambda _: self._end(about))

    def _end(self, about: str) -> None:
        self._busy.discard(about)
        self.nudge()


class RoundObserver(Observer):
    """Probes the link's targets, round by round: one of them while all is well, all of them in any doubt."""

    task = "probe the link"

    def __init__(
        self,
        prober: Prober,
        *,
        clock: Clock,
        world: Callable[[], World],
        take: Callable[[Event], object],
        note: Callable[[Timestamp, tuple[ProbeResult, ...], tuple[ProbeResult, ...]], None],
        wake: Callable[[], object],
        rest: Callable[[float], object],
        screen: Callable[[], tuple[frozenset[str], bool]] = lambda: (frozenset(), True),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(clock=clock, world=world, take=take)
        self.prober = prober
        self._note = note  # called with what a round found, and with that beside what is known of the other targets
        self._wake = wake  # called before every look
        self._rest = rest  # called after it with the time of the next one
        self._screen = screen  # which targets look slow or lossy, and whether all were asked about equally often
        self._jitter = jitter
        self._number = 0  # of the newest round started
        self._delivered = 0  # of the newest round that became an event, or was noted
        self._started: float | None = None
        self._spread = 0.0
        self._doubted: set[int] = set()  # quiet rounds under way whose target did not answer: they ask all of them
        self._memory = Rounds()

    def forget(self) -> None:
        """A round that is under way tells of the past, or of other targets: it is dropped, and one is due at once."""
        self._delivered = self._number + 1
        self._started = None
        self._memory = Rounds()

    def turn_to(self, prober: Prober) -> None:
        """Ask other targets from now on, and all of them first."""
        self.prober = prober
        self._memory = Rounds()

    def look(self) -> float:
        self._wake()
        due = self._look()
        self._rest(due)
        return due

    def _look(self) -> float:
        now = self._clock.now().steady
        due = self._due()
        if now < due:
            return due
        if len(self._tasks) < MOST_ROUNDS_AT_ONCE:
            self._number += 1
            self._spread = self._jitter() - 0.5
            self._start("probe a round", self._begin(self._number, now))
        self._started = now
        return self._due()

    def _due(self) -> float:
        if self._started is None:
            return 0.0
        if self._doubted:
            return self._started + self._world().plan.link.confirm_interval
        return next_round(self._world(), self._started, spread=ROUND_JITTER * self._spread)

    def _begin(self, number: int, now: float) -> Callable[[], Awaitable[None]]:
        """The round with that number, which begins ``now`` (steady seconds)."""
        doubtful, even = self._screen()
        self._memory = replace(self._memory, doubtful=doubtful, even=even)
        world = self._world()
        target = None if self._doubted else choose_target(world, self._memory, now)
        first = target or (None if self._doubted else choose_first(world, self._memory, now))
        self._memory = replace(self._memory, quiet=self._memory.quiet + (target is not None))
        if target is None:
            self._memory = replace(self._memory, complete=now)
        if first is None:
            return partial(self._probe, partial(self._round, number))
        return partial(self._probe, partial(self._quiet_round, number, first, alone=target is not None))

    async def _probe(self, probing: Callable[[], Awaitable[None]]) -> None:
        try:
            await probing()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # else the prober was closed, because a reload brought another

    async def _round(self, number: int) -> None:
        world = self._world()
        known = world.link.evidence.gateway_address if self._doubted else None
        self.prober.watch_gateway(known or gateway_to_ask(world, self._clock.now().steady))
        self._deliver(number, await self.prober.probe_all(patience=round_patience(world)))

    async def _quiet_round(self, number: int, target: str, *, alone: bool) -> None:
        """Ask ``target``; where it answers, the others as well unless it is to be ``alone``."""
        self.prober.watch_gateway(None)
        try:
            results = await self.prober.probe_quietly(target, doubt=partial(self._doubt, number))
        finally:
            doubted = number in self._doubted
            self._doubted.discard(number)
        if doubted:
            self._deliver(number, results)
        elif not alone:
            await self._round(number)
        elif not self._wake() and number >= self._delivered:  # else it tells of the past
            self._confirm_by_itself(number, results)

    def _doubt(self, number: int) -> None:
        """The target of a quiet round does not answer: all are asked, and asked again, before any verdict is there."""
        self._doubted.add(number)
        self._memory = replace(self._memory, complete=self._clock.now().steady)
        self.prober.watch_gateway(self._world().link.evidence.gateway_address)
        self.nudge()

    def _confirm_by_itself(self, number: int, results: tuple[ProbeResult, ...]) -> None:
        """A quiet round found what the world knows: no event comes of it, unless what was asked beside it is new."""
        self._delivered = number
        at = self._clock.now()
        latest = merge(self._memory.latest, tuple(structs.replace(one, at=at.wall) for one in results))
        self._memory = replace(self._memory, latest=latest)
        self._note(at, results, latest)
        if tells_news(self._world(), results):
            self._memory = replace(self._memory, complete=None)
            self._started = None
            self.nudge()

    def _deliver(self, number: int, results: tuple[ProbeResult, ...]) -> None:
        if number < self._delivered:
            return  # a newer round has spoken since: this one tells of the past
        self._delivered = number
        at = self._clock.now()
        self._take(RoundFinished(at, results))
        if number == self._delivered:  # else it was taken for the past
            self._memory = replace(self._memory, latest=tuple(structs.replace(one, at=at.wall) for one in results))
            self._note(at, results, results)


class InspectionObserver(Observer):
    """Looks at the services in the cluster, and asks the registries that a restart would pull from."""

    task = "inspect the services"

    def __init__(
        self,
        cluster: Cluster,
        *,
        clock: Clock,
        world: Callable[[], World],
        take: Callable[[Event], object],
        registries: Registries | None = None,
        head_start: float = 0.0,
    ) -> None:
        """``head_start``: seconds that the first look waits, in which others have the processor."""
        super().__init__(clock=clock, world=world, take=take)
        self._head_start = head_start
        self.cluster = cluster
        self.registries = registries  # None: nobody asks them
        self._looked: dict[str, tuple[float, str]] = {}  # when each service was last looked at, and in which state

    async def run(self) -> None:
        if self._head_start:
            await self._clock.sleep(self._head_start)
        await super().run()

    def turn_to(self, cluster: Cluster) -> None:
        """Look at another cluster from now on, and at all of it at once."""
        self.cluster = cluster
        self._looked.clear()

    def look(self) -> float | None:
        now = self._clock.now().steady
        world = self._world()
        nexts = []
        for name, demand in inspections(world, now).items():
            if name in self._busy:
                continue
            due = self._due(world, name, demand)
            if due > now:
                nexts.append(due)
            else:
                self._begin(world.plan.service(name), world.services[name].state, now, demand)
        return min(nexts, default=None)

    def _due(self, world: World, name: str, demand: Demand) -> float:
        """At once after a change of state, else when the interval is over."""
        last, state = self._looked.get(name, (0.0, ""))
        interval = max(demand.interval, SHORTEST_INSPECTION_INTERVAL) if state == world.services[name].state else 0.0
        return max(last + interval, demand.earliest)

    def _begin(self, service: ServicePlan, state: str, now: float, demand: Demand) -> None:
        self._looked[service.name] = (now, state)
        self._start(f"inspect {service.name}", partial(self._inspect, service, demand), about=service.name)

    async def _inspect(self, service: ServicePlan, demand: Demand) -> None:
        cluster, restart = self.cluster, self._name_restart(service.name)
        try:
            seen: Observation | Unobserved = await cluster.inspect(service, closely=demand.closely)
            if demand.registries and self.registries is not None and isinstance(seen, Observation):
                seen = await ask_registries(seen, self.registries)
        except Exception as error:  # a mistake of ours must not blind the agent for the other services
            report(f"inspect {service.name}", error)
            seen = Unobserved("internal", f"internal error while asking the cluster: {error!r}")
        # A reload came in between, and it is another workload now; or a restart, and it may be shown as before.
        if cluster is not self.cluster or not self._is_meant(service) or restart != self._name_restart(service.name):
            self._looked.pop(service.name, None)
            return
        self._take(Inspected(self._clock.now(), service.name, seen))

    def _name_restart(self, name: str) -> tuple[str | None, str | None] | None:
        """What names the last restart of the service, and the one that has no answer yet."""
        service = self._world().services.get(name)
        return None if service is None else (service.token, None if service.intent is None else service.intent.token)

    def _is_meant(self, service: ServicePlan) -> bool:
        """Whether the configuration still means this workload by the service's name."""
        known = [plan for plan in self._world().plan.services if plan.name == service.name]
        return [_identify(plan) for plan in known] == [_identify(service)]


def _identify(service: ServicePlan) -> tuple[str, str, str]:
    return service.kind, service.namespace, service.workload


async def ask_registries(seen: Observation, registries: Registries) -> Observation:
    """``seen`` with the answer of each registry that a restart would have to pull from."""
    answers = await asyncio.gather(*(registries.ask(pull.registry) for pull in seen.pulls))
    pulls = tuple(structs.replace(pull, answer=answer) for pull, answer in zip(seen.pulls, answers, strict=True))
    return structs.replace(seen, pulls=pulls) if pulls else seen


class TimerObserver(Observer):
    """Tells when a deadline has passed, again at every change until the world knows: a telling may not be recorded."""

    task = "watch the deadlines"

    def look(self) -> float | None:
        now = self._clock.now()
        timers = self._world().timers
        waiting = []
        for name, due in timers.items():
            if due.steady > now.steady:
                waiting.append(due.steady)
            elif self._world().timers.get(name) == due:  # what was taken before may have moved it
                self._take(TimerDue(now, name))
        return min(waiting, default=None)

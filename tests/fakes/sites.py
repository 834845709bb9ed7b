"""A whole site for the agent to live in: an internet link, a cluster and a disk, all simulated, with every way to fail.

Each fake implements a port. ``Site.run`` runs the real agent in virtual time; ``Site.kill`` is ``kill -9``: what was
not committed is gone, what was sent may still arrive.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from msgspec import UNSET, UnsetType
from msgspec.structs import replace
from tests.fakes.announcers import FakeAnnouncer
from tests.fakes.charts import real_charts
from tests.fakes.local_ports import FakeForwards, FakeMachine
from tests.fakes.messengers import FakeMessenger
from tests.fakes.virtual_time import TICK, SimulatedClock, VirtualLoop

from connmon_agent.core.effects import Restart
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, AgentStopped, Event, Outcome, RestartAnswered, RoundFinished
from connmon_agent.core.link.round_counts import RoundCounts
from connmon_agent.core.notice_decisions import decide_notices, has_news
from connmon_agent.core.notices import Notice
from connmon_agent.core.observations import (
    Evidence,
    Failure,
    InternalErrors,
    LineUsage,
    MeasuredQuality,
    Observation,
    ProbeResult,
    Pull,
    Reach,
    RegistryAnswer,
    Rollout,
    Traffic,
    Unobserved,
)
from connmon_agent.core.plan import Kind, Plan, ServicePlan, with_stages
from connmon_agent.core.steps import Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.errors import CommitError, StoreError
from connmon_agent.ports import Journal
from connmon_agent.runtime.agent import Agent
from connmon_agent.runtime.dependencies import Dependencies
from connmon_agent.runtime.log_records import LogRecord

CALL = 0.02  # seconds a call of the API takes
PROBE = 0.01  # seconds an answered probe takes
TIMEOUT = 1.0  # seconds after which a silent target is given up
LATE = 0.25  # seconds after which a target that is asked alone is late
LOOK = CALL / 2  # seconds between two looks of who waits for something: the shortest state lasts for a call


class Killed(BaseException):  # as the death of a process, it is no error that anybody handles
    """The agent died at this instruction."""


@dataclass
class FakeLink:
    """The port Prober: three targets that answer while ``up``."""

    up: bool = True
    answering: int = 3  # how many of the targets answer while it is up
    shows: tuple[ProbeResult, ...] | None = None  # what other targets find, in place of the three
    begun: list[float] = field(default_factory=list)  # when each began, in the loop's time
    rounds: int = 0  # that were begun
    quiet: int = 0  # of them, those in which one target was asked and answered
    renewed: list[str] = field(default_factory=list)  # kinds of probes that were made to begin anew
    gateways: list[str | None] = field(default_factory=list)  # that were to be asked, one after another
    closed: bool = False

    def watch_gateway(self, address: str | None) -> None:
        if not self.gateways or self.gateways[-1] != address:
            self.gateways.append(address)

    def renew(self, kinds: Collection[str]) -> None:
        self.renewed += sorted(kinds)

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        self.begun.append(asyncio.get_running_loop().time())
        self.rounds += 1
        if self.shows is not None:
            shown = self.shows
            silent = any(result.failure is Failure.SILENT for result in shown)
            await asyncio.sleep(min(TIMEOUT, patience or TIMEOUT) if silent else PROBE)
            return shown
        up, answering = self.up, self.answering
        await asyncio.sleep(PROBE if up and answering == 3 else min(TIMEOUT, patience or TIMEOUT))
        return tuple(self._result(number, up and number < answering) for number in range(3))

    async def probe_quietly(self, name: str, *, doubt: Callable[[], object]) -> tuple[ProbeResult, ...]:
        """Asks ``name`` alone, and where it does not answer in time, all of them."""
        asked = asyncio.ensure_future(self.probe_all())
        try:
            await asyncio.wait([asked], timeout=LATE)
            if asked.done():
                found = [one for one in asked.result() if one.name == name or one.kind == "api"]
                if any(one.ok and one.attempts == 1 and one.kind != "api" for one in found):
                    self.quiet += 1
                    return tuple(found)
            doubt()
            if not asked.done():
                await asyncio.wait([asked])
                await asyncio.sleep(LATE)  # the others were asked so much later
            return asked.result()
        finally:
            asked.cancel()

    async def close(self) -> None:
        self.closed = True

    def _result(self, number: int, ok: bool) -> ProbeResult:
        name = f"tcp 192.0.2.{number + 1}:443"
        return ProbeResult(name, "tcp", ok, 10.0 if ok else None, None if ok else "no answer within 1 s")


@dataclass
class FakeWatch:
    """The port LinkWatch over a machine whose link is as told by ``show``."""

    evidence: Evidence = field(default_factory=lambda: Evidence(True, True, "wan0", "192.0.2.254"))
    closed: bool = False
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    def show(self, **changes: object) -> None:
        """From now on the operating system says this as well."""
        self.evidence = replace(self.evidence, **changes)  # type: ignore[arg-type]  # names are tested
        self._told.set()

    def read(self) -> Evidence:
        return self.evidence

    async def changed(self) -> None:
        await self._told.wait()
        self._told.clear()

    async def close(self) -> None:
        self.closed = True


@dataclass
class Workload:
    """One workload of the fake cluster, rolled out ``ready_after`` seconds after each change of its template."""

    uid: str = "uid-1"
    generation: int = 1
    token: str | None = None
    desired: int = 1
    paused: bool = False
    exists: bool = True
    stuck: bool = False  # its pods hang until they are replaced
    ready_after: float | None = 2.0  # None: never
    failures: int = 0  # so many of the next rollouts never get ready
    stalls: str | None = None  # what the pods of such a rollout show; None: nothing
    step: float | None = None  # seconds after which a rollout that is under way is seen to move; None: it is not
    gated: str | None = None  # what waits for somebody's decision
    blocked_by: str | None = None
    pulls: tuple[Pull, ...] = ()  # what a restart must pull, after it has ended the pods that work
    template: int = 1  # the number of its pod template
    rolls: int = 0  # rollouts that were begun
    pods: str = "pod-0"  # that run until the newest rollout is done
    managers: tuple[str, ...] = ()
    reverts_after: float | None = None  # seconds after which a controller takes a restart back; None: none does
    revised_by: str | None = None
    rolled_at: float = field(default=-1e9)
    rollout_works: bool = True
    tokens: list[str] = field(default_factory=list)  # of every restart that took effect, in order

    @property
    def template_digest(self) -> str:
        return f"{self.uid}/{self.template}"

    def roll(self, now: float, *, by: str) -> None:
        """A new pod template."""
        self._settle(now)
        self.generation += 1
        self.rolls += 1
        self.template = self.rolls + 1
        self.rolled_at, self.revised_by = now, by
        self.stuck = False
        self.rollout_works = self.failures == 0
        self.failures = max(0, self.failures - 1)

    def revert(self, now: float, template: int, *, by: str) -> None:
        """A controller brings an older pod template back. Where the rollout was not done, the pods of before run on."""
        if self._is_done(now):
            self.roll(now, by=by)
        else:
            self.generation, self.rolled_at, self.rolls, self.rollout_works = self.generation + 1, -1e9, 0, True
        self.template, self.token, self.revised_by = template, None, by
        self.managers = (f"{by} {now}",)

    def _settle(self, now: float) -> None:
        if self._is_done(now) and self.rolls:
            self.pods = f"pod-{self.rolls}"

    def _is_done(self, now: float) -> bool:
        return self.rollout_works and self.ready_after is not None and now >= self.rolled_at + self.ready_after

    def show(self, now: float, *, closely: bool = True) -> Observation:
        """What the API tells of it."""
        if not self.exists:
            return Observation(exists=False, progress="Deployment does not exist")
        done = self._is_done(now)
        healthy = done and not self.stuck
        return Observation(
            uid=self.uid,
            generation=self.generation,
            rollout=Rollout.COMPLETE if healthy else Rollout.UNDER_WAY,
            progress="rolled out" if healthy else f"0 of {self.desired} updated replicas are available",
            rolling=not done,
            progress_mark=f"{self.generation}/{0 if self.step is None else int((now - self.rolled_at) / self.step)}",
            stalled=not self.rollout_works and self.stalls is not None,
            trouble=None if self.rollout_works else self.stalls,
            gated=self.gated,
            desired=self.desired,
            available=self.desired if healthy else 0,
            paused=self.paused,
            token=self.token,
            annotated=self.token is not None,
            template=self.template_digest,
            managers=self.managers,
            close=closely,
            pods=(f"pod-{self.rolls}" if done and self.rolls else self.pods,) if closely else None,
            revised_by=self.revised_by,
            blocked_by=self.blocked_by,
            pulls=self.pulls if healthy else (),
        )


# What becomes of one call of the API: it works, or one of the ways in which it does not.
Fault = str  # "lost" (never arrives), "no reply" (arrives, nobody hears of it), "late" (arrives 5 s later, unheard)


@dataclass
class FakeCluster:
    """The port Cluster over simulated workloads. ``faults`` are taken by the next restart requests, one each."""

    clock: SimulatedClock
    workloads: dict[str, Workload]
    reachable: bool = True
    faults: list[Fault] = field(default_factory=list)
    refusals: list[tuple[str, str]] = field(default_factory=list)  # (kind, reason) for the next restart requests
    requests: list[Restart] = field(default_factory=list)
    watches: list[Callable[[Restart], None]] = field(default_factory=list)  # called with each request that is sent
    slowness: dict[str, float] = field(default_factory=dict)  # seconds that a look at a workload takes longer
    forbidden: set[str] = field(default_factory=set)  # workloads that may not be looked at
    unseen: tuple[str, str] | None = None  # (kind, reason): nothing may be looked at
    busiest: int = 0  # the most workloads that were rolling at once
    closed: bool = False
    dead: bool = False  # the agent that asks has been killed: what it sends from now on was never sent

    async def inspect(self, service: ServicePlan, *, closely: bool) -> Observation | Unobserved:
        await asyncio.sleep(CALL + self.slowness.get(service.workload, 0.0) if self.reachable else 5.0)
        if not self.reachable:
            return Unobserved("timeout", "the Kubernetes API did not answer within 5 s")
        if self.unseen is not None:
            return Unobserved(*self.unseen)
        if service.workload in self.forbidden:
            return Unobserved("forbidden", f"deployments.apps {service.workload} is forbidden")
        return self.workloads[service.workload].show(self.clock.now().steady, closely=closely)

    async def restart(self, restart: Restart, at: Timestamp) -> RestartAnswered:
        if self.dead:
            return await self._silence(restart, at)
        self.requests.append(restart)
        for watch in self.watches:
            watch(restart)
        fault = self.faults.pop(0) if self.faults else ""
        if not self.reachable or fault == "lost":
            return await self._silence(restart, at)
        if fault == "no reply":
            self._apply(restart)
            return await self._silence(restart, at)
        if fault == "late":
            asyncio.get_running_loop().call_later(5.0, self._apply, restart)
            return await self._silence(restart, at)
        return await asyncio.shield(asyncio.ensure_future(self._serve(restart, at)))

    async def _serve(self, restart: Restart, at: Timestamp) -> RestartAnswered:
        """What is on the wire arrives, whether or not the one who sent it still lives."""
        await asyncio.sleep(CALL)
        return self._refuse(restart, at) if self.refusals else self._answer(restart, at)

    async def close(self) -> None:
        self.closed = True

    async def _silence(self, restart: Restart, at: Timestamp) -> RestartAnswered:
        await asyncio.sleep(2.0)
        reason = "the Kubernetes API did not answer within 2 s"
        return RestartAnswered(at, restart.service, restart.token, Outcome.UNKNOWN, reason, kind="timeout")

    def _refuse(self, restart: Restart, at: Timestamp) -> RestartAnswered:
        kind, reason = self.refusals.pop(0)
        return RestartAnswered(at, restart.service, restart.token, Outcome.REFUSED, reason, kind=kind)

    def _answer(self, restart: Restart, at: Timestamp) -> RestartAnswered:
        if self._apply(restart):
            workload = self.workloads[restart.workload]
            return RestartAnswered(
                at,
                restart.service,
                restart.token,
                Outcome.APPLIED,
                "the patch was taken",
                generation=workload.generation,
                template=workload.template_digest,
            )
        reason = "the precondition of the patch does not hold"
        return RestartAnswered(at, restart.service, restart.token, Outcome.REFUSED, reason, kind="conflict")

    def _apply(self, restart: Restart) -> bool:
        """The compare-and-set, as the API server does it."""
        workload, now = self.workloads[restart.workload], self.clock.now()
        if restart.previous_token is not None:
            holds = workload.token == restart.previous_token
        else:
            holds = workload.generation == restart.generation and workload.uid == restart.uid
        if holds and workload.exists:
            workload.token = restart.token
            workload.tokens.append(restart.token)
            before = workload.template
            workload.roll(now.steady, by="connmon-agent")
            self._count_busy()
            if workload.reverts_after is not None:
                asyncio.get_running_loop().call_later(workload.reverts_after, self._revert, workload, before)
            return True
        return False

    def _revert(self, workload: Workload, template: int) -> None:
        workload.revert(self.clock.now().steady, template, by="kustomize-controller")

    def _count_busy(self) -> None:
        now = self.clock.now().steady
        rolling = sum(workload.show(now).rolling for workload in self.workloads.values())
        self.busiest = max(self.busiest, rolling)


@dataclass
class FakeRegistries:
    """The port Registries: each answers as told, in time ``takes``."""

    answers: dict[str, RegistryAnswer] = field(default_factory=dict)  # REACHABLE where nothing is told
    takes: float = CALL
    asked: list[str] = field(default_factory=list)
    closed: bool = False

    async def ask(self, registry: str) -> RegistryAnswer:
        self.asked.append(registry)
        await asyncio.sleep(self.takes)
        return self.answers.get(registry, RegistryAnswer(Reach.REACHABLE, "HTTP 401"))

    async def close(self) -> None:
        self.closed = True


@dataclass
class Commit:
    """One transaction of the fake disk."""

    event: Event
    step: Step


@dataclass
class FakeDisk:
    """The port Journal in memory. It outlives the agent, as a disk does.

    ``fail`` makes writing fail ("full": nothing is written; "unsure": a commit is written, and fails anyway; "away":
    nothing is written, and the file cannot be opened). Reading, and so reopening, needs no room on a full disk.
    ``before`` and ``after`` are called around each commit and may raise Killed; ``attempted`` is called before an
    attempt to send a notice is noted, and may do so, too.
    """

    world: World = field(default_factory=lambda: World(store="disk0001"))
    commits: list[Commit] = field(default_factory=list)
    rounds: int = 0
    results: tuple[ProbeResult, ...] = ()  # of the newest round
    measured_quality: MeasuredQuality | None = None  # of the newest round
    usage: LineUsage | None = None  # up to it
    latest: tuple[ProbeResult, ...] = ()  # of it, with what is known of the targets that it did not ask
    traffic: tuple[Traffic, ...] = ()
    errors: InternalErrors | None = None
    heartbeat: Timestamp | None = None
    channels: dict[str, bool] = field(default_factory=dict)  # that get notices, each with whether it works offline
    notices: dict[int, Notice] = field(default_factory=dict)  # by their numbers
    opened: dict[int, int] = field(default_factory=dict)  # by outage: the event that opened it
    fail: str | None = None
    slow: float = 0.0  # seconds that a commit takes
    silent: bool = False  # a read never returns
    damage: str | None = None
    set_aside: Path | None = None
    broken: bool = False
    dead: bool = False  # the agent that writes has been killed: nothing it does is written any more
    before: Callable[[Event, Step], None] | None = None
    after: Callable[[Event, Step], None] | None = None
    attempted: Callable[[Notice], None] | None = None

    def load(self) -> World:
        return self.world

    async def commit(self, event: Event, step: Step) -> int:
        if self.dead:
            return 0
        if self.broken:
            raise StoreError("the state file must be opened again")
        if self.slow:
            await asyncio.sleep(self.slow)
            if self.dead:  # it died while it waited for the disk
                return 0
        if self.before is not None:
            self.before(event, step)
        if self.fail is not None:
            self.broken = True
            if self.fail == "unsure":
                self._write(event, step)
            raise CommitError("disk full")
        self._write(event, step)
        if self.after is not None:
            self.after(event, step)
        return len(self.commits)

    async def note_round(
        self,
        at: Timestamp,
        results: Sequence[ProbeResult],
        measured_quality: MeasuredQuality | None = None,
        usage: LineUsage | None = None,
        probed: Sequence[ProbeResult] = (),
        counts: RoundCounts | UnsetType = UNSET,
    ) -> None:
        if self.dead:
            return
        if self.broken or self.fail is not None:
            raise StoreError("disk full")
        self.rounds += 1
        self.heartbeat = at
        self.results = tuple(results)
        self.measured_quality = measured_quality
        self.latest = tuple(results)
        self.usage = usage

    async def note_traffic(self, at: Timestamp, traffic: Sequence[Traffic]) -> None:
        if not self.dead:
            self.traffic = tuple(traffic)

    async def note_errors(self, errors: InternalErrors) -> None:
        if not self.dead:
            self.errors = errors

    async def last_sign_of_life(self) -> Timestamp | None:
        if self.silent:
            await asyncio.Event().wait()
        if self.broken:
            raise StoreError("the state file must be opened again")
        return self.heartbeat

    async def reopen(self) -> World:
        if self.fail == "away":
            raise StoreError("the disk is away")
        self.broken = False
        return self.world

    @property
    def unsent(self) -> tuple[Notice, ...]:
        return tuple(notice for notice in self.notices.values() if notice.unsent)

    async def note_attempt(self, notice: Notice) -> bool:
        if self.attempted is not None and not self.dead:
            self.attempted(notice)
        if self.dead:
            await asyncio.Event().wait()  # nothing is heard of it any more
        if self.broken or self.fail is not None:
            raise StoreError("disk full")
        known = self.notices[notice.number]
        if known.unsent:
            self.notices[notice.number] = replace(notice, until_seq=known.until_seq)
        return known.unsent

    def _write(self, event: Event, step: Step) -> None:
        self.commits.append(Commit(event, step))
        self._write_notices(event, step)
        if isinstance(event, AgentStarted | AgentStopped | RoundFinished):
            self.heartbeat = event.at
        self.world = step.world

    def _write_notices(self, event: Event, step: Step) -> None:
        seq, outage = len(self.commits), step.world.outage
        if outage is not None:
            self.opened.setdefault(outage.id, seq)
        if self.channels and has_news(self.world, step.world):
            made = decide_notices(
                self.world,
                step.world,
                at=event.at,
                seq=seq,
                opened=self.opened.__getitem__,
                channels=self.channels,
                known=self.notices.values(),
            )
            self.notices |= {notice.number: notice for notice in made}


class Site:
    """Everything around one agent, and the agent in it."""

    def __init__(self, plan: Plan, *, fast: bool = False, **workloads: Workload) -> None:
        self.plan = plan
        self.engine = Engine(real_charts(), fast=fast)
        self.clock = SimulatedClock()
        self.watch = FakeWatch()
        self.link = FakeLink()
        self.cluster = FakeCluster(
            self.clock, {service.workload: workloads.get(service.name, Workload()) for service in plan.services}
        )
        self.disk = FakeDisk()
        self.journal: Journal = self.disk  # where the agent remembers
        self.machine = FakeMachine()
        self.troubles: dict[str, str] = {}  # why nobody reaches a service, by its name
        self.lasting: set[str] = set()  # services whose trouble needs a person
        self.open_connections: dict[str, int] = {}
        self.forwards = self._make_forwards()
        self.registries = FakeRegistries()
        self.published: list[World] = []
        self.said: list[LogRecord] = []
        self.announcer = FakeAnnouncer(now=lambda: self.clock.now().steady)
        self.boot = 1  # of the machine
        self.deaths = 0  # of agents
        self.metered: bool | None = None  # what the system says of the connection
        self.asked_metered = 0
        self.messenger = FakeMessenger(up=lambda: self.link.up)
        self.agent: Agent | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start an agent on the disk as it is."""
        self.forwards = self._make_forwards()
        dependencies = Dependencies(
            self.clock,
            self.watch,
            self.link,
            self.cluster,
            self.journal,
            f"boot-{self.boot}",
            self.said.append,
            self.machine,
            self.forwards,
            self.published.append,
            self.registries,
            self._tell_metered,
            "NetworkManager",
            self.announcer,
            messenger=self.messenger if self.disk.channels else None,
        )
        self.messenger.dead = self.disk.broken = self.disk.dead = self.cluster.dead = False
        self.agent = Agent(engine=self.engine, plan=self.plan, dependencies=dependencies)
        self._running = asyncio.ensure_future(self.agent.run())
        await asyncio.sleep(TICK)  # it has recorded its start

    def notify(self, **channels: bool) -> None:
        """Let these channels have notices, each with whether it works offline. To be called before ``start``."""
        self.disk.channels = self.messenger.channels = channels

    async def _tell_metered(self) -> bool | None:
        self.asked_metered += 1
        return self.metered

    def _make_forwards(self) -> FakeForwards:
        """Those of one agent: the sockets of the one before are gone, the pods are as they were."""
        return FakeForwards(self.machine, troubles=self.troubles, lasting=self.lasting, open=self.open_connections)

    def die(self) -> None:
        """The instant of a ``kill -9``: nothing more is written, nothing more is sent."""
        self.deaths += not self.disk.dead
        self.messenger.dead = self.disk.dead = self.cluster.dead = self.forwards.dead = True
        self.forwards.listening.clear()

    def die_at(self, timestamp: str, condition: Callable[[Event, Step], bool]) -> None:
        """Die ``before`` or ``after`` the first commit for which ``condition`` holds; nothing is done for it."""

        def hook(event: Event, step: Step) -> None:
            if not self.disk.dead and condition(event, step):
                self.disk.before = self.disk.after = None
                self.die()
                raise Killed

        setattr(self.disk, timestamp, hook)

    async def kill(self) -> None:
        """``kill -9``, and the process is gone."""
        assert self._running is not None
        self.die()
        self._running.cancel()
        with suppress(asyncio.CancelledError, Killed):
            await self._running

    async def stop(self) -> None:
        """SIGTERM."""
        assert self.agent is not None and self._running is not None
        self.agent.end("SIGTERM")
        await self._running

    async def wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def until(self, condition: Callable[[], bool], *, within: float = 600.0) -> None:
        """Wait until ``condition`` holds; fails the test when it does not within so many virtual seconds.

        It looks every 10 ms, but for those of a second between which no timer is due: nothing can have changed.
        """
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        deadline = loop.time() + within
        while not condition():
            if self._running is not None and self._running.done():
                self._running.result()
            assert loop.time() < deadline, f"not within {within} s: {self.describe()}"
            idle = min(loop.next_due() - loop.time(), 1.0)
            await asyncio.sleep(LOOK * max(1, ceil(idle / LOOK)))

    async def until_link(self, state: str, *, within: float = 600.0) -> None:
        await self.until(lambda: self.world.link.state == state, within=within)

    async def lose_link(self) -> None:
        """From ONLINE to OFFLINE."""
        await self.until_link("ONLINE")
        self.link.up = False
        await self.until_link("OFFLINE")

    async def live_through_outage(self, *, dark: float = 20.0, within: float = 1800.0) -> None:
        """From ONLINE through one outage to ONLINE again."""
        await self.lose_link()
        await self.wait(dark)
        self.link.up = True
        await self.until_link("ONLINE", within=within)

    @property
    def world(self) -> World:
        assert self.agent is not None
        return self.agent.world

    def restarts(self, name: str) -> int:
        """How often the cluster really restarted the service."""
        return len(self.cluster.workloads[name].tokens)

    def state(self, name: str) -> str:
        return self.world.services[name].state

    def describe(self) -> str:
        services = {name: f"{service.state}: {service.reason}" for name, service in self.world.services.items()}
        return f"link {self.world.link.state}: {self.world.link.reason}; {services}"


def plan_of(*names: str, depends_on: dict[str, tuple[str, ...]] | None = None, **changes: object) -> Plan:
    """A plan of Deployments with these names; ``changes`` are of the recovery."""
    services = [
        ServicePlan(name, Kind.DEPLOYMENT, "erp-system", name, (depends_on or {}).get(name, ())) for name in names
    ]
    plan = Plan(services=with_stages(services))
    return replace(plan, recovery=replace(plan.recovery, **changes))  # type: ignore[arg-type]  # names are tested

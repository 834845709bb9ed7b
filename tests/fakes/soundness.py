"""What must hold, whatever happens: of every world, of every commit, and of what the cluster went through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tests.fakes.charts import real_charts
from tests.fakes.messengers import name_of
from tests.fakes.sites import Commit, Site

from connmon_agent.core.effects import LISTEN_TOKEN, Effect, Listen
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import Event, Inspected, ListenAnswered
from connmon_agent.core.link.quality import is_poor
from connmon_agent.core.observations import Observation
from connmon_agent.core.ports.assignments import plans_of
from connmon_agent.core.services.preflight import find_forbidding
from connmon_agent.core.services.recovery import BUSY, UNSETTLED, is_damped, is_held_by_damping, may_act
from connmon_agent.core.services.service_rules import backoff_timer
from connmon_agent.core.steps import Resolution, Step, Transition
from connmon_agent.core.world import ForwardState, LinkState, ServiceState, World
from connmon_agent.explain.replay import first_difference

MOST_REFUSALS = 20  # of one local port in a minute, of agents that are killed and started again too
IN_AN_OUTAGE = (LinkState.OFFLINE, LinkState.RECOVERING)


def find_faults(world: World) -> Iterator[str]:
    """What is wrong with one world, in words."""
    link, outage, plan = world.link, world.outage, world.plan
    if min(link.good, link.bad) != 0:
        yield f"the link's counters are {link.good} good and {link.bad} bad"
    if "hold" in world.timers and (link.state != LinkState.RECOVERING or outage is None or outage.hold_over):
        yield f"the hold runs while the link is {link.state}"
    if link.state in IN_AN_OUTAGE and (outage is None or outage.ended is not None):
        yield f"the link is {link.state}, and no outage is open"
    if link.state not in IN_AN_OUTAGE and outage is not None and outage.ended is None:
        yield f"the link is {link.state}, and an outage is open"
    if [service.name for service in plan.services] != list(world.services):
        yield f"the services {list(world.services)} are not those of the plan"
    if unknown := world.timers.keys() - {"hold", "damping", *map(backoff_timer, world.services)}:
        yield f"timers of nothing: {unknown}"
    for name, service in world.services.items():
        if (service.intent is not None) != (service.state == ServiceState.RESTARTING):
            yield f"{name} is {service.state}, its intent {service.intent}"
        if (backoff_timer(name) in world.timers) != (service.state == ServiceState.BACKOFF):
            yield f"{name} is {service.state}, the timers are {list(world.timers)}"
        if (service.deadline is not None) != (service.state == ServiceState.VERIFYING):
            yield f"{name} is {service.state}, its deadline {service.deadline}"
        if bool(service.progress_mark) != (service.progressed is not None):
            yield f"{name} moved at {service.progressed} to {service.progress_mark!r}"
        if service.attempts < 0 or not service.reason.strip():
            yield f"{name} has {service.attempts} attempts, and the reason {service.reason!r}"
        if service.state in UNSETTLED and link.state not in IN_AN_OUTAGE:
            yield f"{name} is {service.state} while the link is {link.state}"
    if world.timers.get("damping") != link.damped_until:
        yield f"restarts are damped until {link.damped_until}, the timers are {list(world.timers)}"
    if not 0.0 <= link.penalty <= plan.link.damping.ceiling:
        yield f"the penalty is {link.penalty}"
    if is_poor(link) and link.state in (LinkState.ONLINE, LinkState.OFFLINE):
        yield f"the link is {link.state}, and its quality {link.measured_quality}"
    if outage is not None and outage.monitoring_gap < 0:
        yield f"the outage has {outage.monitoring_gap} s of blind time"
    if not link.reason.strip():
        yield "the link's state has no reason"
    yield from _find_faults_of_ports(world)


def _find_faults_of_ports(world: World) -> Iterator[str]:
    plans = plans_of(world)
    if plans.keys() != world.forwards.keys():
        yield f"the local ports of {list(world.forwards)} are not those of the plan, {list(plans)}"
        return
    held = [forward.port for forward in world.forwards.values() if forward.port is not None]
    held += [forward.intent.port for forward in world.forwards.values() if forward.intent is not None]
    if len(held) > len(set(held)):
        yield f"two services have one port: {world.forwards}"
    for name, forward in world.forwards.items():
        ports = [port for port in (forward.port, forward.intent and forward.intent.port) if port is not None]
        if strange := [port for port in ports if port not in plans[name].candidates]:
            yield f"{name} has the ports {strange}, which are not its own"
        if (forward.port is None) != (forward.state in (ForwardState.CLOSED, ForwardState.CONFLICT)):
            yield f"{name} is {forward.state} on port {forward.port}"
        if forward.state == ForwardState.OPEN and (forward.proven is None or forward.trouble is not None):
            yield f"{name} is OPEN without proof: {forward}"
        if not forward.reason.strip():
            yield f"the local port of {name} has no reason"


def find_faults_of_step(before: World, step: Step) -> Iterator[str]:
    """What is wrong with one step out of a sound world, in words."""
    after = step.world
    yield from find_faults(after)
    for transition in step.transitions:
        if not transition.reason.strip() or "{" in transition.reason:
            yield f"a transition without a reason in words: {transition}"
        down = transition.chart == "link" and transition.dest == LinkState.OFFLINE
        if down and transition.source not in (LinkState.DEGRADED, LinkState.RECOVERING):
            yield f"the link fell from {transition.source} to OFFLINE"
    for effect in step.effects:
        if not may_act(after):
            yield f"a restart of {effect.service} while the link is {after.link.state}, paused: {after.paused}"
        if is_damped(after) and after.services[effect.service].healthy_since is not None:
            yield f"a restart of {effect.service}, which is available, while restarts are damped"
        intent = after.services[effect.service].intent
        if intent is None or intent.token != effect.token:
            yield f"a restart of {effect.service} without an intent"
        if not effect.again:
            yield from _find_faults_of_turn(before, after, effect)
    yield from _find_faults_of_charges(before, step)


def _find_faults_of_charges(before: World, step: Step) -> Iterator[str]:
    """A restart that was certainly refused costs nothing; what may have taken effect does."""
    spent = {name: service.attempts for name, service in before.services.items()}
    for transition in step.transitions:
        name, refused = transition.instance, transition.trigger == "restart_refused"
        if refused and transition.dest == ServiceState.BACKOFF and ("resent", True) not in transition.guards:
            if (left := step.world.services[name].attempts) != max(0, spent[name] - 1):
                yield f"{name} was refused a restart, and {left} of {spent[name]} attempts are charged still"
        elif "refund_attempt" in transition.actions:
            yield f"{name} got an attempt back on {transition.trigger}: {transition.guards}"


def _find_faults_of_turn(before: World, after: World, effect: Effect) -> Iterator[str]:
    stage = after.plan.service(effect.service).stage
    earlier = [
        plan.name
        for plan in after.plan.services
        if plan.stage < stage
        and after.services[plan.name].state in UNSETTLED
        and not is_held_by_damping(after, after.services[plan.name])
    ]
    if earlier:
        yield f"{effect.service} of stage {stage} is restarted before {earlier}"
    busy = [name for name, service in after.services.items() if service.state in BUSY]
    if len(busy) > after.plan.recovery.parallel:
        yield f"{len(busy)} services are under way, {after.plan.recovery.parallel} are allowed: {busy}"
    if before.services[effect.service].attempts >= after.plan.recovery.max_restart_attempts:
        yield f"{effect.service} is restarted with no attempt left"


@dataclass(frozen=True)
class Row:
    """A committed step, as the store gives it for a replay."""

    seq: int
    event: Event
    transitions: tuple[Transition, ...]
    effects: tuple[Effect, ...]
    resolutions: tuple[Resolution, ...]
    notes: tuple[tuple[str, str], ...]
    refusal: str | None
    listens: tuple[Listen, ...]


def as_rows(commits: list[Commit]) -> list[Row]:
    """The commits of the fake disk as a journal."""
    return [
        Row(
            number,
            commit.event,
            step.transitions,
            step.effects,
            step.resolutions,
            step.notes,
            step.refusal,
            step.listens,
        )
        for number, commit in enumerate(commits, 1)
        for step in [commit.step]
    ]


def engine_for(charts: Mapping[str, str]) -> Engine:
    """The fast engine, for the product's own charts."""
    assert charts == {name: chart.sha256 for name, chart in real_charts().items()}
    return Engine(real_charts(), fast=True)


def find_harm(event: Event, step: Step) -> Iterator[str]:
    """A restart that can only harm: what works is ended, and what comes after it cannot be pulled."""
    if isinstance(event, Inspected) and isinstance(event.seen, Observation):
        pull = find_forbidding(event.seen)
        if pull is not None and event.seen.available and any(not effect.again for effect in step.effects):
            yield f"{event.service} is restarted though {pull.registry} is {pull.answer}"


def find_faults_of_notices(site: Site) -> Iterator[str]:
    """Every outage was told once on every channel, and a death made one message a channel arrive twice at most."""
    rows, commits = site.disk.notices.values(), site.disk.commits
    outages = [commit.step.world.outage for commit in commits]
    ended = {outage.id for outage in outages if outage and outage.ended and not outage.by_operator}
    for channel in site.disk.channels:
        digests = [one for one in rows if one.channel == channel and one.kind == "digest"]
        told = [one for one in digests if one.state in ("sent", "refused")]
        for number in sorted(ended):
            times = sum(one.from_seq <= site.disk.opened[number] <= one.until_seq for one in told)
            if times != 1:
                yield f"outage {number} was told {times} times on {channel}: {digests}"
        names = site.messenger.names(channel)
        if len(names) - len(set(names)) > site.deaths:
            yield f"{len(names) - len(set(names))} messages arrived twice on {channel}, and {site.deaths} agents died"
        sent = [one for one in rows if one.channel == channel and one.state == "sent"]
        if lost := [one for one in sent if name_of(one) not in names]:
            yield f"recorded as sent on {channel}, but never were: {lost}"
    if len({name_of(one) for one in rows}) != len(rows):
        yield f"two notices have one name: {list(rows)}"


@dataclass
class Witness:
    """Watches a site from its first request on."""

    site: Site
    faults: list[str] = field(default_factory=list)
    _read: int = 0  # commits
    _world: World = field(default_factory=lambda: World(store="disk0001"))
    _committed: Counter[str] = field(default_factory=Counter)  # sendings of each token that the disk allows
    _refusals: dict[int, list[float]] = field(default_factory=dict)  # of each local port, when it was refused
    _charged: dict[str, list[str]] = field(default_factory=dict)  # tokens of each service since its budget came back

    def __post_init__(self) -> None:
        self.site.cluster.watches.append(self._watch_request)

    def testify(self) -> list[str]:
        """Everything that was wrong. To be asked once, at the end."""
        self._read_commits()
        applied = [token for workload in self.site.cluster.workloads.values() for token in workload.tokens]
        if twice := [token for token, times in Counter(applied).items() if times > 1]:
            self.faults.append(f"applied more than once: {twice}")
        self.faults += self._compare_resolutions(frozenset(applied))
        self.faults += find_faults_of_notices(self.site)
        rows = as_rows(self.site.disk.commits)
        difference = first_difference(rows, store="disk0001", engine_for=engine_for, final=self.site.disk.world)
        if difference is not None:
            self.faults.append(f"the journal replays otherwise: {difference}")
        return self.faults

    def _watch_request(self, request: object) -> None:
        self._read_commits()
        restart = self.site.cluster.requests[-1]
        self._committed[restart.token] -= 1
        if self._committed[restart.token] < 0:
            self._accuse(f"{restart.service} was asked to restart without a durable intent: {restart}")
        if not may_act(self._world):
            state = f"{self._world.link.state}, paused {self._world.paused}"
            self._accuse(f"{restart.service} was asked to restart while the disk says {state}")

    def _read_commits(self) -> None:
        for commit in self.site.disk.commits[self._read :]:
            for fault in (*find_faults_of_step(self._world, commit.step), *find_harm(commit.event, commit.step)):
                self._accuse(f"commit {self._read + 1} ({type(commit.event).__name__}): {fault}")
            self._read += 1
            self._charge(commit.step)
            self._count_refusals(commit.event)
            self._world = commit.step.world

    def _count_refusals(self, event: Event) -> None:
        """A port that cannot be had is not asked for as fast as the disk can write."""
        if isinstance(event, ListenAnswered) and event.refusal is not None:
            known = self._world.forwards.get(event.service)
            if known is not None and known.intent is not None and known.intent.token == event.token:
                times = self._refusals.setdefault(known.intent.port, [])
                times.append(event.at.steady)
                if len(times) > MOST_REFUSALS and times[-1] - times[-1 - MOST_REFUSALS] < 60.0:
                    self._accuse(f"port {known.intent.port} was refused more than {MOST_REFUSALS} times in a minute")

    def _charge(self, step: Step) -> None:
        """Hold the attempts that are charged against the ones that were made."""
        for name in self._world.services.keys() - step.world.services.keys():
            self._charged.pop(name, None)
        for transition in step.transitions:
            if "return_budget" in transition.actions:
                self._charged[transition.instance] = []
            if "refund_attempt" in transition.actions and self._charged.get(transition.instance):
                self._charged[transition.instance].pop()
        for effect in step.effects:
            self._committed[effect.token] += 1
            charged = self._charged.setdefault(effect.service, [])
            if not effect.again:
                charged.append(effect.token)
            if len(charged) > step.world.plan.recovery.max_restart_attempts:
                self._accuse(f"{effect.service} was restarted {len(charged)} times on one budget")
        for name, charged in self._charged.items():
            if name in step.world.services and step.world.services[name].attempts < len(charged):
                self._accuse(f"{name} has {step.world.services[name].attempts} attempts charged for {charged}")

    def _compare_resolutions(self, applied: frozenset[str]) -> Iterator[str]:
        for commit in self.site.disk.commits:
            for resolution in commit.step.resolutions:
                if resolution.outcome == "refused" and resolution.token in applied:
                    yield f"recorded as refused, but applied: {resolution}"
                if resolution.token.startswith(LISTEN_TOKEN):
                    continue  # a socket dies with its process: what it was nobody can ask any more
                if resolution.outcome == "applied" and resolution.token not in applied:
                    yield f"recorded as applied, but never was: {resolution}"

    def _accuse(self, fault: str) -> None:
        self.faults.append(f"at {self.site.clock.now().steady:.2f}: {fault}")

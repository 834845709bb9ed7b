"""An agent with other settings, on the rounds and events that were recorded.

What comes from outside (rounds, orders, evidence, gaps) is taken as recorded; what the agent itself brings about (its
timers, its restarts and what they come to) is its own once it decides otherwise. A service is followed in the record
until the first decision about it differs; from then on ``clusters.ModelledCluster`` speaks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from msgspec import UNSET
from msgspec.structs import replace

from ..core.demands import inspections
from ..core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    ForwardChecked,
    Inspected,
    MonitoringGapEnded,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from ..core.link.monitoring_gaps import GAP_AFTER, SILENT_ROUNDS
from ..core.link.quiet_rounds import is_calm, merge
from ..core.link.round_counts import FIELDS
from ..core.observations import Observation, ProbeResult
from ..core.plan import Plan
from ..core.ports.reach import is_reachable
from ..core.services.recovery import next_in_turn
from ..core.steps import Step
from ..core.timestamps import Timestamp
from ..core.unworded import decide_alike, parts_of
from ..core.world import LinkState, ServiceState, World
from .clusters import ModelledCluster
from .differences import Assumed, Difference
from .followers import Follower, Standing
from .looks import Looks
from .recordings import EngineFor, EventMoment, LoggedRound, Moment, Run
from .tallies import Tally

SOONER, LATER = 0.95, 1.05  # shares of an interval within which two paces are the same: rounds are spread by 5 %

Results = tuple[ProbeResult, ...]


class HypotheticalAgent:
    """The agent with another plan. ``take`` everything in order, then ``finish``.

    ``change`` makes the plan of what was configured. ``paced``: rounds come when this agent would have begun them:
    those that were recorded too soon are left out, and between those that came too late the last one is taken to hold.
    Else every recorded round is taken when it came, and no other. ``follow`` is given each decision: the world before
    it, the event and the step.
    """

    def __init__(
        self,
        start: World,
        *,
        change: Callable[[Plan], Plan],
        engine_for: EngineFor,
        cluster: ModelledCluster,
        paced: bool = False,
        follow: Callable[[World, Event, Step], None] | None = None,
    ) -> None:
        self._change, self._engine_for, self._cluster, self._paced = change, engine_for, cluster, paced
        self._follow = follow
        world = replace(start, plan=change(start.plan))
        self._follower = Follower(world, engine_for(start.charts))
        self._charts = start.charts
        self._recorded = start  # the recording agent's world
        link = start.link
        self._standing = Standing(link.state, link.good, link.bad, inf)  # how far the recording agent's verdict is
        self._stood = 0.0  # when it was so far
        self._tokens: dict[str, str] = {}  # of recorded restarts, with those of ours that are the same
        self._modelled: set[str] = set()
        self._looks = Looks(cluster)
        self._answers: list[tuple[float, str, str]] = []  # when, for which service and token
        self._running = bool(start.charts)
        self._due = inf
        self._offset = 0.0  # of the wall clock
        self._held: tuple[Results, int] = ((), 0)  # the newest round of all targets
        self._fed = -inf  # when the newest round was taken
        self._seen = -inf  # when the newest recorded one came
        self._patterns: dict[object, tuple[Results, int]] = {}
        self._stalled = False
        self.tally = Tally()
        self.assumed = Assumed()
        self.first_difference: Difference | None = None
        self.unlike: list[int] = []  # events that are decided otherwise

    @property
    def world(self) -> World:
        """The world as this agent has it."""
        return self._follower.world

    def take(self, moment: Moment) -> None:
        """Take what is recorded next."""
        if isinstance(moment, Run):
            self._take_run(moment)
        else:
            self._take_event(moment)

    def finish(self, at: Timestamp) -> None:
        """Nothing more is recorded after ``at``."""
        if self._running:
            self._advance(at)

    # On its own, where nothing is recorded.

    def part(self, at: Timestamp) -> None:
        """From ``at`` on nothing is recorded: the model speaks for every service."""
        self._recorded = World(store=self.world.store)
        for name in self.world.services:
            self._part(name, at)
        self._plan_ahead(at.steady)

    def advance(self, at: Timestamp) -> None:
        """Let everything happen that is due until then, but for rounds."""
        self._advance(at)

    def take_round(self, at: Timestamp, results: Results, pattern: int) -> bool:
        """Take a round; whether it changed anything. ``pattern`` numbers its results."""
        before = self._follower.standing(at.steady)
        fixed = self._follower.is_fixed(frozenset({pattern}))
        self._feed(at, results, pattern)
        return not fixed or self._follower.standing(at.steady) != before

    def take_event(self, event: Event) -> None:
        """Decide on what comes from outside."""
        self._act(event)

    @property
    def due(self) -> float:
        """When something is due next (steady seconds), but for rounds."""
        return self._due

    # Rounds.

    def _take_run(self, run: Run) -> None:
        last = run.rounds[-1]
        alike = self._follower.state == run.state == LinkState.ONLINE
        if alike and self._due > last.at.steady and self._follower.is_fixed(run.patterns):
            self._fed = self._seen = last.at.steady
            self._stand(last.standing, last.at.steady)
            if run.whole is not None:
                self._held = (run.whole.results, run.whole.pattern)
            return
        for one in run.rounds:
            self._advance(one.at)
            self._take_round(one)
            self._seen = one.at.steady
            self._stand(one.standing, one.at.steady)

    def _stand(self, standing: Standing, now: float) -> None:
        self._standing, self._stood = standing, now

    def _take_round(self, one: LoggedRound) -> None:
        now = one.at.steady
        self._stalled = False
        if not one.quiet:
            self._held = (one.results, one.pattern)
        mine = self._follower.standing(self._stood)
        if mine == self._standing:
            if not one.quiet:
                self._feed(one.at, one.results, one.pattern)
            return
        if self._is_too_soon(now, mine):
            return
        if not one.quiet:
            self._feed(one.at, one.results, one.pattern)
        elif not is_calm(self.world, now) and self._held[0]:
            self.assumed.add(now, now)
            self._feed(one.at, *self._merge(one))

    def _is_too_soon(self, now: float, mine: Standing) -> bool:
        """Whether this agent would not have begun a round so soon after the one before."""
        slower = mine.wanted > LATER * self._standing.wanted
        if self._paced and slower and now - self._fed < SOONER * mine.wanted:
            self.assumed.add(now, now)
            return True
        return False

    def _merge(self, one: LoggedRound) -> tuple[Results, int]:
        """A quiet round as one of all targets: the others are as they last were."""
        key = (self._held[1], one.pattern)
        if key not in self._patterns:
            self._patterns[key] = (merge(self._held[0], one.results), -1 - len(self._patterns))
        return self._patterns[key]

    def _feed(self, at: Timestamp, results: Results, number: int) -> None:
        self._fed = at.steady
        taken = self._follower.take_round(at, results, number)
        if taken is not None:
            before, step = taken
            self._note(before, RoundFinished(at, results), step)
            self._settle_apart(step, at)

    # Events.

    def _take_event(self, moment: EventMoment) -> None:
        event = moment.event
        if self._running:
            self._advance(_last_watched(event), covered=moment.covered)
        self._stalled = False
        self._offset = event.at.wall - event.at.steady
        if not moment.covered and self._follower.standing(self._stood)[:3] != self._standing[:3]:
            self.assumed.add(min(self._seen, event.at.steady), event.at.steady)
        self._take_counts(moment)
        before = self.world
        told = self._translate(moment)
        step = Step(before) if told is None else self._step(told)
        if not _is_alike(moment, None if told is None else step):
            self.unlike.append(moment.row.seq)
        if isinstance(event, Inspected):
            self._cluster.note(event, moment.before.services.get(event.service))
        self._compare(moment, step)
        self._recorded = moment.after
        self._stand(moment.standing, event.at.steady)
        if isinstance(event, RoundFinished):
            self._seen = event.at.steady
        self._running = not isinstance(event, AgentStopped)
        self._review(event.at)
        if isinstance(event, Inspected) and event.service in self._modelled and event.service in self.world.services:
            self._look(event.service, event.at)
        self._plan_ahead(event.at.steady)

    def _take_counts(self, moment: EventMoment) -> None:
        """What was counted is known better from the event than from the round log, wherever both agents count alike."""
        link, derived, told = self.world.link, moment.derived, moment.before.link
        better = {
            name: getattr(told, name)
            for name in FIELDS
            if getattr(link, name) == getattr(derived, name) != getattr(told, name)
        }
        if better:
            self._follower.put(replace(self.world, link=replace(link, **better)))

    def _translate(self, moment: EventMoment) -> Event | None:
        """The event as it happens to this agent; None: it does not."""
        event: Event = replace(moment.event, counts=UNSET)
        if isinstance(event, AgentStarted | Configured) and event.charts and event.charts != self._charts:
            self._charts = event.charts
            self._follower.use(self._engine_for(event.charts))
        if isinstance(event, Configured):
            return replace(event, plan=self._change(event.plan))
        if isinstance(event, RoundFinished):
            return self._translate_round(event)
        if isinstance(event, TimerDue):
            return event if self.world.timers.get(event.timer) == moment.before.timers.get(event.timer) else None
        if isinstance(event, Inspected):
            return None if event.service in self._modelled else self._with_token(event)
        if isinstance(event, RestartAnswered):
            known = event.service not in self._modelled
            return replace(event, token=self._tokens.get(event.token, event.token)) if known else None
        return event

    def _translate_round(self, event: RoundFinished) -> RoundFinished | None:
        """None: this agent would not have begun it so soon."""
        if event.results not in self._patterns:
            self._patterns[event.results] = (event.results, -1 - len(self._patterns))
        self._held = self._patterns[event.results]
        mine = self._follower.standing(self._stood)
        if mine != self._standing and self._is_too_soon(event.at.steady, mine):
            return None
        self._fed = event.at.steady
        return event

    def _with_token(self, event: Inspected) -> Inspected:
        seen = event.seen
        if isinstance(seen, Observation) and seen.token in self._tokens:
            return replace(event, seen=replace(seen, token=self._tokens[seen.token]))
        return event

    def _compare(self, moment: EventMoment, step: Step) -> None:
        """Hold the restarts of both agents against each other."""
        theirs = {effect.service: effect.token for effect in moment.row.effects}
        ours = {effect.service: effect.token for effect in step.effects}
        for service in theirs.keys() & ours.keys() - self._modelled:
            self._tokens[theirs[service]] = ours[service]
        for service in sorted(theirs.keys() ^ ours.keys() | (ours.keys() & self._modelled)):
            if (service in theirs) != (service in ours):
                self._differ(moment.event.at, service, recorded=service in theirs)
            self._part(service, moment.event.at)
            if service in ours:
                self._expect_answer(moment.event.at, service, ours[service])

    def _settle_apart(self, step: Step, at: Timestamp) -> None:
        """What this agent decides at a time at which the recording one decided nothing."""
        for effect in step.effects:
            self._differ(at, effect.service, recorded=False)
            self._part(effect.service, at)
            self._expect_answer(at, effect.service, effect.token)
        self._review(at)
        self._plan_ahead(at.steady)

    def _differ(self, at: Timestamp, service: str, *, recorded: bool) -> None:
        if self.first_difference is None:
            self.first_difference = Difference(at, service, recorded)

    def _part(self, name: str, at: Timestamp) -> None:
        """From now on the record does not say what becomes of the service."""
        service = self.world.services.get(name)
        if name in self._modelled or service is None:
            return
        self._modelled.add(name)
        self._cluster.adopt(name, service)
        if service.intent is not None and not service.intent.in_doubt:
            self._expect_answer(at, name, service.intent.token)

    def _review(self, at: Timestamp) -> None:
        """Part with the record where a service is not in the state that it was in there, or is looked at sooner."""
        ours, theirs = self.world, self._recorded
        if ours.services is theirs.services:
            return
        early: list[str] = []
        for name, service in ours.services.items():
            other = theirs.services.get(name)
            if other is None or service.state != other.state:
                self._part(name, at)
            elif service.state == ServiceState.WAITING:
                early.append(name)
        if early:
            turn = set(next_in_turn(ours)) - set(next_in_turn(theirs))
            for name in turn.intersection(early):
                self._part(name, at)

    # What the agent brings about.

    def _step(self, event: Event) -> Step:
        before = self.world
        step = self._follower.step(event)
        self._note(before, event, step)
        return step

    def _note(self, before: World, event: Event, step: Step) -> None:
        self.tally.note(before, event, step)
        if self._follow is not None and step.changes(before):
            self._follow(before, event, step)

    def _act(self, event: Event) -> Step:
        """Decide on what is not recorded."""
        step = self._step(event)
        self._settle_apart(step, event.at)
        return step

    def _expect_answer(self, at: Timestamp, name: str, token: str) -> None:
        self._answers = [one for one in self._answers if one[1] != name]
        self._answers.append((at.steady + self._cluster.delay, name, token))

    def _advance(self, to: Timestamp, *, covered: bool = True) -> None:
        """Let everything happen that is due until then."""
        self._offset = to.wall - to.steady
        while True:
            due = self._due
            extra = self._extra_round(to.steady, covered=covered) if self._paced and not self._stalled else inf
            if min(due, extra) > to.steady:
                return
            if extra < due:
                self._assume_round(Timestamp(extra, extra + self._offset))
            else:
                self._do_due(Timestamp(due, due + self._offset))

    def _extra_round(self, until: float, *, covered: bool) -> float:
        """When this agent would have begun a round that was not recorded; inf: it would not."""
        mine, theirs = self._follower.standing(self._stood), self._standing
        if mine.wanted >= SOONER * theirs.wanted or (mine.state == theirs.state == LinkState.OFFLINE and mine.bad):
            return inf
        due = self._fed + mine.wanted
        limit = self._seen + max(GAP_AFTER, SILENT_ROUNDS * theirs.wanted) if covered else inf
        return due if self._held[0] and due < min(until, limit) else inf

    def _assume_round(self, at: Timestamp) -> None:
        """The link is taken to be as it was in the round before."""
        before = self.world.link
        self._feed(at, *self._held)
        after = self.world.link
        if after == before:
            self._stalled = True
        else:
            self.assumed.add(at.steady, at.steady)

    def _do_due(self, at: Timestamp) -> None:
        for answer in self._answers:
            if answer[0] <= at.steady:
                self._answers.remove(answer)
                self._act(self._cluster.answer(answer[1], answer[2], at))
                return
        for name, due in self._own_timers():
            if due <= at.steady:
                self._act(TimerDue(at, name))
                return
        demands = inspections(self.world, at.steady)
        for name in sorted(self._modelled):
            if self._looks.next_look(self.world, name, demands, at.steady) <= at.steady:
                self._look(name, at)
                self._plan_ahead(at.steady)
                return
        self._plan_ahead(at.steady)

    def _own_timers(self) -> list[tuple[str, float]]:
        """The deadlines that the recording agent did not have: the record tells when the others passed."""
        theirs = self._recorded.timers
        return [(name, due.steady) for name, due in self.world.timers.items() if theirs.get(name) != due]

    def _plan_ahead(self, now: float) -> None:
        """Find out when something is due next."""
        times = [due for _, due in self._own_timers()] + [answer[0] for answer in self._answers]
        if self._modelled:
            demands = inspections(self.world, now)
            times += [self._looks.next_look(self.world, name, demands, now) for name in self._modelled]
        self._due = max(now, min(times, default=inf))

    def _look(self, name: str, at: Timestamp) -> None:
        before = self.world
        service = before.services[name]
        seen = self._cluster.observe(name, at, service)
        self._act(Inspected(at, name, seen))
        self._check_port(name, at, seen)
        after = self.world.services.get(name)
        self._looks.note(name, at.steady, service.state, changed=after != service)

    def _check_port(self, name: str, at: Timestamp, seen: Observation) -> None:
        """The local port of a service that is available leads to it."""
        forward = self.world.forwards.get(name)
        if seen.healthy and forward is not None and forward.port is not None and not is_reachable(self.world, name):
            self._act(ForwardChecked(at, at, name, forward.port))


def _is_alike(moment: EventMoment, step: Step | None) -> bool:
    """Whether this agent decides on the event as the recording one did; ``step`` None: it does not happen to it."""
    row = moment.row
    if step is None:
        return not (row.transitions or row.effects)
    return parts_of(step) == parts_of(row) or decide_alike(step, row)


def _last_watched(event: Event) -> Timestamp:
    """Until when an agent was watching before the event."""
    if isinstance(event, AgentStarted) and event.heartbeat is not None:
        return min(event.heartbeat, event.at)
    return min(event.since, event.at) if isinstance(event, MonitoringGapEnded) else event.at

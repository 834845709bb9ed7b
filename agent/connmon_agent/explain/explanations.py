"""Why it is as it is, and why not otherwise: a decision taken apart, or the decisions that could come next.

The guards are asked on a draft of the world that is thrown away. Nothing is ever changed or written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..charts.chart import Chart, Rule
from ..charts.vocabulary import Vocabulary
from ..core.draft import Draft, LinkContext, ServiceContext
from ..core.events import Inspected, RoundFinished
from ..core.link import link_rules
from ..core.link.causes import Diagnosis, Votes, tell_verdict
from ..core.link.damping import penalty_at
from ..core.link.rounds import ROUND_TRIGGERS, judge_alone
from ..core.observations import Observation, ProbeResult, Unobserved
from ..core.ports import forward_rules
from ..core.services import service_rules
from ..core.steps import Transition
from ..core.timestamps import Timestamp
from ..core.wording import in_words
from ..core.world import Forward, Link, Service, ServiceState, World
from . import remedies
from .facts import Fact, advise, describe_event, event_facts, link_facts, observation_facts
from .replay import RecordedStep

LINK, SERVICE = "link", "service"
_VOCABULARIES: Mapping[str, Vocabulary[Any]] = {
    LINK: link_rules.VOCABULARY,
    SERVICE: service_rules.VOCABULARY,
    "forward": forward_rules.VOCABULARY,
}

# What the guards of these groups judge is there only while something is worked off; without it they cannot be asked.
_SEEN = frozenset({"verdict", "read-back", "rollout"})
_ANSWERED = "refusal"


@dataclass(frozen=True, slots=True)
class Question:
    """A guard that a rule asks.

    ``wanted`` is the answer that the rule needs, ``answer`` the present one (None: it can only be asked when it
    happens), ``change`` what would have to change (empty: nothing). ``condition`` is the wanted answer in words.
    """

    guard: str
    meaning: str
    wanted: bool
    answer: bool | None
    change: str = ""
    condition: str = ""

    @property
    def refuses(self) -> bool:
        """Whether it keeps the rule from firing."""
        return self.answer is not None and self.answer is not self.wanted


@dataclass(frozen=True, slots=True)
class PossibleTransition:
    """A rule out of the present state. ``trigger`` is its event, ``happening`` what that means, ``when`` it comes."""

    dest: str
    trigger: str
    happening: str
    when: str
    questions: tuple[Question, ...]

    @property
    def refusals(self) -> tuple[Question, ...]:
        """The guards that refuse now, in the order in which they are asked."""
        return tuple(question for question in self.questions if question.refuses)


@dataclass(frozen=True, slots=True)
class AttemptBudget:
    """Restart attempts of a service that are charged, of how many."""

    attempts: int
    limit: int

    @property
    def left(self) -> int:
        """What may still be spent."""
        return max(0, self.limit - self.attempts)


@dataclass(frozen=True, slots=True)
class Decision:
    """A transition with the meaning of every name in it.

    ``guards`` are (name, meaning, answer), ``actions`` (name, meaning). ``budget`` None: it is none of a service's.
    """

    transition: Transition
    happening: str
    guards: tuple[tuple[str, str, bool], ...]
    actions: tuple[tuple[str, str], ...]
    budget: AttemptBudget | None
    penalty: str = ""  # of flapping, where it was charged


@dataclass(frozen=True, slots=True)
class Sequel:
    """What followed from a decision."""

    seq: int
    at: Timestamp
    text: str


@dataclass(frozen=True, slots=True)
class EventExplanation:
    """One recorded event. ``possible`` tells what it could have done, where it did nothing."""

    seq: int
    at: Timestamp
    happened: str
    facts: tuple[Fact, ...]
    decisions: tuple[Decision, ...]
    effects: tuple[str, ...]
    notes: tuple[str, ...]
    refusal: str | None
    possible: tuple[PossibleTransition, ...]
    sequels: tuple[Sequel, ...]
    verdict: str = ""  # on a round of probes: good or bad, by which quorum, and of which cause


@dataclass(frozen=True, slots=True)
class ServiceExplanation:
    """One service now. ``seen`` is what the cluster showed last, as far as it is recorded; ``forward`` its local port
    (None: it has none).
    """

    service: Service
    budget: AttemptBudget
    next_look: str
    holds: tuple[str, ...]
    seen: tuple[Fact, ...]
    possible: tuple[PossibleTransition, ...]
    forward: Forward | None = None


@dataclass(frozen=True, slots=True)
class LinkExplanation:
    """The link now. ``routes`` are the states that no rule leads to at once, each with the states on the way."""

    link: Link
    advice: str
    facts: tuple[Fact, ...]
    rounds: str
    possible: tuple[PossibleTransition, ...]
    routes: tuple[tuple[str, tuple[str, ...]], ...]
    holds: tuple[str, ...]
    services: tuple[tuple[Service, str], ...]  # those that are not READY, each with its next look


def explain_link(
    world: World, charts: Mapping[str, Chart], now: Timestamp, *, results: Sequence[ProbeResult] = ()
) -> LinkExplanation:
    """The link as it is at ``now``. ``results`` are of the newest round."""
    state, initial = world.link.state, charts[LINK].initial
    # Only a restart of the machine leads to the initial state: nothing that anybody waits for.
    possible = tuple(way for way in possible_link_transitions(world, charts[LINK], now) if way.dest != initial)
    at_once = {way.dest for way in possible}
    others = [name for name in charts[LINK].states if name not in (state, initial) and name not in at_once]
    routes = sorted(((name, find_route(charts[LINK], state, name)) for name in others), key=lambda one: len(one[1]))
    unready = [one for one in map(world.services.__getitem__, world.names) if one.state != ServiceState.READY]
    return LinkExplanation(
        link=world.link,
        advice=advise(world.link.cause),
        facts=link_facts(world.link, results, world.plan.link.quality),
        rounds=remedies.next_link_trigger("round_good", world, now),
        possible=possible,
        routes=tuple((name, route) for name, route in routes if route),
        holds=(*remedies.find_holds(world, now), *remedies.tell_shadow(world)),
        services=tuple((one, remedies.next_look(world, one.name, now)) for one in unready),
    )


def explain_service(
    world: World,
    charts: Mapping[str, Chart],
    now: Timestamp,
    *,
    name: str,
    seen: Observation | Unobserved | None = None,
) -> ServiceExplanation:
    """The service ``name`` as it is at ``now``. ``seen`` None: it is not known what the cluster showed last."""
    return ServiceExplanation(
        service=world.services[name],
        budget=_budget(world, name),
        next_look=remedies.next_look(world, name, now),
        holds=tuple(remedies.find_service_holds(world, name, now)),
        seen=() if seen is None else observation_facts(seen),
        possible=possible_service_transitions(world, charts["service"], now, name=name, seen=seen),
        forward=world.forwards.get(name),
    )


def explain_event(
    row: RecordedStep, charts: Mapping[str, Chart], world: World, *, later: Iterable[RecordedStep] = ()
) -> EventExplanation:
    """The recorded event ``row``, decided by ``charts``. ``world`` is as it was after it, ``later`` what came then."""
    effects = [f"requested a restart of {one.service}{' again' if one.again else ''}: {one.reason}"
               for one in row.effects]  # fmt: skip
    effects += [f"requested port {one.port} for {one.service}" + (f": {one.reason}" if one.reason else "")
                for one in row.listens]  # fmt: skip
    return EventExplanation(
        seq=row.seq,
        at=row.event.at,
        happened=describe_event(row.event),
        facts=event_facts(row.event, world.link, world.plan.link.quality),
        decisions=tuple(_decision(one, charts[one.chart], world) for one in row.transitions),
        effects=tuple(effects),
        notes=tuple(f"{instance}: {sentence}" for instance, sentence in row.notes),
        refusal=row.refusal,
        possible=() if row.transitions else _transitions_not_taken(row, charts, world),
        sequels=tuple(find_sequels(row, later)),
        verdict=tell_verdict(*_judge_round(row.event, world)) if isinstance(row.event, RoundFinished) else "",
    )


def possible_link_transitions(world: World, chart: Chart, now: Timestamp) -> tuple[PossibleTransition, ...]:
    """The rules out of the link's present state, for each other state the nearest first."""
    context = LinkContext(Draft(world, now), world.link.cause, world.link.detail)

    def ask(rule: Rule) -> PossibleTransition:
        questions = _questions(
            rule, link_rules.VOCABULARY, context, remedies.change_link_guard, monitoring_gap=frozenset()
        )
        when = remedies.next_link_trigger(rule.trigger, world, now)
        return PossibleTransition(rule.dest, rule.trigger, chart.events[rule.trigger], when, questions)

    return _nearest_first(ask(rule) for rule in _rules_out_of(chart, world.link.state))


def possible_service_transitions(
    world: World, chart: Chart, now: Timestamp, *, name: str, seen: Observation | Unobserved | None = None
) -> tuple[PossibleTransition, ...]:
    """The rules out of the service's present state, for each other state the nearest first."""
    context = ServiceContext(Draft(world, now), name, seen)
    guards = service_rules.VOCABULARY.guards.values()
    unasked = {_ANSWERED} if seen is not None else {_ANSWERED, *_SEEN}
    monitoring_gap = frozenset(
        guard.name for guard in guards if guard.group in unasked or (guard.name == "healthy" and not seen)
    )

    def ask(rule: Rule) -> PossibleTransition:
        questions = _questions(
            rule, service_rules.VOCABULARY, context, remedies.change_service_guard, monitoring_gap=monitoring_gap
        )
        when = remedies.next_service_trigger(rule.trigger, name, world, now)
        return PossibleTransition(rule.dest, rule.trigger, chart.events[rule.trigger], when, questions)

    return _nearest_first(ask(rule) for rule in _rules_out_of(chart, world.services[name].state))


def find_route(chart: Chart, source: str, dest: str) -> tuple[str, ...]:
    """The states between ``source`` and ``dest`` on the shortest way through the chart; empty: there is none."""
    possible: list[tuple[str, ...]] = [(source,)]
    seen = {source}
    while possible:
        way = possible.pop(0)
        for rule in _rules_out_of(chart, way[-1]):
            if rule.dest == dest:
                return way[1:]
            if rule.dest not in seen:
                seen.add(rule.dest)
                possible.append((*way, rule.dest))
    return ()


def find_sequels(row: RecordedStep, later: Iterable[RecordedStep]) -> Iterable[Sequel]:
    """What became of the requests of ``row``, and where each of its instances went next."""
    tokens = {effect.token for effect in row.effects}
    moved = {one.instance for one in row.transitions}
    for one in later:
        if not tokens and not moved:
            return
        for settled in one.resolutions:
            if settled.token in tokens:
                tokens.discard(settled.token)
                yield Sequel(one.seq, one.event.at, f"{settled.service}: {settled.outcome}: {settled.reason}")
        for transition in one.transitions:
            if transition.instance in moved and transition.source != transition.dest:
                moved.discard(transition.instance)
                change = f"{transition.source} -> {transition.dest}"
                yield Sequel(one.seq, one.event.at, f"{transition.instance} {change}: {transition.reason}")


def _rules_out_of(chart: Chart, state: str) -> list[Rule]:
    return [rule for rule in chart.transitions if rule.source == state != rule.dest]


def _nearest_first(possible: Iterable[PossibleTransition]) -> tuple[PossibleTransition, ...]:
    """The destinations in the chart's order, and for each the way with the fewest refusals first."""
    found = list(possible)
    dests = list(dict.fromkeys(way.dest for way in found))
    return tuple(sorted(found, key=lambda way: (dests.index(way.dest), _is_other_case(way, found), len(way.refusals))))


def _is_other_case(way: PossibleTransition, possible: Iterable[PossibleTransition]) -> bool:
    """Whether it is for another case than the present one, for which there is a way of its own: the same event leads
    to the same state there, and a guard that refuses here must answer so.
    """
    refused = {question.guard for question in way.refusals}
    return any(
        question.guard in refused and not question.refuses
        for other in possible
        if (other.dest, other.trigger) == (way.dest, way.trigger)
        for question in other.questions
    )


def _questions(
    rule: Rule, vocabulary: Vocabulary[Any], context: Any, change: Callable[..., str], *, monitoring_gap: frozenset[str]
) -> tuple[Question, ...]:
    asked = [(name, True) for name in rule.conditions] + [(name, False) for name in rule.unless]
    return tuple(
        _question(vocabulary, name, wanted, context, change, monitoring_gap=monitoring_gap) for name, wanted in asked
    )


def _question(
    vocabulary: Vocabulary[Any],
    name: str,
    wanted: bool,
    context: Any,
    change: Callable[..., str],
    *,
    monitoring_gap: frozenset[str],
) -> Question:
    guard = vocabulary.guards[name]
    condition = guard.meaning if wanted else guard.negation or f"not: {guard.meaning}"
    if name in monitoring_gap:
        return Question(name, guard.meaning, wanted, None, condition=condition)
    answer = guard.ask(context)
    needed = "" if answer is wanted else change(name, wanted, context, guard.meaning)
    return Question(name, guard.meaning, wanted, answer, needed, condition)


def _budget(world: World, name: str) -> AttemptBudget:
    return AttemptBudget(world.services[name].attempts, world.plan.recovery.max_restart_attempts)


def _decision(transition: Transition, chart: Chart, world: World) -> Decision:
    vocabulary = _VOCABULARIES[transition.chart]
    known = transition.instance in world.services and transition.chart == SERVICE
    charged = any(name == "charge_flap" for name in transition.actions)
    return Decision(
        transition=transition,
        happening=chart.events.get(transition.trigger, transition.trigger),
        guards=tuple((name, vocabulary.guards[name].meaning, answer) for name, answer in transition.guards),
        actions=tuple((name, vocabulary.actions[name].meaning) for name in transition.actions),
        budget=_budget(world, transition.instance) if known else None,
        penalty=_tell_penalty(world) if charged else "",
    )


def _tell_penalty(world: World) -> str:
    plan, link = world.plan.link.damping, world.link
    if link.penalized is None:
        return ""
    penalty = penalty_at(link, link.penalized, plan)
    half_life = in_words(plan.half_life)
    return f"{penalty:.0f} of {plan.suppress:.0f} at which restarts are held back, halves every {half_life}"


def _transitions_not_taken(
    row: RecordedStep, charts: Mapping[str, Chart], world: World
) -> tuple[PossibleTransition, ...]:
    """What the event could have brought, and what refused it."""
    event = row.event
    if isinstance(event, Inspected):
        if event.service not in world.services or "service" not in charts:
            return ()
        possible = possible_service_transitions(world, charts["service"], event.at, name=event.service, seen=event.seen)
        return tuple(way for way in possible if way.trigger == "inspected")
    if not isinstance(event, RoundFinished) or LINK not in charts:
        return ()
    diagnosis, _ = _judge_round(event, world)
    return tuple(
        way
        for way in possible_link_transitions(world, charts[LINK], event.at)
        if way.trigger == ROUND_TRIGGERS[diagnosis.good]
    )


def _judge_round(event: RoundFinished, world: World) -> tuple[Diagnosis, Votes]:
    """The verdict on a round; ``world`` is as it was after it, when it knew what the verdict rests on."""
    return judge_alone(event.results, world.plan.link, world.link)

"""`explain` for people: first what is, then what it rests on, then what stands in the way of something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import tzinfo

from ...core.timestamps import Timestamp
from ...core.world import Forward, LinkState, ServiceState
from ...explain.explanations import (
    AttemptBudget,
    Decision,
    EventExplanation,
    LinkExplanation,
    PossibleTransition,
    ServiceExplanation,
)
from ...explain.facts import Fact
from ..wording import pad, say_date_and_time, say_duration, say_time, width_of, wrap
from .snapshots import Snapshot
from .tables import GAP, INDENT
from .tones import LINK_TONES, SERVICE_TONES, Paint, Tone, paint_nothing

WIDTH = 80
_VERDICTS = {True: "ok", False: "FAILED", None: ""}


def render_link(
    explanation: LinkExplanation, snapshot: Snapshot, *, width: int = WIDTH, paint: Paint = paint_nothing
) -> str:
    """The link in lines of at most ``width`` columns."""
    link = explanation.link
    rest = f"{_age(link.since, snapshot)}: {link.reason}"
    head = _headline(str(link.state), rest, LINK_TONES[LinkState(link.state)], width, paint)
    latest = snapshot.round
    seen = "Evidence" if latest is None else f"Evidence, {say_duration(snapshot.now - latest.at.wall)} ago"
    return _join(
        (*head, *_unwatched(snapshot, width)),
        _block("Cause", _cause(explanation), width),
        _facts(seen, explanation.facts, width, paint),
        _next_states(explanation, width),
        _block("Why nothing is restarted", explanation.holds, width),
        _unready(explanation, width),
    )


def render_service(
    explanation: ServiceExplanation, snapshot: Snapshot, *, width: int = WIDTH, paint: Paint = paint_nothing
) -> str:
    """A service in lines of at most ``width`` columns."""
    service = explanation.service
    rest = f"{_age(service.since, snapshot)}: {service.reason}"
    tone = SERVICE_TONES[ServiceState(service.state)]
    head = _headline(f"{service.name} {service.state}", rest, tone, width, paint)
    port = () if explanation.forward is None else (f"Local port: {_tell_port(explanation.forward)}",)
    details = (_spent(explanation.budget), f"Next check: {explanation.next_look}", *port)
    return _join(
        (*head, *_unwatched(snapshot, width), *_listed(details, width)),
        _facts("Last check", explanation.seen, width, paint),
        _possible("Possible next states", explanation.possible, width),
        _block("Why nothing is restarted", explanation.holds, width),
    )


def _tell_port(forward: Forward) -> str:
    where = forward.state if forward.port is None else f"{forward.port} {forward.state}"
    choice = f" ({forward.choice})" if forward.choice and forward.choice not in forward.reason else ""
    return f"{where}: {forward.reason}{choice}"


def render_event(explanation: EventExplanation, *, width: int = WIDTH, zone: tzinfo | None = None) -> str:
    """A recorded event in lines of at most ``width`` columns. ``zone`` None: the machine's."""
    title = f"Event {explanation.seq}, {say_date_and_time(explanation.at.wall, zone=zone)}: {explanation.happened}"
    refused = () if explanation.refusal is None else (f"refused: {explanation.refusal}",)
    sequels = [f"{say_time(one.at.wall, zone=zone)} (event {one.seq}) {one.text}" for one in explanation.sequels]
    return _join(
        wrap(title, width=width, indent=INDENT, first=""),
        _block("Verdict", filter(None, (explanation.verdict,)), width),
        _facts("Evidence", explanation.facts, width, paint_nothing),
        *(_decision(decision, width) for decision in explanation.decisions),
        () if explanation.decisions else ("No state changed.",),
        _possible("Transitions not taken", explanation.possible, width),
        _block("Notes", (*explanation.notes, *refused), width),
        _block("Effects", explanation.effects, width),
        _block("What followed", sequels, width),
    )


def _join(*blocks: Iterable[str]) -> str:
    return "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines)


def _headline(word: str, rest: str, tone: Tone, width: int, paint: Paint) -> Iterator[str]:
    first, *more = wrap(word + rest, width=width, indent=INDENT, first="")
    yield paint(word, tone) + first.removeprefix(word)
    yield from more


def _age(since: Timestamp, snapshot: Snapshot) -> str:
    """Without an agent it is not known how long a state has lasted."""
    return f" for {say_duration(snapshot.now - since.wall)}" if since.wall and snapshot.running else ""


def _unwatched(snapshot: Snapshot, width: int) -> Iterator[str]:
    """What is explained is what the last agent knew; without one nothing of it happens."""
    record = ""
    if not snapshot.running and snapshot.agent is not None:
        ago = say_duration(snapshot.now - snapshot.agent.heartbeat.wall)
        record = f"No agent is running. This is the state from {ago} ago; nothing changes until one starts."
    elif snapshot.silent_for is not None:
        record = f"No response from the agent for {say_duration(snapshot.silent_for)}. This may be outdated."
    if record:
        yield from wrap(record, width=width, indent=INDENT)


def _cause(explanation: LinkExplanation) -> Iterator[str]:
    if explanation.link.cause is not None:
        yield f"{explanation.link.cause}: {explanation.link.detail}"
    if explanation.advice:
        yield explanation.advice


def _facts(title: str, facts: Iterable[Fact], width: int, paint: Paint) -> Iterator[str]:
    known = list(facts)
    if not known:
        return
    yield title
    layers = max(width_of(fact.layer) for fact in known)
    for fact in known:
        first = f"{INDENT}{pad(fact.layer, layers)}{GAP}{pad(_VERDICTS[fact.ok], len('FAILED'))}{GAP}"
        for line in wrap(fact.text, width=width, indent=" " * width_of(first), first=first):
            yield paint(line, Tone.BAD) if fact.ok is False else line


def _next_states(explanation: LinkExplanation, width: int) -> Iterator[str]:
    """For each other state the nearest way, in a sentence."""
    nearest: dict[str, PossibleTransition] = {}
    for way in explanation.possible:
        nearest.setdefault(way.dest, way)
    yield "What would change it"
    widest = max(map(width_of, (*nearest, *(dest for dest, _ in explanation.routes))), default=0)
    for dest, way in nearest.items():
        yield from _labelled(dest, widest, _tell_way(way), width)
    for dest, between in explanation.routes:
        yield from _labelled(dest, widest, f"via {', then '.join(between)}", width)


def _tell_way(way: PossibleTransition) -> str:
    """What is missing; nothing missing: the event alone, which would do."""
    changes = "; ".join(question.change for question in way.refusals)
    return f"{changes or way.happening}; {way.when}"


def _labelled(label: str, widest: int, text: str, width: int) -> list[str]:
    first = f"{INDENT}{pad(label, widest)}{GAP}"
    return wrap(text, width=width, indent=" " * width_of(first), first=first)


def _unready(explanation: LinkExplanation, width: int) -> Iterator[str]:
    if explanation.services:
        yield "Services that are not READY"
        records = [f"{one.name} {one.state}: {one.reason}; next check: {look}" for one, look in explanation.services]
        yield from _listed(records, width)


def _possible(title: str, possible: Iterable[PossibleTransition], width: int) -> Iterator[str]:
    """Every way with the first guard that refuses it, which is the one that is asked first; alike ones together."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for way in possible:
        alike.setdefault((way.happening, *_tell_guards(way)), []).append(way.dest)
    if alike:
        yield title
    for (happening, *records), dests in alike.items():
        yield from wrap(
            f"{' or '.join(dict.fromkeys(dests))}, when {happening}", width=width, indent=INDENT * 2, first=INDENT
        )
        for record in records:
            yield from wrap(record, width=width, indent=INDENT * 3, first=INDENT * 2)


def _tell_guards(way: PossibleTransition) -> Iterator[str]:
    if way.refusals:
        refusal = way.refusals[0]
        yield f"no: {refusal.guard} is {_say(refusal.answer)}: {refusal.change}"
    elif open_questions := [question for question in way.questions if question.answer is None]:
        yield f"possible, if {' and '.join(question.condition for question in open_questions)}"
    else:
        yield "yes: no condition blocks it"
    yield f"next: {way.when}"


def _say(answer: bool | None) -> str:
    return "yes" if answer else "no"


def _decision(decision: Decision, width: int) -> Iterator[str]:
    transition = decision.transition
    stays = transition.source == transition.dest
    change = f"stays {transition.dest}" if stays else f"{transition.source} -> {transition.dest}"
    yield from wrap(f"{transition.instance} {change}: {transition.reason}", width=width, indent=INDENT, first="")
    for label, text in _details(decision):
        yield from _labelled(label, len("penalty"), text, width)


def _details(decision: Decision) -> Iterator[tuple[str, str]]:
    yield "event", f"{decision.happening} ({decision.transition.trigger})"
    for name, meaning, answer in decision.guards:
        yield "guard", f"{name}: {_say(answer)} ({meaning})"
    for name, meaning in decision.actions:
        yield "action", f"{name}: {meaning}"
    if decision.budget is not None:
        yield "budget", _spent(decision.budget)
    if decision.penalty:
        yield "penalty", decision.penalty


def _spent(budget: AttemptBudget) -> str:
    return f"{budget.attempts}/{budget.limit} restarts used"


def _block(title: str, records: Iterable[str], width: int) -> Iterator[str]:
    told = list(records)
    if told:
        yield title
        yield from _listed(told, width)


def _listed(records: Iterable[str], width: int) -> Iterator[str]:
    for record in records:
        yield from wrap(record, width=width, indent=INDENT * 2, first=INDENT)

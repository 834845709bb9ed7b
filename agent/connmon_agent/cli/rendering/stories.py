"""The journal told: recorded steps become sentences, and a restart with all that came of it becomes one story."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from ...core.effects import LISTEN_TOKEN
from ...core.events import AgentStarted, AgentStopped, Ordered
from ...core.steps import Transition
from ...core.timestamps import Timestamp
from ...core.world import ServiceState
from ...store.records import Recorded
from ..wording import say_duration

LINK, FORWARD = "link", "forward"
AGENT = "agent"

# A gap in the agent's life shorter than this is the blink of a restart.
BLINK = 1.0  # seconds

# What the entry into a state means, before the reason: for one service, for several.
_ENTRIES = {
    ServiceState.UNKNOWN: ("is not ready: ", "are not ready: "),
    ServiceState.READY: ("is ready: ", "are ready: "),
    ServiceState.WAITING: ("is waiting: ", "are waiting: "),
    ServiceState.RESTARTING: ("is restarting, ", "are restarting, "),
    ServiceState.VERIFYING: ("is rolling out: ", "are rolling out: "),
    ServiceState.BACKOFF: ("is backing off: ", "are backing off: "),
    ServiceState.GAVE_UP: ("gave up: ", "gave up: "),
}

# The same inside the story of a restart, whose subject is known.
_CHAPTERS = {
    ServiceState.UNKNOWN: "not ready: ",
    ServiceState.READY: "ready after {age}: ",
    ServiceState.WAITING: "waiting again: ",
    ServiceState.BACKOFF: "backing off: ",
    ServiceState.GAVE_UP: "gave up: ",
}

_IN_STORY = frozenset({ServiceState.RESTARTING, ServiceState.VERIFYING})

# More services than this are counted, not named.
_NAMED = 8


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence about one instant. ``seq`` is the event that it tells of."""

    seq: int
    at: Timestamp
    record: str


@dataclass(slots=True)
class Entry:
    """A line of the timeline, and what came of it where it began a restart."""

    line: Line
    chapters: list[Line] = field(default_factory=list)


def tell(rows: Iterable[Recorded]) -> list[Entry]:
    """The timeline of ``rows``, which come in order. Events that changed only counters are left out."""
    entries: list[Entry] = []
    for _, lines in _tell_each(rows):
        for number, line in lines:
            if number == len(entries):
                entries.append(Entry(line))
            else:
                entries[number].chapters.append(line)
    return entries


def with_sentences(rows: Iterable[Recorded]) -> Iterator[tuple[Recorded, list[str]]]:
    """Each of ``rows``, which come in order, with the sentences of ``tell`` about it: stories that began earlier first.

    Holds one row at a time: the start of an agent may tell of the event before it.
    """
    held: Recorded | None = None
    known: list[tuple[int, Line]] = []
    for row, lines in _tell_each(rows):
        if held is not None:
            yield held, _in_order_of_stories([*known, *(one for one in lines if one[1].seq == held.seq)])
        held, known = row, [one for one in lines if one[1].seq == row.seq]
    if held is not None:
        yield held, _in_order_of_stories(known)


def _in_order_of_stories(lines: list[tuple[int, Line]]) -> list[str]:
    return [line.record for _, line in sorted(lines, key=itemgetter(0))]


def _tell_each(rows: Iterable[Recorded]) -> Iterator[tuple[Recorded, list[tuple[int, Line]]]]:
    """Each row with its lines, each with the number of its entry: one that is known already gets a chapter."""
    teller = _Teller()
    previous: Recorded | None = None
    for row in rows:
        yield row, list(teller.tell(previous, row))
        previous = row


class _Teller:
    """Counts the entries, and knows which of them are stories that go on: number and beginning, by service."""

    def __init__(self) -> None:
        self._entries = 0
        self._open: dict[str, tuple[int, Timestamp]] = {}

    def tell(self, previous: Recorded | None, row: Recorded) -> Iterator[tuple[int, Line]]:
        yield from map(self._number, _tell_gap(previous, row))
        yield from map(self._number, _tell_notes(row))
        for names, transition in _alike(row.transitions):
            yield self._tell_transition(row, names, transition)
        yield from map(self._number, _tell_lone_resolutions(row))

    def _number(self, line: Line) -> tuple[int, Line]:
        self._entries += 1
        return self._entries - 1, line

    def _tell_transition(self, row: Recorded, names: list[str], transition: Transition) -> tuple[int, Line]:
        name = names[0]
        story = self._open.get(name) if is_of_service(transition) else None
        if story is not None:
            number, began = story
            if transition.dest not in _IN_STORY:
                del self._open[name]
            return number, Line(row.seq, row.at, _tell_chapter(transition, began, row.at))
        told = self._number(Line(row.seq, row.at, _tell_transition(names, transition)))
        if is_of_service(transition) and transition.dest in _IN_STORY:
            self._open[name] = told[0], row.at
        return told


def is_of_service(transition: Transition) -> bool:
    """Whether it is one of the service's own chart."""
    return transition.chart not in (LINK, FORWARD)


def _alike(transitions: Iterable[Transition]) -> Iterator[tuple[list[str], Transition]]:
    """The transitions, with neighbours outside of stories that differ only in the service told as one."""
    for _, group in groupby(transitions, key=_sort):
        same = list(group)
        yield [transition.instance for transition in same], same[0]


def _sort(transition: Transition) -> tuple[str, ...]:
    in_story = transition.chart == LINK or not _IN_STORY.isdisjoint((transition.source, transition.dest))
    who = transition.instance if in_story else ""
    return transition.chart, who, transition.trigger, transition.dest, transition.reason


def _tell_transition(names: list[str], transition: Transition) -> str:
    if transition.chart == LINK:
        change = f" {transition.source} -> {transition.dest}" if transition.source != transition.dest else ""
        return f"link{change}: {transition.reason}"
    if transition.chart == FORWARD:
        return f"{_enumerate(names)}, local port: {transition.reason}"
    if transition.source == transition.dest:
        return f"{_enumerate(names)}: {transition.reason}"
    one, several = _ENTRIES[ServiceState(transition.dest)]
    return f"{_enumerate(names)} {one if len(names) == 1 else several}{transition.reason}"


def _enumerate(names: list[str]) -> str:
    if len(names) > _NAMED:
        return f"{', '.join(names[:3])} and {len(names) - 3} more"
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def _tell_chapter(transition: Transition, began: Timestamp, at: Timestamp) -> str:
    if transition.source == transition.dest:
        return transition.reason
    opening = _CHAPTERS.get(ServiceState(transition.dest), "")
    return opening.format(age=say_duration(at.steady - began.steady)) + transition.reason


def _tell_notes(row: Recorded) -> Iterator[Line]:
    for instance, record in row.notes:
        if instance != AGENT:
            yield Line(row.seq, row.at, f"{instance}: {record}")
        else:
            yield Line(row.seq, row.at, record if isinstance(row.event, Ordered) else f"{AGENT}: {record}")


def _tell_lone_resolutions(row: Recorded) -> Iterator[Line]:
    """What became of an intent, where no transition of its service says so."""
    told = {transition.instance for transition in row.transitions}
    for resolution in row.resolutions:
        if resolution.service not in told and not resolution.token.startswith(LISTEN_TOKEN):
            record = f"{resolution.service}: restart {resolution.outcome}: {resolution.reason}"
            yield Line(row.seq, row.at, record)


def _tell_gap(previous: Recorded | None, row: Recorded) -> Iterator[Line]:
    """The time between two runs of the agent: a monitoring gap, which counts as neither good nor bad."""
    if previous is None or not isinstance(row.event, AgentStarted):
        return
    watched = row.event.heartbeat or previous.at  # an older agent did not tell
    gap = row.at.steady - watched.steady
    rebooted = previous.boot_id != row.boot_id
    if gap < BLINK and not rebooted:
        return
    stopped = isinstance(previous.event, AgentStopped)
    exact = " by its clock" if rebooted else "" if row.event.heartbeat or stopped else " at most"
    span = f"{AGENT}: not running for {say_duration(gap)}{exact}"
    anew = "; the machine rebooted, so the length of the gap is not known" if rebooted else ""
    if stopped:
        yield Line(previous.seq, previous.at, f"{span}{anew}")
    else:
        yield Line(row.seq, row.at, f"{span}; it was killed{anew}")

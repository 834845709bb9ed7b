"""``replay --what-if`` and ``--sweep`` for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from ...loading.overrides import Overrides, as_yaml
from ...what_if.clusters import Model
from ...what_if.comparisons import SHORT, Answer, Comparison, Exactness, Fate, Totals
from ...what_if.differences import Difference
from ...what_if.sweeps import ALLOWANCE, Outcome, find_best
from ..wording import count_of, say_date_and_time, say_duration, wrap
from .tables import INDENT, lay_out

WIDTH = 80
MOST_SHOWN = 20  # rows of a sweep, besides the best ones
Settings = Sequence[tuple[str, str, str]]  # each setting, its value now, and the one that is asked about

_MODELS = {
    Model.AS_RECORDED: "a service reacts to a restart as to its nearest recorded one",
    Model.READY_AFTER_MEDIAN: "a service is ready after the median of its recorded restarts",
    Model.NEVER: "no restart helps",
}
_FATES = {Fate.SAME: "as recorded", Fate.CHANGED: "changed", Fate.GONE: "no outage", Fate.NEW: "new outage"}


def render_what_if(
    found: Comparison, *, settings: Settings, model: Model, width: int = WIDTH, zone: tzinfo | None = None
) -> str:
    """The answer in lines of at most ``width`` columns. ``zone`` None: the machine's."""
    blocks = [
        list(_head(found, settings, width, zone)),
        list(_sums(found, width)),
        list(_outages(found, width, zone)),
        list(_notes(found, model, width, zone)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def render_self_check(found: Comparison, *, zone: tzinfo | None = None) -> str:
    """That nothing is decided otherwise with the settings of then."""
    told = f"{count_of(found.events, 'event')} and {count_of(found.rounds, 'round')} decided again"
    return f"{told} with the recorded settings: 0 differences.\n{_coverage(found, zone)}"


def render_sweep(
    outcomes: Sequence[Outcome],
    combinations: Sequence[Overrides],
    *,
    current: int | None,
    suggested: int | None,
    model: Model,
    width: int = WIDTH,
) -> str:
    """The table of all combinations that are worth a look, and the one line to try."""
    best = find_best(outcomes)
    shown = [one for one in outcomes if one.number in best or one.number == current]
    others = [one for one in outcomes if one not in shown]
    shown += sorted(others, key=_by_cost)[: max(0, MOST_SHOWN - len(shown))]
    names = [one.key for one in combinations[0]]
    head = ("", *names, "DELAY", "OUTAGES", "SHORT", "RESTARTS", "NEEDLESS", "MISSED")
    rows = [head, *(_sweep_row(one, combinations, best, current) for one in sorted(shown, key=_by_cost))]
    hidden = len(outcomes) - len(shown)
    lines = [
        f"{count_of(len(outcomes), 'combination')} of {', '.join(names)}",
        "",
        *lay_out(rows, width=max(width, 40)),
    ]
    if hidden:
        lines.append(f"{INDENT}... and {hidden} more that others beat")
    return "\n".join(
        [*lines, "", *_sweep_notes(model, width), "", *_suggestion(combinations, current, suggested, width)]
    )


def say_delay(seconds: float | None) -> str:
    """``1.4 s``; ``-`` where there is none."""
    return "-" if seconds is None else f"{seconds:.1f} s" if seconds < 60 else say_duration(seconds)


def _head(found: Comparison, settings: Settings, width: int, zone: tzinfo | None) -> Iterator[str]:
    told = ", ".join(f"{key} = {value} (now {before})" for key, before, value in settings)
    yield from wrap(f"What if {told}", width=width)
    since, until = (say_date_and_time(at.wall, zone=zone)[:-3] for at in (found.first, found.last))
    yield f"Recorded from {since} to {until}: {count_of(found.events, 'event')}, {count_of(found.rounds, 'round')}"
    yield _coverage(found, zone)


def _coverage(found: Comparison, zone: tzinfo | None) -> str:
    if found.covered_from is None:
        return "The round log is empty: only changes of the link are known."
    since = say_date_and_time(found.covered_from.wall, zone=zone)[:-3]
    return f"Every round is known since {since}."


def _sums(found: Comparison, width: int) -> Iterator[str]:
    unknown = sum(one.exactness is Exactness.UNKNOWN for one in found.answers)
    rows = [("", "RECORDED", "WHAT IF", ""), *_figures(found.recorded, found.what_if, unknown)]
    yield from (line.rstrip() for line in lay_out(rows, width=width))


def _figures(before: Totals, after: Totals, unknown: int) -> Iterator[tuple[str, str, str, str]]:
    pairs: list[tuple[str, str, str]] = [
        ("Outages", str(before.outages), str(after.outages)),
        ("Outages, unknown", "0", str(unknown)),
        (f"Outages, shorter than {SHORT:g} s", str(before.short), str(after.short)),
        ("Detection delay, median", say_delay(before.delay), say_delay(after.delay)),
        ("Without a link", say_duration(before.outage_seconds), say_duration(after.outage_seconds)),
        ("Monitoring gaps", say_duration(before.gap_seconds), say_duration(after.gap_seconds)),
        ("Restarts", str(before.restarts), str(after.restarts)),
        ("Restarts, needless", str(before.needless), str(after.needless)),
        ("Services that gave up", str(before.gave_up), str(after.gave_up)),
    ]
    yield from ((label, first, second, "") for label, first, second in pairs)


def _outages(found: Comparison, width: int, zone: tzinfo | None) -> Iterator[str]:
    shown = [one for one in found.answers if one.fate is not Fate.SAME]
    same = len(found.answers) - len(shown)
    if shown:
        head = ("START", "RESULT", "DETECTED IN", "RESTARTS", "DETECTION", "END")
        rows = [head, *(_row(one, zone) for one in shown)]
        yield from lay_out(rows, width=width)
    if same:
        yield f"{INDENT}{count_of(same, 'outage')} as recorded"


def _row(one: Answer, zone: tzinfo | None) -> tuple[str, ...]:
    there = one.recorded or one.what_if
    assert there is not None
    before = None if one.recorded is None or not one.recorded.watched else _delay_of(one)
    return (
        say_date_and_time(there.started.wall, zone=zone)[:-3],
        _FATES[one.fate],
        f"{say_delay(before)} -> {_span(one.delay)}",
        f"{one.recorded_restarts} -> {one.restarts}{' *' if one.hypothetical else ''}",
        one.exactness,
        one.end,
    )


def _delay_of(one: Answer) -> float | None:
    return None if one.recorded is None else one.recorded.detected.steady - one.recorded.started.steady


def _span(delay: tuple[float, float] | None) -> str:
    if delay is None:
        return "-"
    low, high = map(say_delay, delay)
    return low if low == high else f"{low} to {high}"


def _notes(found: Comparison, model: Model, width: int, zone: tzinfo | None) -> Iterator[str]:
    notes = [
        "exact: the recorded rounds decide it. bounded: the agent would have probed at other times; the truth lies "
        "within the times shown, or close to them. unknown: the record does not tell whether there is an outage.",
        "A restart is needless if every replica of the service was available when it was decided.",
    ]
    if found.first_difference is not None:
        notes.append(f"* {_tell_difference(found.first_difference, zone)}; from then on restarts are hypothetical. ")
        notes[-1] += f"Model {model}: {_MODELS[model]}."
    for note in notes:
        yield from wrap(note, width=width)


def _tell_difference(one: Difference, zone: tzinfo | None) -> str:
    when = say_date_and_time(one.at.wall, zone=zone)
    if one.recorded:
        return f"The first restart that differs: {one.service}, recorded at {when}, not requested then"
    return f"The first restart that differs: {one.service}, not recorded, requested at {when}"


def _by_cost(one: Outcome) -> tuple[float, ...]:
    return (one.missed, one.totals.delay or 0.0, one.totals.needless, one.number)


def _sweep_row(
    one: Outcome, combinations: Sequence[Overrides], best: frozenset[int], current: int | None
) -> tuple[str, ...]:
    mark = ("*" if one.number in best else " ") + (">" if one.number == current else "")
    totals = one.totals
    values = [setting.text for setting in combinations[one.number]]
    figures = [totals.outages, totals.short, totals.restarts, totals.needless, one.missed]
    return (mark, *values, say_delay(totals.delay), *map(str, figures))


def _sweep_notes(model: Model, width: int) -> Iterator[str]:
    notes = [
        "*: no other combination has both a shorter median detection delay and fewer needless restarts. "
        ">: the settings in force.",
        f"SHORT: outages over within {SHORT:g} s. NEEDLESS: restarts of services of which every replica was available. "
        f"MISSED: recorded outages of {SHORT:g} s or longer that would go unnoticed.",
        f"Restarts that differ from the record are hypothetical. Model {model}: {_MODELS[model]}.",
    ]
    for note in notes:
        yield from wrap(note, width=width)


def _suggestion(
    combinations: Sequence[Overrides], current: int | None, suggested: int | None, width: int
) -> Iterator[str]:
    if suggested is not None:
        yield from wrap(
            f"To try (fewest needless restarts, detected at most {ALLOWANCE:g} s later than now; nothing is applied):",
            width=width,
        )
        yield from (f"{INDENT}{line}" for line in as_yaml(combinations[suggested]).splitlines())
    elif current is None:
        yield "No suggestion: the settings in force are not among the combinations."
    else:
        yield "No suggestion: no combination is better than the settings in force."

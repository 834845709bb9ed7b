"""The texts of notices: a subject that says all on a locked phone, and a body of short lines below it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

from ..core.wording import counted
from ..core.world import ServiceState
from ..explain.facts import advise
from ..store.records import OutageRow
from .jobs import Notice
from .outage_facts import OutageFacts, ServiceFacts
from .wording import MOST_NAMED, compose_command, name_all, say_duration, say_reason, say_span, say_time

MOST_REASONS = 10  # services that gave up and are told of with their reason, each on lines of its own
MOST_EARLIER = 20  # outages of which each has a line
_LOST = 3  # names in a subject
_SKIPPED = "skipped: "
_INCOMPLETE = "Older events were removed (journal.max_size): services may be missing."
_SPENT = re.compile(r"attempt \d+ of \d+ did not help, none left: ")  # what "3/3 restarts used" says already


@dataclass(frozen=True, slots=True)
class Text:
    """``subject`` is one line; ``body`` several, without one at the end. ``remedy`` is what to type or to do."""

    subject: str
    body: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where it happened: the name of the ``site``, and the state file for commands. ``zone`` None: the machine's."""

    site: str
    state_file: str
    zone: tzinfo | None = None


def compose(notice: Notice, facts: OutageFacts, place: Place) -> Text:
    """The text of a notice about an outage."""
    if notice.kind == "offline":
        return _compose_offline(facts, place)
    if notice.kind == "gave-up":
        return _compose_gave_up(facts, place)
    if notice.kind == "relapses":
        return _compose_relapses(facts, place)
    return _compose_digest(facts, place)


def compose_test(notice: Notice, place: Place) -> Text:
    """The text by which a person sees that a channel works."""
    subject = f"[{place.site}] Test notice"
    body = [
        f"The channel {notice.channel} works.",
        "It gets a notice after each outage of the internet link.",
        "",
        f"Requested with: connmon-agent notify test {notice.channel}",
    ]
    return Text(subject, "\n".join(body), "")


def rearm_command(facts: OutageFacts, place: Place) -> str:
    """The command that resets the attempts of the services that gave up; empty where none did."""
    names = [one.name for one in facts.gave_up]
    if not names:
        return ""
    # Without names it is for all services: of those that did not give up nothing but used attempts is reset.
    return compose_command(place.state_file, ["rearm", *(names if len(names) <= MOST_NAMED else [])])


def offline_seconds(row: OutageRow, facts: OutageFacts) -> float:
    """Seconds without the link, monitoring gaps left out."""
    end = row.back or row.ended or facts.until
    return max(0.0, end.steady - row.started.steady - row.monitoring_gap)


def _compose_digest(facts: OutageFacts, place: Place) -> Text:
    row, remedy = facts.row, rearm_command(facts, place)
    lines = [
        *_tell_time(facts, place.zone),
        *_tell_cause(facts),
        *([f"Relapses: {row.relapses} (the link was back in between)"] if row.relapses else []),
        *_tell_lost(facts, remedy),
        *_tell_services(facts),
        *_tell_earlier(facts, place.zone),
        "",
        *([_INCOMPLETE] if facts.incomplete else []),
        f"Details: {compose_command(place.state_file, ['replay', str(row.id)])}",
    ]
    subject = f"[{place.site}] {_title(facts)}: {_result(facts)}"
    return Text(subject, "\n".join(lines), remedy or advise(row.cause))


def _title(facts: OutageFacts) -> str:
    row = facts.row
    if row.by_operator:
        return f"Recovery {row.id}"
    took = say_duration(offline_seconds(row, facts))
    if facts.earlier:
        return f"{len(facts.earlier) + 1} outages, the last {took}"
    if took == say_duration(0) and row.monitoring_gap >= 1:
        return f"Outage {row.id}, monitoring gap {say_duration(row.monitoring_gap)}"
    return f"Outage {row.id}, {took}"


def _result(facts: OutageFacts) -> str:
    if facts.gave_up:
        return _name_lost(facts)
    if facts.row.ended is None or facts.incomplete:
        return say_reason(facts.row.result)
    restarted = sum(one.restarts > 0 for one in facts.services)
    return f"recovered, {counted(restarted, 'service')} restarted" if restarted else "recovered"


def _name_lost(facts: OutageFacts) -> str:
    names = [one.name for one in facts.gave_up]
    return f"{', '.join(names) if len(names) <= _LOST else f'{len(names)} services'} gave up"


def _tell_time(facts: OutageFacts, zone: tzinfo | None) -> Iterator[str]:
    row = facts.row
    if row.by_operator:
        yield f"Recovery {say_span(row.started, row.ended, zone)}"
        yield f"Requested by {say_reason(facts.ordered_by or 'an operator')}"
        return
    yield f"Offline: {say_span(row.started, row.back or row.ended, zone)}"
    yield f"Duration: {say_duration(offline_seconds(row, facts))}"
    if row.monitoring_gap >= 1:
        yield f"Monitoring gap: {say_duration(row.monitoring_gap)} more, neither uptime nor downtime"
    if row.back is not None and row.ended is not None:
        yield f"Recovery: {say_duration(row.ended.steady - row.back.steady)}, until {say_time(row.ended, zone)}"


def _tell_cause(facts: OutageFacts) -> Iterator[str]:
    row = facts.row
    if row.by_operator:
        return
    yield f"Cause: {say_reason(row.cause)}{f': {say_reason(row.detail)}' if row.detail else ''}"
    if advice := advise(row.cause):
        yield f"To do: {advice}"


def _tell_lost(facts: OutageFacts, remedy: str) -> Iterator[str]:
    lost = facts.gave_up
    if not lost:
        return
    yield ""
    yield f"GAVE UP: {name_all(one.name for one in lost)}"
    for one in lost[:MOST_REASONS]:
        yield f"{one.name}: {_used(one, facts)}; {say_reason(_SPENT.sub('', one.reason))}"
    if len(lost) > MOST_REASONS:
        yield f"... and {len(lost) - MOST_REASONS} more"
    yield "Fix the cause, then run:"
    yield remedy


def _used(one: ServiceFacts, facts: OutageFacts) -> str:
    used = facts.attempts.get(one.name, one.restarts)
    return f"{max(used, one.restarts)}/{facts.budget} restarts used"


def _tell_services(facts: OutageFacts) -> Iterator[str]:
    """The other services, those with the same result on one line."""
    groups: dict[str, list[str]] = {}
    for one in facts.services:
        if one.state != ServiceState.GAVE_UP:
            groups.setdefault(_describe(one, facts), []).append(one.name)
    if groups:
        yield ""
    for words, names in groups.items():
        yield f"{words}: {', '.join(names)}"


def _describe(one: ServiceFacts, facts: OutageFacts) -> str:
    if one.reason.startswith(_SKIPPED):
        return f"Skipped ({say_reason(one.reason.removeprefix(_SKIPPED))})"
    restarts = _used(one, facts) if one.restarts else "no restart"
    if one.state == ServiceState.READY:
        return f"Ready, {restarts}"
    return f"{one.state}, {restarts}"


def _tell_earlier(facts: OutageFacts, zone: tzinfo | None) -> Iterator[str]:
    if not facts.earlier:
        return
    yield ""
    yield "Earlier outages:"
    for row in facts.earlier[-MOST_EARLIER:]:
        yield f"{row.id}: {say_span(row.started, row.back or row.ended, zone)}, {say_reason(row.result)}"
    if len(facts.earlier) > MOST_EARLIER:
        yield f"... and {len(facts.earlier) - MOST_EARLIER} before them"


def _compose_offline(facts: OutageFacts, place: Place) -> Text:
    row = facts.row
    lines = [
        f"Offline {say_span(row.started, None, place.zone)}",
        *_tell_cause(facts),
        "",
        _tell_plan(facts),
        f"State: {compose_command(place.state_file, ['status'])}",
    ]
    subject = f"[{place.site}] OFFLINE since {say_time(row.started, place.zone)}: {row.cause}"
    return Text(subject, "\n".join(lines), advise(row.cause))


def _tell_plan(facts: OutageFacts) -> str:
    if facts.shadow:
        return "Shadow mode (recovery.act: false): nothing is restarted."
    if facts.paused:
        return "Restarts are paused. Run `connmon-agent resume` to continue."
    return f"Services are restarted once the link has been good for {say_duration(facts.hold)}."


def _compose_gave_up(facts: OutageFacts, place: Place) -> Text:
    remedy = rearm_command(facts, place)
    lines = [
        f"Outage {facts.row.id}, offline {say_span(facts.row.started, facts.row.back, place.zone)}",
        *_tell_lost(facts, remedy),
        "",
        f"State: {compose_command(place.state_file, ['status'])}",
    ]
    return Text(f"[{place.site}] Outage {facts.row.id}: {_name_lost(facts)}", "\n".join(lines), remedy)


def _compose_relapses(facts: OutageFacts, place: Place) -> Text:
    row, took = facts.row, say_duration(facts.until.steady - facts.since.steady)
    relapses = counted(facts.relapses, "relapse")
    lines = [
        f"{relapses.capitalize()}: {say_span(facts.since, facts.until, place.zone)}",
        f"The link returned and failed again. It is {facts.link} now.",
        f"Outage {row.id}: {say_span(row.started, None, place.zone)}, {counted(row.relapses, 'relapse')} so far",
        *_tell_cause(facts),
        *_tell_lost(facts, rearm_command(facts, place)),
        "",
        f"State: {compose_command(place.state_file, ['status'])}",
    ]
    subject = f"[{place.site}] Outage {row.id}: {relapses} within {took}"
    return Text(subject, "\n".join(lines), rearm_command(facts, place) or advise(row.cause))

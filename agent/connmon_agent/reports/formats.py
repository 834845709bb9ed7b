"""Numbers, times and durations as each language writes them, and the sentences that hold them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import tzinfo

from ..core.link.causes import LAYERS
from ..core.observations import ProbeResult
from ..texts import make_printable
from ..wall_times import in_utc, in_zone
from .accounting import Before, Month, Period, Report, ReportedOutage, find_offset_changes, offset_of
from .texts import Texts

NBSP = "\u00a0"
LONGEST_EVIDENCE = 240  # characters; the CSV and JSON formats have all of it
OFFSET_CHANGES = 12  # that are listed
LISTED_STEPS = 10


def number(texts: Texts, value: float, digits: int = 0) -> str:
    """``1,234.5`` as this language writes it."""
    plain = f"{value:,.{digits}f}"
    return plain.translate({ord(","): texts.thousands, ord("."): texts.decimal})


def percent(texts: Texts, share: float | None, digits: int = 3) -> str:
    """A share (0 to 1) in percent, rounded down: 100 % is said of nothing less. An en dash for None."""
    if share is None:
        return "–"
    scale = 10**digits
    return f"{number(texts, int(share * 100 * scale + 1e-9) / scale, digits)}{NBSP}%"


def duration(texts: Texts, ms: int) -> str:
    """``1 d 2 h 3 min 4 s``; below a minute with one decimal."""
    if ms < 60_000:
        return f"{number(texts, ms / 1000, 1)}{NBSP}s"
    seconds = (ms + 500) // 1000
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    units = ((days, texts.day_units[days != 1]), (hours, "h"), (minutes, "min"), (seconds % 60, "s"))
    return " ".join(f"{amount}{NBSP}{unit}" for amount, unit in units if amount)


def instant(texts: Texts, wall: float, zone: tzinfo | None) -> str:
    """Date, time of day and offset: ``2026-10-25 02:30:12 +02:00``."""
    local = in_zone(wall + 0.0005, zone)  # 0.9999 is the next second's
    written = local.strftime(texts.date_and_time).replace(" ", NBSP)
    return f"{written} {offset(offset_of(wall, zone))}"


def offset(seconds: float) -> str:
    """``+02:00``."""
    minutes = round(abs(seconds) / 60)
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02}:{minutes % 60:02}"


def month_name(texts: Texts, month: Month) -> str:
    """``October 2026``."""
    year, one = month
    return f"{texts.months[one - 1]} {year}"


def utc(wall: float) -> str:
    """RFC 3339 in UTC with microseconds, as every other command writes it."""
    return in_utc(wall).isoformat(timespec="microseconds")


def milliseconds(texts: Texts, value: float) -> str:
    """``12 ms``; one decimal below 10."""
    return f"{number(texts, value, 1 if value < 10 else 0)}{NBSP}ms"


def describe_before(texts: Texts, before: Before | None) -> str:
    """``loss 2 %, median 12 ms, p95 40 ms``."""
    if before is None:
        return texts.not_recorded
    told = texts.loss.format(loss=f"{number(texts, before.loss * 100, 1)}{NBSP}%")
    if before.median_ms is None or before.p95_ms is None:
        return told
    median, p95 = milliseconds(texts, before.median_ms), milliseconds(texts, before.p95_ms)
    return f"{told}, {texts.latency.format(median=median, p95=p95)}"


def describe_evidence(texts: Texts, outage: ReportedOutage) -> str:
    """What the round that opened the outage found; the recorded words where that is not known."""
    if outage.found:
        return "; ".join(_tell_results(texts, outage.found))
    words = make_printable(outage.row.detail)
    return f"{texts.recorded_words}: {words}" if words else texts.not_recorded


def _tell_results(texts: Texts, results: Sequence[ProbeResult]) -> Iterator[str]:
    targets = [result for result in results if result.kind in LAYERS]
    yield texts.answered.format(answered=sum(result.ok for result in targets), asked=len(targets))
    failed: dict[str, list[str]] = {}
    for result in results:
        if not result.ok and (result.kind in LAYERS or result.kind == "interface"):
            failed.setdefault(texts.failures[result.failure or ""], []).append(make_printable(result.name))
    yield from (f"{how}: {', '.join(names)}" for how, names in failed.items())
    for result in results:
        if result.kind == "gateway":
            told = texts.gateway_answered if result.ok else texts.gateway_silent
            yield told.format(name=make_printable(result.name).removeprefix("gateway "))


def cut_evidence(text: str) -> str:
    """As much of it as a page has room for."""
    return text if len(text) <= LONGEST_EVIDENCE else f"{text[: LONGEST_EVIDENCE - 1].rstrip()}…"


def describe_end(texts: Texts, outage: ReportedOutage, period: Period) -> str:
    """When the link was back, although that may be after the period; or that it was not, as far as is known."""
    if outage.ended is None:
        return texts.ongoing if outage.ongoing else texts.not_recorded
    told = instant(texts, outage.ended.wall, period.zone)
    return f"{told} ({texts.ended_after})" if outage.ended.wall > period.until else told


def describe_start(texts: Texts, outage: ReportedOutage, zone: tzinfo | None) -> str:
    """When it began, although that may be before the period."""
    told = instant(texts, outage.started.wall, zone)
    return f"{told} ({texts.began_before})" if outage.began_before else told


def describe_downtime(texts: Texts, outage: ReportedOutage) -> str:
    """The downtime, with what else there was."""
    parts = [duration(texts, outage.down_ms)]
    if outage.gap_ms:
        parts.append(texts.gap_within.format(time=duration(texts, outage.gap_ms)))
    told = " ".join(parts)
    relapses = outage.row.relapses
    return f"{told}, {texts.relapse_count[relapses != 1].format(count=relapses)}" if relapses else told


def accounting(texts: Texts, report: Report) -> list[str]:
    """What counts as what, with the thresholds in force."""
    plan = report.plan
    intervals = {"interval": plan.check_interval, "confirm": plan.confirm_interval, "offline": plan.offline_interval}
    spans = {name: seconds(texts, value) for name, value in intervals.items()}
    told = [one.format(quorum=plan.quorum, fall=plan.fall, rise=plan.rise, **spans) for one in texts.counts]
    changes = report.plan_changes
    return [*told, texts.plan_changed[changes != 1].format(count=changes)] if changes else told


def seconds(texts: Texts, value: float) -> str:
    """``2 s``, ``0.35 s``."""
    return f"{value:g}".replace(".", texts.decimal) + f"{NBSP}s"


def time_zone(texts: Texts, report: Report) -> list[str]:
    """How to read the times: the zone, and each change of its offset in the period."""
    period = report.period
    changes = find_offset_changes(period)
    told = [
        texts.offset_change.format(time=instant(texts, at, period.zone), before=offset(before), after=offset(after))
        for at, before, after in changes[:OFFSET_CHANGES]
    ]
    more = len(changes) - len(told)
    rest = [texts.more_offset_changes.format(count=more)] if more else []
    return [texts.time_zone.format(zone=period.zone_name), *told, *rest]


def clock_steps(texts: Texts, report: Report) -> list[str]:
    """That the clock was set, where it was: the largest corrections."""
    largest = sorted(report.steps, key=lambda step: -abs(step.seconds))[:LISTED_STEPS]
    return [
        texts.clock_set.format(
            time=instant(texts, step.at.wall, report.period.zone),
            seconds=("-" if step.seconds < 0 else "+") + duration(texts, round(abs(step.seconds) * 1000)),
        )
        for step in sorted(largest, key=lambda step: step.at)
    ]

"""The ``link`` section: what its keys say together, and what the defaults are where they depend on each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..core.link.damping import highest_penalty
from ..core.plan import DampingPlan, LinkPlan, QualityPlan
from ..settings import Target
from .defaults import DEFAULTS
from .durations import format_duration
from .keys import DAMPING, DAY, LINK, QUALITY
from .sections import Section
from .targets import count_votes, most_votes

JITTER = 1.05  # the longest pause between two rounds, as a share of the interval


class LinkSection(NamedTuple):
    """What the section says."""

    plan: LinkPlan
    targets: tuple[Target, ...]
    timeout: float  # seconds; one probe


class Pace(NamedTuple):
    """How the link is probed: ``votes`` targets count, each asked every ``interval`` seconds for up to ``timeout``."""

    interval: float
    timeout: float
    votes: int

    def probes_in(self, window: float) -> int:
        """How many probes a window of so many seconds is sure to hold while the verdict is sure."""
        return int(window / (self.interval * JITTER)) * self.votes

    def window_for(self, probes: int) -> float:
        """A window, in seconds, that is sure to hold so many probes."""
        rounds = -(-probes // max(1, self.votes))
        return (rounds + 1) * self.interval * JITTER


def read_link(section: Section) -> LinkSection:
    """The section's values, each mistake noted. A default never contradicts what the file does say."""
    written = LINK.read_written(section)
    values = {**fit_defaults(written), **written}
    targets, timeout, check_interval = values.pop("targets"), values.pop("timeout"), values["check_interval"]
    quality = _read_quality(section.section("quality"), Pace(check_interval, timeout, count_votes(targets)))
    plan = LinkPlan(**values, quality=quality)
    plan = replace(plan, damping=_read_damping(section.section("damping"), plan))
    section.close()
    _check_quorum(section, plan.quorum, most_votes(section, targets))
    _check_interval(section, "confirm_interval", plan.confirm_interval, check_interval)
    _check_interval(section, "timeout", timeout, check_interval)
    _check_offline(section, plan.offline_interval, check_interval)
    return LinkSection(plan, targets, timeout)


def fit_defaults(written: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of the section as far as they fit ``written``, what the file says of the same keys."""
    usual = {**LINK.defaults, **written}
    check_interval = usual["check_interval"]
    return {
        **LINK.defaults,
        "confirm_interval": min(DEFAULTS.link.confirm_interval, check_interval),
        "offline_interval": max(DEFAULTS.link.offline_interval, check_interval),
        "timeout": min(DEFAULTS.timeout, check_interval),
        "quorum": min(DEFAULTS.link.quorum, count_votes(usual["targets"])),
    }


def _check_quorum(section: Section, quorum: int, count: int) -> None:
    if not section.has("quorum") and not section.is_sound("targets"):
        return  # the default follows the targets, once their mistakes are mended
    if section.is_sound("quorum") and 0 < count < quorum:
        remedy = f"write a number from 1 to {count}, or add targets"
        section.report(
            "quorum", f"is above the number of counted targets, {count}: no round could be good", remedy=remedy
        )


def _check_interval(section: Section, name: str, seconds: float, check_interval: float) -> None:
    if section.is_sound(name, "check_interval") and seconds > check_interval:
        limit = format_duration(check_interval)
        section.report(name, f"must not be longer than check_interval, {limit}", remedy=f"write at most {limit}")


def _check_offline(section: Section, seconds: float, check_interval: float) -> None:
    """The pauses of an outage grow from ``check_interval``: a limit below it would never be one."""
    if section.is_sound("offline_interval", "check_interval") and seconds < check_interval:
        least = format_duration(check_interval)
        message = f"must not be shorter than check_interval, {least}"
        section.report("offline_interval", message, remedy=f"write at least {least}")


def default_quality(pace: Pace) -> QualityPlan:
    """The built-in thresholds, as far as they fit the way the link is probed."""
    least = DEFAULTS.link.quality.least
    enter = min(DEFAULTS.link.quality.enter_latency, pace.timeout / 2)
    return QualityPlan(
        window=_default_window(pace, least),
        enter_latency=enter,
        leave_latency=_default_leave(enter, DEFAULTS.link.quality.leave_latency),
        least=least,
    )


def _read_quality(section: Section, pace: Pace) -> QualityPlan:
    """The section's values, each mistake noted. A default gives way to what the file does say."""
    written, default = QUALITY.read_written(section), default_quality(pace)
    least = written.get("least", default.least)
    plan = QualityPlan(
        window=written.get("window", _default_window(pace, least)),
        least=least,
        **_fit_pair(section, written, "loss", default.enter_loss, default.leave_loss, limit=1.0),
        **_fit_pair(section, written, "latency", default.enter_latency, default.leave_latency, limit=pace.timeout),
    )
    section.close()
    _check_order(section, "loss", plan.enter_loss, plan.leave_loss)
    _check_order(section, "latency", plan.enter_latency, plan.leave_latency)
    _check_latency(section, plan, pace)
    _check_window(section, plan, pace)
    return plan


def _default_window(pace: Pace, least: int) -> float:
    window = DEFAULTS.link.quality.window
    return window if pace.probes_in(window) >= least else min(DAY, max(window, pace.window_for(least)))


def _default_leave(enter: float, usual: float) -> float:
    return usual if usual < enter else enter / 2


def _fit_pair(
    section: Section, written: Mapping[str, float], what: str, enter: float, leave: float, *, limit: float
) -> dict[str, float]:
    """Both thresholds; where only one is written, the other keeps its distance. ``limit`` is never reached."""
    low = written.get(f"leave_{what}", leave)
    if section.has(f"leave_{what}") and low >= enter:
        enter = (low + limit) / 2
    high = written.get(f"enter_{what}", enter)
    if not section.has(f"leave_{what}"):
        low = _default_leave(high, low)
    return {f"enter_{what}": high, f"leave_{what}": low}


def _check_order(section: Section, what: str, enter: float, leave: float) -> None:
    names = (f"enter_{what}", f"leave_{what}")
    if section.is_sound(*names) and leave >= enter:
        shown = f"{enter:g}" if what == "loss" else format_duration(enter)
        name = names[1] if section.has(names[1]) else names[0]
        section.report(
            name,
            f"leave_{what} must be below enter_{what}, {shown}: the link would change its class with every round",
            remedy=f"write leave_{what} lower, or enter_{what} higher",
        )


def _check_latency(section: Section, plan: QualityPlan, pace: Pace) -> None:
    if section.is_sound("enter_latency", "leave_latency") and plan.enter_latency >= pace.timeout:
        name = "enter_latency" if section.has("enter_latency") else "leave_latency"
        limit = format_duration(pace.timeout)
        section.report(
            name,
            f"is not below the timeout of a probe, {limit}: it could never fire",
            remedy=f"write less than {limit}",
        )


def _check_window(section: Section, plan: QualityPlan, pace: Pace) -> None:
    held = pace.probes_in(plan.window)
    if pace.votes and section.is_sound("window", "least") and held < plan.least and _is_written(section):
        name = "window" if section.has("window") else "least"
        window, enough = format_duration(plan.window), format_duration(pace.window_for(plan.least))
        section.report(
            name,
            f"a window of {window} holds {held} probes, fewer than least, {plan.least}: there would be no verdict",
            remedy=f"write a window of {enough} or more, or a lower least",
        )


def _is_written(section: Section) -> bool:
    return section.has("window") or section.has("least")


def _read_damping(section: Section, link: LinkPlan) -> DampingPlan:
    """The section's values, each mistake noted. ``link`` tells how fast outages can follow each other."""
    plan = DampingPlan(**DAMPING.read_section(section))
    _check_thresholds(section, plan)
    _check_reach(section, plan, link)
    return plan


def _check_thresholds(section: Section, plan: DampingPlan) -> None:
    if section.is_sound("reuse", "suppress") and plan.reuse >= plan.suppress:
        name = "reuse" if section.has("reuse") else "suppress"
        section.report(
            name,
            f"reuse ({plan.reuse:g}) must be below suppress ({plan.suppress:g}): damping would end where it begins",
            remedy="write reuse lower, or suppress higher",
        )
    if section.is_sound("suppress", "ceiling") and plan.suppress > plan.ceiling:
        name = "suppress" if section.has("suppress") else "ceiling"
        section.report(
            name,
            f"suppress ({plan.suppress:g}) is above ceiling ({plan.ceiling:g}): restarts could never be damped",
            remedy="write suppress lower, or ceiling higher",
        )


def _check_reach(section: Section, plan: DampingPlan, link: LinkPlan) -> None:
    """Only what is written can contradict itself; a slow pace of rounds alone makes no mistake of the defaults."""
    names = ("penalty", "half_life", "suppress", "ceiling")
    written = [name for name in ("suppress", "half_life", "penalty") if section.has(name)]
    highest = highest_penalty(plan, link)
    if written and section.is_sound(*names) and highest <= plan.suppress:
        section.report(
            written[0],
            f"suppress ({plan.suppress:g}) is out of reach: the fastest flapping adds up to {highest:.0f}, "
            "so restarts could never be damped",
            remedy="write suppress lower, half_life longer or penalty higher",
        )

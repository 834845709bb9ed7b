"""``link.quality``: when a link that works is called lossy or slow."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.plan import QualityPlan
from .defaults import DEFAULTS
from .durations import format_duration
from .sections import Section
from .values import duration, number, whole_number

DAY = 86400.0
SHORTEST_WINDOW = 1.0  # seconds
MOST_NEEDED = 5000  # probes
MOST_LOSS = 0.99  # more could never be exceeded by a link that works
JITTER = 1.05  # the longest pause between two rounds, as a share of the interval


@dataclass(frozen=True, slots=True)
class Pace:
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


def read_quality(section: Section, pace: Pace) -> QualityPlan:
    """The section's values, each mistake noted. A default gives way to what the file does say."""
    default = default_quality(pace)
    least = section.take("least", default.least, whole_number(1, MOST_NEEDED))
    enter_loss, leave_loss = _read_pair(section, "loss", default.enter_loss, default.leave_loss, limit=1.0)
    enter_latency, leave_latency = _read_pair(
        section, "latency", default.enter_latency, default.leave_latency, limit=pace.timeout
    )
    plan = QualityPlan(
        window=section.take("window", _default_window(pace, least), duration(SHORTEST_WINDOW, DAY)),
        enter_loss=enter_loss,
        leave_loss=leave_loss,
        enter_latency=enter_latency,
        leave_latency=leave_latency,
        least=least,
    )
    section.close()
    _check_order(section, "loss", enter_loss, leave_loss)
    _check_order(section, "latency", enter_latency, leave_latency)
    _check_latency(section, plan, pace)
    _check_window(section, plan, pace)
    return plan


def _default_window(pace: Pace, least: int) -> float:
    window = DEFAULTS.link.quality.window
    return window if pace.probes_in(window) >= least else min(DAY, max(window, pace.window_for(least)))


def _default_leave(enter: float, usual: float) -> float:
    return usual if usual < enter else enter / 2


def _read_pair(section: Section, what: str, enter: float, leave: float, *, limit: float) -> tuple[float, float]:
    """Both thresholds; where only one is written, the other keeps its distance. ``limit`` is never reached."""
    read = number(0, MOST_LOSS) if what == "loss" else duration(0.001, 60)
    low = section.take(f"leave_{what}", leave, read)
    if section.has(f"leave_{what}") and low >= enter:
        enter = (low + limit) / 2
    high = section.take(f"enter_{what}", enter, read)
    if not section.has(f"leave_{what}"):
        low = _default_leave(high, low)
    return high, low


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

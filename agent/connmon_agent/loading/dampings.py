"""``link.damping``: how restarts are damped on a link that flaps."""

from __future__ import annotations

from ..core.damping import highest_penalty
from ..core.plan import DampingPlan, LinkPlan
from .defaults import DEFAULTS
from .sections import Section
from .values import duration, number

LEAST, MOST = 1.0, 1_000_000.0  # of a penalty; what is not above zero would never be reached by halving
SHORTEST_HALF_LIFE, LONGEST_HALF_LIFE = 1.0, 86400.0  # seconds


def read_damping(section: Section, link: LinkPlan) -> DampingPlan:
    """The section's values, each mistake noted. ``link`` tells how fast outages can follow each other."""
    default = DEFAULTS.link.damping
    read = number(LEAST, MOST)
    plan = DampingPlan(
        penalty=section.take("penalty", default.penalty, read),
        half_life=section.take("half_life", default.half_life, duration(SHORTEST_HALF_LIFE, LONGEST_HALF_LIFE)),
        suppress=section.take("suppress", default.suppress, read),
        reuse=section.take("reuse", default.reuse, read),
        ceiling=section.take("ceiling", default.ceiling, read),
    )
    section.close()
    _check_order(section, plan)
    _check_reach(section, plan, link)
    return plan


def _check_order(section: Section, plan: DampingPlan) -> None:
    if section.is_sound("reuse", "suppress") and plan.reuse >= plan.suppress:
        name = "reuse" if section.has("reuse") else "suppress"
        section.report(
            name,
            f"reuse, {plan.reuse:g}, must be below suppress, {plan.suppress:g}: damping would end where it begins",
            remedy="write reuse lower, or suppress higher",
        )
    if section.is_sound("suppress", "ceiling") and plan.suppress > plan.ceiling:
        name = "suppress" if section.has("suppress") else "ceiling"
        section.report(
            name,
            f"suppress, {plan.suppress:g}, is above ceiling, {plan.ceiling:g}: restarts could never be damped",
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
            f"suppress, {plan.suppress:g}, is out of reach: the fastest flapping adds up to {highest:.0f}, "
            "so restarts could never be damped",
            remedy="write suppress lower, half_life longer or penalty higher",
        )

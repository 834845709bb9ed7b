"""Damping of a link that flaps, after RFC 2439: every outage adds a penalty, which decays by half in ``half_life``.

Above ``suppress`` restarts of available services wait until the penalty has decayed to ``reuse``. Nothing else waits:
the link is judged as ever, and a service that is not available is restarted within its budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp2, expm1, log, log2

from ..plan import DampingPlan, LinkPlan
from ..timestamps import Timestamp
from ..wording import clock_time, counted, left_in_words
from ..world import Link

RECENT = 3600.0  # seconds; the outages of so long are counted for people
MOST_FALLS = 100  # counted at most


def penalty_at(link: Link, now: Timestamp, plan: DampingPlan) -> float:
    """What is left of the penalty."""
    if link.penalized is None:
        return 0.0
    age = max(0.0, now.steady - link.penalized.steady)
    return link.penalty * exp2(-age / plan.half_life)


def penalty_after_outage(link: Link, now: Timestamp, plan: DampingPlan) -> float:
    """The penalty with one more outage."""
    return min(penalty_at(link, now, plan) + plan.penalty, plan.ceiling)


def reuse_at(penalty: float, now: Timestamp, plan: DampingPlan) -> Timestamp:
    """When a penalty that is ``penalty`` now will have decayed to ``reuse``; now, where it already has."""
    return now.plus(plan.half_life * log2(penalty / plan.reuse)) if penalty > plan.reuse else now


def damped_until(link: Link, penalty: float, now: Timestamp, plan: DampingPlan) -> Timestamp | None:
    """Until when restarts wait with this penalty; None: they do not. Once they wait, they wait down to ``reuse``."""
    if penalty < plan.suppress and link.damped_until is None:
        return None
    until = reuse_at(penalty, now, plan)
    return until if until.steady > now.steady else None


def count_fall(falls: Sequence[float], now: Timestamp) -> tuple[float, ...]:
    """The steady times of the outages of the last hour, with the one that begins now."""
    return (*(fall for fall in falls if now.steady - fall < RECENT), now.steady)[-MOST_FALLS:]


def longest_damping(plan: DampingPlan) -> float:
    """Seconds that restarts ever wait after the newest outage."""
    return plan.half_life * log2(plan.ceiling / plan.reuse)


def highest_penalty(plan: DampingPlan, link: LinkPlan) -> float:
    """What the penalty of a link tends to that flaps as fast as it can be seen, before the ceiling.

    The fastest flapping is a relapse during the hold: ``rise`` good rounds and a bad one. A penalty P every T seconds
    tends to P / (1 - 2^(-T / half_life)).
    """
    fastest = (link.rise + 1) * link.confirm_interval
    return plan.penalty / -expm1(-fastest / plan.half_life * log(2))


def describe_damping(link: Link, now: Timestamp) -> str:
    """Until when restarts wait, and why; nothing where they do not."""
    if link.damped_until is None:
        return ""
    left = max(0.0, link.damped_until.steady - now.steady)
    end = clock_time(link.damped_until.wall, exactly=left < 60)  # else the time may seem to be over already
    told = f"restarts of available services are held back for {left_in_words(left)}, until {end} UTC"
    return f"{told}: the link is flapping, {count_failures(link, now)}"


def count_failures(link: Link, now: Timestamp) -> str:
    """``7 outages in the last hour``."""
    recent = sum(now.steady - fall < RECENT for fall in link.falls)
    many = "at least " if recent >= MOST_FALLS else ""
    return f"{many}{counted(recent, 'outage')} in the last hour"

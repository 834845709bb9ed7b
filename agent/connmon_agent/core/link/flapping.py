"""How long a doubt may last: nobody waits for ever for a run of good or of bad rounds.

BFD and mwan3 count misses in a row alone, and a link that loses every other round stays between their thresholds for
ever. Here such a doubt ends, as dpinger's does, with a verdict of its own: the link is lossy.
"""

from __future__ import annotations

from typing import Any

from ..plan import LinkPlan
from ..world import Link

# Times that `fall` and `rise` together would have fitted into the doubt. With the defaults these are 18 rounds, 9 s at
# the pace of a doubt: about the 10 s that dpinger holds an alarm back.
PATIENCE = 3


def flapping_threshold(plan: LinkPlan) -> int:
    """Rounds without a run of `rise` good or `fall` bad ones after which the doubt is the verdict."""
    return PATIENCE * (plan.fall + plan.rise)


def is_flapping(link: Link, plan: LinkPlan) -> bool:
    """Whether good and bad rounds have taken turns for so long that more of them would tell nothing new."""
    return link.flapping >= flapping_threshold(plan)


def is_inconclusive(link: Link, plan: LinkPlan) -> bool:
    """Whether no target could be probed for `fall` rounds in a row: nobody knows whether the link works."""
    return link.inconclusive >= plan.fall


def describe_flapping(plan: LinkPlan) -> str:
    """``flapping: 18 rounds without 3 good or 3 bad ones in a row``."""
    return f"flapping: {flapping_threshold(plan)} rounds without {plan.rise} good or {plan.fall} bad ones in a row"


def begin_counting(link: Link, plan: LinkPlan) -> dict[str, Any]:
    """The counters of rounds after a time without rounds: what went before is part of no row and of no doubt.

    Rounds of another life of the agent must not add up with those of this one to a verdict that neither of them saw.
    A doubt about a kind or an IP version that has become a verdict stays until an answer ends it.
    """
    verdicts = {about: rounds for about, rounds in link.doubts.items() if rounds >= plan.fall}
    return {"good": 0, "bad": 0, "flapping": 0, "inconclusive": 0, "doubts": verdicts}

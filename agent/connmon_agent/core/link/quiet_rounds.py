"""Quiet rounds: while all is well a round asks one target, the cheapest that proves the internet, and not all of them.

A round of three targets is some 1.3 kB on the line. Asked every 2 s they cost 63 MB a day at rest, on somebody's LTE. A
quiet round costs a sixth of that and notices a dead link as soon, as anything but an answer in the target's usual time
makes it a round of all targets at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..demands import NEW_GATEWAY, round_interval
from ..observations import ProbeResult
from ..world import Link, LinkState, World
from .causes import LAYERS
from .metering import is_metered
from .quality import is_poor
from .rounds import note_api

# Seconds in which every target is asked at least once: what only one of them shows (a captive portal, say) is found no
# later than that. On a metered connection a round of all targets every minute is 2 MB a day by itself.
EVERY_TARGET = 60.0
EVERY_TARGET_METERED = 1800.0
# A target takes its turn in quiet rounds where it costs no more than so many times as much as the cheapest.
COMPARABLE = 3
LONGEST_PAUSE = 1.05  # between two rounds, as a share of the interval: rounds are spread by 5 % either way


@dataclass(frozen=True, slots=True)
class Rounds:
    """What is remembered of the rounds so far, in memory alone: it decides only whom the next round asks.

    ``latest`` are the newest results of all targets, ``complete`` is when the last round of all of them began (steady
    seconds; None: one is due), ``quiet`` the number of quiet rounds since the start. ``doubtful`` are the targets that
    look slow or lossy by themselves, and ``even`` says whether all targets were asked about equally often of late.
    """

    latest: tuple[ProbeResult, ...] = ()
    complete: float | None = None
    quiet: int = 0
    doubtful: frozenset[str] = frozenset()
    even: bool = True


def choose_target(world: World, rounds: Rounds, now: float) -> str | None:
    """The name of the one target that the round that begins ``now`` asks; None: it asks all of them."""
    metered = is_metered(world)
    longest = EVERY_TARGET_METERED if metered else EVERY_TARGET
    due = rounds.complete is None or now + LONGEST_PAUSE * round_interval(world, now) - rounds.complete > longest
    looked_into = rounds.doubtful and not rounds.even and not metered
    return None if due or looked_into else choose_first(world, rounds, now)


def choose_first(world: World, rounds: Rounds, now: float) -> str | None:
    """The target that a round asks before all others while all is well (None: it asks all of them at once).

    Its silence is noticed long before the timeout of all of them, in a round that happens to ask all of them, too.
    """
    names = find_cheapest(rounds, world) if is_calm(world, now) else ()
    return names[rounds.quiet % len(names)] if names else None


def is_calm(world: World, now: float) -> bool:
    """Whether one more round like the last one of all targets would change nothing, and nothing has to be measured.

    A link that is slow or lossy is measured with all targets, unless it is metered.
    """
    link, plan = world.link, world.plan.link
    told = link.evidence_since
    fresh = told is not None and now - told.steady < NEW_GATEWAY
    certain = link.good >= plan.rise and link.bad == 0 and all(rounds >= plan.fall for rounds in link.doubts.values())
    return certain and not fresh and not link.ruled_out and _is_well(link, metered=is_metered(world))


def _is_well(link: Link, *, metered: bool) -> bool:
    if link.state == LinkState.DEGRADED:
        return metered and is_poor(link)
    return link.state == LinkState.ONLINE


def find_cheapest(rounds: Rounds, world: World) -> tuple[str, ...]:
    """The targets that take turns in quiet rounds: of those that answer the cheapest, as many as the quorum.

    By turns, for one alone may prove nothing: a router that answers all DNS queries from its own cache would hide the
    outage behind it, but only until the next turn. Where both IP versions are asked, both have a turn.
    """
    able = [one for one in rounds.latest if one.ok and one.kind in LAYERS and one.kind not in world.link.suspects]
    able = [one for one in able if one.name not in rounds.doubtful]
    able.sort(key=lambda one: one.bytes)
    affordable = [one for one in able if one.bytes <= COMPARABLE * able[0].bytes]
    first = [next(one for one in affordable if one.family == family) for family in _families(affordable)]
    others = [one for one in affordable if one not in first]
    return tuple(one.name for one in [*first, *others][: max(world.plan.link.quorum, len(first))])


def _families(results: Iterable[ProbeResult]) -> tuple[str | None, ...]:
    """The IP versions, in the order of the results."""
    return tuple(dict.fromkeys(one.family for one in results))


def tells_news(world: World, results: Sequence[ProbeResult]) -> bool:
    """Whether a quiet round has found something that the world does not know: the API server is asked beside it."""
    return note_api(world.link, results) != world.link.api


def merge(known: Sequence[ProbeResult], found: Sequence[ProbeResult]) -> tuple[ProbeResult, ...]:
    """What was ``found`` in the place of what was ``known`` of the same targets, in their order; new ones last."""
    newest = {one.name: one for one in found}
    old = tuple(newest.pop(one.name, one) for one in known)
    return (*old, *newest.values())

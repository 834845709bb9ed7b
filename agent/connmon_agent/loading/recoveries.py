"""The ``recovery`` section: what is restarted, how often, and how patiently."""

from __future__ import annotations

from typing import NamedTuple

from ..core.plan import RecoveryPlan, When
from .defaults import DEFAULTS
from .durations import format_duration
from .links import HOUR, SHORTEST
from .nodes import MappingNode
from .sections import Section, open_section
from .values import Rejected, Value, described, duration, read_flag, whole_number

MOST_ATTEMPTS = 100
DAY = 24 * HOUR
_WHEN_REMEDY = "write always, unhealthy or {outage_longer_than: 30s}"


class _Occasion(NamedTuple):
    when: When
    outage_longer_than: float = 0.0


def read_recovery(section: Section) -> RecoveryPlan:
    """The section's values, each mistake noted."""
    occasion = section.take("when", _Occasion(DEFAULTS.recovery.when), _read_when)
    first, longest = _read_backoff(section.section("backoff"))
    plan = RecoveryPlan(
        act=section.take("act", DEFAULTS.recovery.act, read_flag),
        when=occasion.when,
        outage_longer_than=occasion.outage_longer_than,
        max_restart_attempts=section.take(
            "max_restart_attempts", DEFAULTS.recovery.max_restart_attempts, whole_number(1, MOST_ATTEMPTS)
        ),
        parallel=section.take("parallel", DEFAULTS.recovery.parallel, whole_number(1, 1000)),
        ready_timeout=section.take("ready_timeout", DEFAULTS.recovery.ready_timeout, duration(SHORTEST, DAY)),
        healthy_for=section.take("healthy_for", DEFAULTS.recovery.healthy_for, duration(SHORTEST, 7 * DAY)),
        backoff_first=first,
        backoff_max=longest,
        postpone_limit=section.take("postpone_limit", DEFAULTS.recovery.postpone_limit, duration(0, 7 * DAY)),
    )
    section.close()
    return plan


@described({"enum": [When.ALWAYS.value, When.UNHEALTHY.value]})  # or a mapping, below
def _read_when(value: Value) -> _Occasion:
    if not isinstance(value.node, MappingNode):
        word = value.scalar("a word or {outage_longer_than: 30s}").text
        if word not in (When.ALWAYS, When.UNHEALTHY):
            value.reject("is none of the choices", _WHEN_REMEDY)
        return _Occasion(When(word))
    section = open_section(value)
    limit = section.need(When.OUTAGE_LONGER_THAN.value, 0.0, duration(0, 7 * DAY))
    section.close()
    if not section.is_sound():
        raise Rejected
    return _Occasion(When.OUTAGE_LONGER_THAN, limit)


def _read_backoff(section: Section) -> tuple[float, float]:
    first = section.take("first", DEFAULTS.recovery.backoff_first, duration(SHORTEST, DAY))
    longest = section.take("max", max(first, DEFAULTS.recovery.backoff_max), duration(SHORTEST, DAY))
    if not section.has("first"):
        first = min(first, longest)
    section.close()
    if section.is_sound("first", "max") and first > longest:
        limit = format_duration(longest)
        section.report("first", f"must not be longer than max, {limit}", remedy=f"write at most {limit}")
    return first, longest

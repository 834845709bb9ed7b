"""The ``link`` section: thresholds, intervals and targets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from msgspec.structs import replace

from ..core.plan import AfterBlind, LinkPlan
from ..settings import EVIDENCE_TARGETS, Target
from .dampings import read_damping
from .defaults import DEFAULTS
from .durations import format_duration
from .nodes import ListNode, MappingNode, Node, ScalarNode
from .qualities import Pace, read_quality
from .sections import Section
from .targets import EVIDENCE_KINDS, read_target
from .values import Rejected, Value, choice, described, duration, list_of, whole_number

SHORTEST = 0.01  # seconds; below it an agent would only keep the machine busy
HOUR = 3600.0
AUTO = "auto"  # of ``metered``: what the operating system says


@dataclass(frozen=True, slots=True)
class Link:
    """What the section says."""

    plan: LinkPlan
    targets: tuple[Target, ...]
    timeout: float


def read_link(section: Section) -> Link:
    """The section's values, each mistake noted. A default never contradicts what the file does say."""
    targets = section.take("targets", DEFAULTS.targets, _read_targets)
    check_interval = section.take("check_interval", DEFAULTS.link.check_interval, duration(SHORTEST, HOUR))
    plan = LinkPlan(
        quorum=section.take("quorum", min(DEFAULTS.link.quorum, count_votes(targets)), whole_number(1, 1000)),
        fall=section.take("fall", DEFAULTS.link.fall, whole_number(1, 1000)),
        rise=section.take("rise", DEFAULTS.link.rise, whole_number(1, 1000)),
        hold=section.take("hold", DEFAULTS.link.hold, duration(0, 24 * HOUR)),
        check_interval=check_interval,
        confirm_interval=section.take("confirm_interval", default_confirm(check_interval), duration(SHORTEST, HOUR)),
        offline_interval=section.take(
            "offline_interval", default_offline(check_interval), duration(SHORTEST, 24 * HOUR)
        ),
        boot_grace=section.take("boot_grace", DEFAULTS.link.boot_grace, duration(0, HOUR)),
        after_blind=AfterBlind(section.take("after_blind", DEFAULTS.link.after_blind.value, choice(*AfterBlind))),
        metered=section.take("metered", DEFAULTS.link.metered, _read_metered),
    )
    timeout = section.take("timeout", default_timeout(check_interval), duration(SHORTEST, 60))
    quality = read_quality(section.section("quality"), Pace(check_interval, timeout, count_votes(targets)))
    plan = replace(plan, quality=quality, damping=read_damping(section.section("damping"), plan))
    section.close()
    _check_quorum(section, plan.quorum, _most_votes(section, targets))
    _check_interval(section, "confirm_interval", plan.confirm_interval, check_interval)
    _check_interval(section, "timeout", timeout, check_interval)
    _check_offline(section, plan.offline_interval, check_interval)
    return Link(plan, targets, timeout)


def count_votes(targets: Iterable[Target]) -> int:
    """How many targets count for the quorum; an interface and a gateway only tell where a fault is."""
    return sum(not isinstance(target, EVIDENCE_TARGETS) for target in targets)


def default_confirm(check_interval: float) -> float:
    """The built-in interval of unsure rounds, or the interval of sure ones where that is shorter."""
    return min(DEFAULTS.link.confirm_interval, check_interval)


def default_offline(check_interval: float) -> float:
    """The built-in longest interval of an outage, or the interval of sure rounds where that is longer."""
    return max(DEFAULTS.link.offline_interval, check_interval)


def default_timeout(check_interval: float) -> float:
    """The built-in timeout of a probe, or the interval between rounds where that is shorter."""
    return min(DEFAULTS.timeout, check_interval)


@described({"enum": [AUTO, True, False]})
def _read_metered(value: Value) -> bool | None:
    """``true``, ``false`` or ``auto``, which is None."""
    scalar = value.scalar("auto, true or false")
    if scalar.value == AUTO:
        return None
    if not isinstance(scalar.value, bool):
        value.reject("is none of the choices", f"write {AUTO}, true or false, without quotes")
    return scalar.value


def _read_targets(value: Value) -> tuple[Target, ...]:
    targets = list_of(read_target)(value)
    if not targets:
        value.reject("must hold one target at least", "add one, or remove the key to use the defaults")
    if not count_votes(targets):
        remedy = "add one of kind tcp, dns, http or icmp: an interface or a gateway answers while the internet is gone"
        value.reject("must hold one target at least that shows the internet", remedy)
    repeated = list(_find_repeated(target.name for target in targets))
    for index, first in repeated:
        message = f"is the same target as {value.key}[{first}]: {targets[index].name}"
        line = value.node.items[index].line if isinstance(value.node, ListNode) else value.node.line
        value.problems.add(message, line=line, key=f"{value.key}[{index}]", remedy="remove one of them")
    if repeated:
        raise Rejected
    return targets


def _find_repeated(names: Iterator[str]) -> Iterator[tuple[int, int]]:
    """The index of every name that came before, with the index at which it came first."""
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield index, first[name]


def _most_votes(section: Section, targets: Iterable[Target]) -> int:
    """How many targets count for the quorum, once those with mistakes in them are mended; 0: nobody can tell."""
    if section.is_sound("targets"):
        return count_votes(targets)
    value = section.find("targets")
    nodes = value.node.items if value is not None and isinstance(value.node, ListNode) else []
    return sum(not _is_evidence(node) for node in nodes)


def _is_evidence(node: Node) -> bool:
    kind = node.entries.get("kind") if isinstance(node, MappingNode) else None
    return kind is not None and isinstance(kind.node, ScalarNode) and kind.node.text in EVIDENCE_KINDS


def _check_quorum(section: Section, quorum: int, count: int) -> None:
    if not section.has("quorum") and not section.is_sound("targets"):
        return  # the default follows the targets, once their mistakes are mended
    if section.is_sound("quorum") and 0 < count < quorum:
        remedy = f"write a number from 1 to {count}, or add targets"
        section.report(
            "quorum", f"is above the number of targets that count, {count}: no round could be good", remedy=remedy
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

"""Single settings on a command line, ``link.fall=5``, and ranges of them, read by the same table as a configuration.

Only what decides can be changed here: the keys whose values are part of the plan. Whom a round asks, and for how long,
decides what is recorded, so that the record says nothing of other targets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from math import inf, isfinite, prod
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..core.plan import Plan
from ..errors import ConfigurationError, Problem
from .durations import format_duration, parse_duration
from .key_tables import Key, KeyTable
from .keys import ROOT, Occasion
from .problems import Problems
from .values import Duration, Number, Rejected, Value, WholeNumber, find_nearest
from .yaml_nodes import parse_yaml

MOST_COMBINATIONS = 1000
_SECTIONS = ("link", "recovery")
# What is measured with: the record has no rounds of other targets, and no other verdicts on the quality.
_MEASURING = ("link.targets", "link.timeout", "link.quality")
_RENAMED = {"recovery.backoff.first": "backoff_first", "recovery.backoff.max": "backoff_max"}
# What each of these is compared with.
_BESIDE = {
    "link.confirm_interval": ("link.check_interval",),
    "link.offline_interval": ("link.check_interval",),
    "recovery.backoff.first": ("recovery.backoff.max",),
    "link.damping.reuse": ("link.damping.suppress",),
    "link.damping.suppress": ("link.damping.ceiling",),
}
_NEXT = re.compile(r",(?=\s*[a-z_]+(?:\.[a-z_]+)+\s*=)")


class Override(NamedTuple):
    """One setting with another value. ``text`` is the value as YAML."""

    key: str
    value: Any
    text: str

    def __str__(self) -> str:
        return f"{self.key}={self.text}"


Overrides = tuple[Override, ...]


def read_overrides(words: Sequence[str], *, option: str) -> Overrides:
    """The settings that ``words``, given to the option of that name, set: ``link.fall=5``.

    Raises ConfigurationError.
    """
    problems = Problems(option)
    found = [one for word in words if (one := _read(word, problems)) is not None]
    problems.raise_if_any()
    keys = [one.key for one in found]
    for key in keys:
        if keys.count(key) > 1:
            raise _refuse(option, key, "is given more than once", "give it one value")
    return tuple(found)


def read_ranges(text: str, *, option: str) -> list[Overrides]:
    """Every combination of ``link.fall=2..6,link.hold=0s..60s:10s``: from, to, and the step, both ends included; or
    single values, ``recovery.when=always|unhealthy``. Raises ConfigurationError.
    """
    problems = Problems(option)
    axes = [_read_axis(word.strip(), problems) for word in _NEXT.split(text) if word.strip()]
    problems.raise_if_any()
    if not axes:
        raise _refuse(option, "", "names no setting", "write link.fall=2..6")
    size = prod(map(len, axes))
    if size > MOST_COMBINATIONS:
        raise _refuse(option, "", f"has {size} combinations", f"write ranges of at most {MOST_COMBINATIONS} in all")
    names = [axis[0].key for axis in axes]
    if len(set(names)) < len(names):
        raise _refuse(option, names[0], "is given more than once", "give each setting one range")
    return list(product(*axes))


def apply_overrides(plan: Plan, overrides: Overrides) -> Plan:
    """``plan`` with those settings. Others give way as the defaults of a file do, where both cannot hold."""
    for one in overrides:
        plan = _apply(plan, one)
    named = {one.key for one in overrides}
    return _fit(plan, named)


def check_overrides(plan: Plan, overrides: Overrides, *, option: str, targets: int) -> None:
    """Whether the settings can hold together, with so many ``targets`` that have a vote (0: not known).

    Raises ConfigurationError.
    """
    found = apply_overrides(plan, overrides)
    link, damping, recovery = found.link, found.link.damping, found.recovery
    longest = f"at most link.check_interval, {format_duration(link.check_interval)}"
    rules: list[tuple[str, bool, str]] = [
        ("link.quorum", 0 < targets < link.quorum, f"at most {targets}, the number of targets with a vote"),
        ("link.confirm_interval", link.confirm_interval > link.check_interval, longest),
        ("link.offline_interval", link.offline_interval < link.check_interval, "at least link.check_interval"),
        ("recovery.backoff.first", recovery.backoff_first > recovery.backoff_max, "at most recovery.backoff.max"),
        ("link.damping.reuse", damping.reuse >= damping.suppress, "below link.damping.suppress"),
        ("link.damping.suppress", damping.suppress > damping.ceiling, "at most link.damping.ceiling"),
    ]
    named = {one.key for one in overrides}
    for key, broken, limit in rules:
        if broken and named & {key, *_BESIDE.get(key, ())}:
            raise _refuse(option, key, f"must be {limit}", f"write {limit}")


def value_in(plan: Plan, key: str) -> str:
    """What ``plan`` has for the setting, as YAML."""
    return str(_find(key).type.write(_get(plan, key)))


def as_yaml(overrides: Overrides) -> str:
    """The settings as one line of a configuration for each section: ``link: {fall: 4, hold: 20s}``."""
    lines = []
    for section in _SECTIONS:
        tree: dict[str, Any] = {}
        for one in overrides:
            names = one.key.split(".")
            if names[0] != section:
                continue
            below = tree
            for name in names[1:-1]:
                below = below.setdefault(name, {})
            below[names[-1]] = one.text
        if tree:
            lines.append(f"{section}: {_write_tree(tree)}")
    return "\n".join(lines)


def changeable_keys() -> list[str]:
    """Every setting that can be asked about."""
    return [path for section in _SECTIONS for path in _paths(ROOT.find(section).type, section)]


def _write_tree(tree: Mapping[str, Any]) -> str:
    pairs = (f"{name}: {_write_tree(one) if isinstance(one, dict) else one}" for name, one in tree.items())
    return f"{{{', '.join(pairs)}}}"


def _paths(table: Any, prefix: str) -> Iterator[str]:
    for name, key in table.keys.items():
        path = f"{prefix}.{name}"
        if path in _MEASURING:
            continue
        if isinstance(key.type, KeyTable):
            yield from _paths(key.type, path)
        else:
            yield path


def _find(path: str) -> Key:
    key = ROOT.find(path)
    if path not in changeable_keys():
        raise KeyError(path)
    return key


def _read(word: str, problems: Problems) -> Override | None:
    path, equals, text = word.partition("=")
    path = path.strip()
    key = _find_key(path, problems, equals=bool(equals))
    return None if key is None else _read_value(path, key, text.strip(), problems)


def _find_key(path: str, problems: Problems, *, equals: bool) -> Key | None:
    known = changeable_keys()
    if path in known:
        if not equals:
            problems.add("has no value", line=None, key=path, remedy=f"write {path}=VALUE")
            return None
        return _find(path)
    if any(path == one or path.startswith(f"{one}.") for one in _MEASURING):
        remedy = "ask about another setting"
        problems.add("cannot be asked about: the record has no such rounds", line=None, key=path, remedy=remedy)
        return None
    meant = find_nearest(path, known) or find_nearest(f"link.{path}", known) or find_nearest(f"recovery.{path}", known)
    remedy = f"did you mean {meant}?" if meant else f"the keys are {', '.join(known)}"
    problems.add("unknown key", line=None, key=path or '""', remedy=remedy)
    return None


def _read_value(path: str, key: Key, text: str, problems: Problems) -> Override | None:
    inner = Problems(problems.file)
    try:
        node = parse_yaml(text, inner) if text else None
    except ConfigurationError:
        node = None
    if node is None:
        problems.add("has no value", line=None, key=path, value=text or None, remedy=f"write {path}=VALUE")
        return None
    try:
        value = key.type.read(Value(inner, path, node))
    except Rejected:
        for one in inner.found:
            problems.add(one.message, line=None, key=one.key, value=one.value, remedy=one.remedy)
        return None
    return Override(path, value, key.type.write(value))


def _read_axis(word: str, problems: Problems) -> list[Override]:
    path, _, text = word.partition("=")
    path, text = path.strip(), text.strip()
    if ".." not in text or text.startswith("{"):
        found = [_read(f"{path}={one}", problems) for one in text.split("|")]
        return [one for one in found if one is not None]
    low_text, _, rest = text.partition("..")
    high_text, _, step_text = rest.partition(":")
    low, high = _read(f"{path}={low_text}", problems), _read(f"{path}={high_text}", problems)
    if low is None or high is None:
        return []
    key = _find(path)
    step = _read_step(path, key, step_text.strip(), problems)
    if step is None:
        return []
    if high.value < low.value:
        problems.add("ends before it begins", line=None, key=path, value=text, remedy="write the lower end first")
        return []
    steps = (high.value - low.value) / step  # inf: the step is too small for a float
    if steps >= MOST_COMBINATIONS:
        told = f"has {int(steps) + 1} values" if isfinite(steps) else "has too many values"
        problems.add(told, line=None, key=path, value=text, remedy="write a longer step")
        return []
    count = int(steps + 1e-9) + 1
    kind: Callable[[float], Any] = int if isinstance(key.type, WholeNumber) else lambda value: round(value, 6)
    values = [kind(low.value + number * step) for number in range(count)]
    return [Override(path, value, key.type.write(value)) for value in values]


def _read_step(path: str, key: Key, text: str, problems: Problems) -> float | None:
    if not isinstance(key.type, WholeNumber | Number | Duration):
        remedy = f"write {path}=A|B"
        problems.add("has no range: its values are not numbers", line=None, key=path, remedy=remedy)
        return None
    if not text and isinstance(key.type, WholeNumber):
        return 1
    try:
        step = parse_duration(text) if isinstance(key.type, Duration) else float(text)
    except ValueError:
        step = 0.0
    if not 0 < step < inf or (isinstance(key.type, WholeNumber) and not step.is_integer()):
        remedy = f"write the step behind a colon: {path}=0s..60s:10s"
        problems.add("has no step that can be used", line=None, key=path, value=text or None, remedy=remedy)
        return None
    return step


def _apply(plan: Plan, one: Override) -> Plan:
    names = one.key.split(".")
    if one.key == "recovery.when":
        occasion: Occasion = one.value
        return replace(plan, recovery=replace(plan.recovery, **occasion._asdict()))
    if names[:2] == ["link", "damping"]:
        damping = replace(plan.link.damping, **{names[2]: one.value})
        return replace(plan, link=replace(plan.link, damping=damping))
    field = _RENAMED.get(one.key, names[-1])
    section = getattr(plan, names[0])
    return replace(plan, **{names[0]: replace(section, **{field: one.value})})


def _get(plan: Plan, key: str) -> Any:
    names = key.split(".")
    if key == "recovery.when":
        return Occasion(plan.recovery.when, plan.recovery.outage_longer_than)
    if names[:2] == ["link", "damping"]:
        return getattr(plan.link.damping, names[2])
    return getattr(getattr(plan, names[0]), _RENAMED.get(key, names[-1]))


def _fit(plan: Plan, named: set[str]) -> Plan:
    """What is not named gives way to what is, as the defaults of a file do."""
    link = plan.link
    if "link.check_interval" in named:
        if "link.confirm_interval" not in named:
            link = replace(link, confirm_interval=min(link.confirm_interval, link.check_interval))
        if "link.offline_interval" not in named:
            link = replace(link, offline_interval=max(link.offline_interval, link.check_interval))
    recovery = plan.recovery
    if "recovery.backoff.first" in named and "recovery.backoff.max" not in named:
        recovery = replace(recovery, backoff_max=max(recovery.backoff_first, recovery.backoff_max))
    if "recovery.backoff.max" in named and "recovery.backoff.first" not in named:
        recovery = replace(recovery, backoff_first=min(recovery.backoff_first, recovery.backoff_max))
    return plan if link is plan.link and recovery is plan.recovery else replace(plan, link=link, recovery=recovery)


def _refuse(option: str, key: str, message: str, remedy: str) -> ConfigurationError:
    return ConfigurationError([Problem(option, None, key, message, None, remedy)])

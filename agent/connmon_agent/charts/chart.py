"""A statechart as frozen values, read from plain data: dictionaries, lists and text, as YAML or JSON give them.

``read_chart`` judges the form alone; whether the chart makes sense is judged by ``checks``, its promises by ``proofs``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from ..errors import ConfigurationError, Problem
from .forms import Form, Mistake, Path

EVERY_STATE = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One transition from one source. A transition with several sources becomes several rules.

    It fires when every guard of ``conditions`` is true and every guard of ``unless`` false; then the actions of
    ``after`` run in order. ``index`` is the transition's place in the file, from 0.
    """

    trigger: str
    source: str
    dest: str
    conditions: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    reason: str = ""
    index: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Declared:
    """What a chart declares about an action: the class of its effect, its budget. See ``vocabulary.Action``."""

    effect: str | None = None
    charges: str | None = None
    repeats: str | None = None

    def __str__(self) -> str:
        parts = {"effect": self.effect, "charges": self.charges, "repeats": self.repeats}
        return "{" + ", ".join(f"{name}: {value}" for name, value in parts.items() if value is not None) + "}"


@dataclass(frozen=True, slots=True)
class ChartBudget:
    """How often charging actions may run between two returns of the budget.

    ``limit`` names the setting with the number, ``left`` the guard that is true while something is left,
    ``returned_by`` the actions that make the budget full again, ``refunded_by`` those that take one charge back.
    """

    limit: str
    left: str
    returned_by: tuple[str, ...]
    refunded_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Timer:
    """A deadline: the actions that arm it, and the event that comes when it has passed."""

    armed_by: tuple[str, ...]
    event: str


@dataclass(frozen=True, slots=True)
class Reach:
    """From each of ``sources`` (or ``*``, every state) there is a way to ``to``, however much budget is spent."""

    sources: tuple[str, ...]
    to: str
    index: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class OnlyInto:
    """Every transition that runs ``action`` leads to ``dest``."""

    action: str
    dest: str
    index: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Requires:
    """Every transition that runs ``action`` has a condition that implies the fact ``implies``."""

    action: str
    implies: str
    index: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Bounded:
    """``action`` runs at most as often as ``budget`` allows between two returns of it."""

    action: str
    budget: str
    index: int = field(default=0, compare=False)


Property = Reach | OnlyInto | Requires | Bounded


@dataclass(frozen=True, slots=True)
class Chart:
    """A statechart.

    ``text`` is its canonical JSON: charts of one meaning have one text, whatever their file looks like, and the text
    can be read back by ``chart_from_data``. ``sha256`` is the text's hexadecimal digest.
    """

    name: str
    summary: str
    initial: str
    states: Mapping[str, str]  # name: description
    events: Mapping[str, str]  # name: description
    actions: Mapping[str, Declared]
    budgets: Mapping[str, ChartBudget]
    timers: Mapping[str, Timer]
    transitions: tuple[Rule, ...]
    properties: tuple[Property, ...]
    text: str = field(default="", init=False, repr=False)
    sha256: str = field(default="", init=False, repr=False)
    _table: Mapping[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        table: dict[tuple[str, str], tuple[Rule, ...]] = {}
        for rule in self.transitions:
            table[rule.source, rule.trigger] = (*table.get((rule.source, rule.trigger), ()), rule)
        text = _write_text(self)
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "sha256", sha256(text.encode()).hexdigest())
        object.__setattr__(self, "_table", table)

    def rules_for(self, state: str, trigger: str) -> tuple[Rule, ...]:
        """The rules that ``trigger`` may fire in ``state``, in the file's order; empty when there is none."""
        return self._table.get((state, trigger), ())

    def first_rules(self) -> list[Rule]:
        """One rule of each transition of the file, for what does not depend on the source."""
        return list({rule.index: rule for rule in reversed(self.transitions)}.values())[::-1]


def chart_from_data(data: object) -> Chart:
    """The chart in ``data``. Raises ConfigurationError with every mistake of form; it does not judge the meaning."""
    chart, mistakes = read_chart(data)
    if mistakes:
        raise ConfigurationError(
            [Problem(f"chart {chart.name}", None, m.key, m.message, m.value, m.remedy) for m in mistakes]
        )
    return chart


def read_chart(data: object) -> tuple[Chart, list[Mistake]]:
    """What can be read of ``data``, and the mistakes of form in it: with any, the chart holds what was readable."""
    form = _ChartForm()
    top = form.table(data, (), required=_REQUIRED, optional=_OPTIONAL)
    states = form.descriptions(top.get("states"), ("states",))
    chart = Chart(
        name=form.name(top.get("chart"), ("chart",)),
        summary=form.text(top.get("summary"), ("summary",)),
        initial=form.name(top.get("initial"), ("initial",)),
        states=states,
        events=form.descriptions(top.get("events"), ("events",)),
        actions={name: form.declared(entry, path) for name, entry, path in form.entries(top, "actions")},
        budgets={name: form.budget(entry, path) for name, entry, path in form.entries(top, "budgets")},
        timers={name: form.timer(entry, path) for name, entry, path in form.entries(top, "timers")},
        transitions=tuple(
            rule for index, entry in form.items(top, "transitions") for rule in form.rules(entry, index, states)
        ),
        properties=tuple(
            promise for index, entry in form.items(top, "properties") if (promise := form.property(entry, index))
        ),
    )
    return chart, form.mistakes


_REQUIRED = ("chart", "summary", "initial", "states", "events", "transitions")
_OPTIONAL = ("actions", "budgets", "timers", "properties")
_PROPERTIES = {
    "reach": ("from", "to"),
    "only_into": ("action", "dest"),
    "requires": ("action", "implies"),
    "bounded": ("action", "budget"),
}


class _ChartForm(Form):
    """The parts of a chart."""

    def declared(self, data: object, path: Path) -> Declared:
        entry = self.table(data, path, optional=("effect", "charges", "repeats"))
        return Declared(**{key: self.name(value, (*path, key)) for key, value in entry.items()})

    def budget(self, data: object, path: Path) -> ChartBudget:
        entry = self.table(data, path, required=("limit", "left", "returned_by"), optional=("refunded_by",))
        return ChartBudget(
            limit=self.name(entry.get("limit"), (*path, "limit")),
            left=self.name(entry.get("left"), (*path, "left")),
            returned_by=self.names(entry.get("returned_by"), (*path, "returned_by")),
            refunded_by=self.names(entry.get("refunded_by"), (*path, "refunded_by")),
        )

    def timer(self, data: object, path: Path) -> Timer:
        entry = self.table(data, path, required=("armed_by", "event"))
        return Timer(
            armed_by=self.names(entry.get("armed_by"), (*path, "armed_by")),
            event=self.name(entry.get("event"), (*path, "event")),
        )

    def rules(self, data: object, index: int, states: Mapping[str, str]) -> list[Rule]:
        path: Path = ("transitions", index)
        entry = self.table(
            data, path, required=("trigger", "source", "dest", "reason"), optional=("conditions", "unless", "after")
        )
        sources = self.sources(entry.get("source"), (*path, "source"))
        rule = Rule(
            trigger=self.name(entry.get("trigger"), (*path, "trigger")),
            source=EVERY_STATE,
            dest=self.name(entry.get("dest"), (*path, "dest")),
            conditions=self.names(entry.get("conditions"), (*path, "conditions")),
            unless=self.names(entry.get("unless"), (*path, "unless")),
            after=self.names(entry.get("after"), (*path, "after")),
            reason=self.text(entry.get("reason"), (*path, "reason")),
            index=index,
        )
        return [replace(rule, source=source) for source in (states if sources == (EVERY_STATE,) else sources)]

    def sources(self, data: object, path: Path) -> tuple[str, ...]:
        return (EVERY_STATE,) if data in (EVERY_STATE, [EVERY_STATE]) else self.names(data, path)

    def property(self, data: object, index: int) -> Property | None:
        path: Path = ("properties", index)
        if not isinstance(data, Mapping) or len(data) != 1 or not set(data) <= set(_PROPERTIES):
            self.report(path, "is not a property", data, f"a property is one of {', '.join(_PROPERTIES)}")
            return None
        kind = next(iter(data))
        first, second = _PROPERTIES[kind]
        path = (*path, kind)
        entry = self.table(data[kind], path, required=(first, second))
        one, other = (entry.get(first), (*path, first)), (entry.get(second), (*path, second))
        match kind:
            case "reach":
                return Reach(self.sources(*one), self.name(*other), index)
            case "requires":
                return Requires(self.name(*one), self.text(*other), index)
            case "only_into":
                return OnlyInto(self.name(*one), self.name(*other), index)
            case _:
                return Bounded(self.name(*one), self.name(*other), index)


def _write_text(chart: Chart) -> str:
    """The canonical JSON: keys sorted, no spaces, one source a transition, nothing that is empty."""
    data = {
        "chart": chart.name,
        "summary": chart.summary,
        "initial": chart.initial,
        "states": chart.states,
        "events": chart.events,
        "actions": {name: _without_empty(declared) for name, declared in chart.actions.items()},
        "budgets": {name: _without_empty(budget) for name, budget in chart.budgets.items()},
        "timers": {name: _without_empty(timer) for name, timer in chart.timers.items()},
        "transitions": [_without_empty(rule) for rule in chart.transitions],
        "properties": [_write_property(promise) for promise in chart.properties],
    }
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _without_empty(value: Declared | ChartBudget | Timer | Rule) -> dict[str, object]:
    fields = {name: getattr(value, name) for name in value.__slots__ if name != "index"}
    return {name: content for name, content in fields.items() if content not in (None, ())}


def _write_property(promise: Property) -> dict[str, dict[str, object]]:
    match promise:
        case Reach(sources, to):
            return {"reach": {"from": list(sources), "to": to}}
        case OnlyInto(action, dest):
            return {"only_into": {"action": action, "dest": dest}}
        case Requires(action, implies):
            return {"requires": {"action": action, "implies": implies}}
        case Bounded(action, budget):
            return {"bounded": {"action": action, "budget": budget}}

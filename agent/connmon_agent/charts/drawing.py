"""Statecharts drawn as text: Mermaid for a README, DOT for Graphviz, plain lines for a terminal or a phone."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping

from .chart import EVERY_STATE, Bounded, Chart, OnlyInto, Property, Reach, Requires, Rule

WIDTH = 80  # columns of the plain listing
HIGHLIGHT = "#ffd54f"  # amber: readable under black text on light and dark pages


def draw(chart: Chart, format: str, *, current: str | None = None) -> str:
    """``chart`` as ``mermaid``, ``dot`` or ``text``, ending with a newline; ``current`` is the state to mark.

    Raises KeyError for another format, and ValueError for a state that the chart does not have.
    """
    if current is not None and current not in chart.states:
        raise ValueError(f"chart {chart.name} has no state {current}")
    return "\n".join(DRAWERS[format](chart, current)) + "\n"


def _draw_mermaid(chart: Chart, current: str | None) -> Iterator[str]:
    yield "stateDiagram-v2"
    yield f"    %% {chart.name}: {' '.join(chart.summary.split())}"
    yield f"    [*] --> {chart.initial}"
    for (source, dest), rules in _edges(chart).items():
        yield f"    {source} --> {dest} : {'<br/>'.join(map(_label, rules))}"
    if current is not None:
        yield f"    classDef current fill:{HIGHLIGHT},color:black,stroke-width:3px"
        yield f"    class {current} current"


def _draw_dot(chart: Chart, current: str | None) -> Iterator[str]:
    yield f"digraph {_quote(chart.name)} {{"
    yield f"    label={_quote(chart.summary)}; labelloc=t; fontname=sans;"
    yield "    node [shape=box, style=rounded, fontname=sans];"
    yield "    edge [fontname=sans, fontsize=10];"
    yield '    "*" [shape=point, width=0.15];'
    for state, meaning in chart.states.items():
        mark = f', style="rounded,filled,bold", fillcolor="{HIGHLIGHT}"' if state == current else ""
        yield f"    {_quote(state)} [tooltip={_quote(meaning)}{mark}];"
    yield f'    "*" -> {_quote(chart.initial)};'
    for (source, dest), rules in _edges(chart).items():
        # \l ends a line that is set flush left: long labels stay readable beside their edge.
        label = "".join(_escape(_label(rule)) + r"\l" for rule in rules)
        yield f'    {_quote(source)} -> {_quote(dest)} [label="{label}"];'
    yield "}"


def _draw_text(chart: Chart, current: str | None) -> Iterator[str]:
    yield from _fold(f"{chart.name}: {chart.summary}")
    yield f"starts in {chart.initial}"
    for state, meaning in chart.states.items():
        yield ""
        yield from _fold(f"{'> ' if state == current else ''}{state}  {meaning}", hang="    ")
        for rule in (rule for rule in chart.transitions if rule.source == state):
            yield from _list_rule(rule)
    closing = [*_list_budgets(chart), *_list_timers(chart), *map(_list_property, chart.properties)]
    if closing:
        yield ""
        for line in closing:
            yield from _fold(line, hang="    ")


def _list_rule(rule: Rule) -> Iterator[str]:
    leads = "stays" if rule.dest == rule.source else f"-> {rule.dest}"
    yield from _fold(f"{rule.trigger} {leads}", indent="  ")
    guards = _guards(rule, joint=", ")
    if guards:
        yield from _fold(f"if {guards}", indent="      ")
    if rule.after:
        yield from _fold(f"do {', '.join(rule.after)}", indent="      ")
    yield from _fold(f'"{rule.reason}"', indent="      ")


def _list_budgets(chart: Chart) -> Iterator[str]:
    for name, budget in chart.budgets.items():
        spenders = [action for action, declared in chart.actions.items() if declared.charges == name]
        yield (
            f"budget {name}: at most {budget.limit}, charged by {_join(spenders)}, "
            f"guarded by {budget.left}, reset by {_join(budget.returned_by)}"
        )


def _list_timers(chart: Chart) -> Iterator[str]:
    for name, timer in chart.timers.items():
        yield f"timer {name}: started by {_join(timer.armed_by)}, fires {timer.event}"


def _list_property(promise: Property) -> str:
    match promise:
        case Reach(sources, to):
            places = "every state" if EVERY_STATE in sources else _join(sources)
            return f"proved: {to} is reachable from {places}, whatever the budgets"
        case OnlyInto(action, dest):
            return f"proved: {action} only enters {dest}"
        case Requires(action, implies):
            return f"proved: {action} only while {implies}"
        case Bounded(action, budget):
            return f"proved: {action} never more often than the budget {budget} allows"


def _edges(chart: Chart) -> Mapping[tuple[str, str], list[Rule]]:
    """The rules of each pair of states: one edge a pair, because parallel edges and loops are drawn over each other."""
    edges: dict[tuple[str, str], list[Rule]] = {}
    for rule in chart.transitions:
        edges.setdefault((rule.source, rule.dest), []).append(rule)
    return edges


def _label(rule: Rule) -> str:
    """The label in UML's notation: ``trigger [guards] / actions``."""
    guards = _guards(rule, joint=" and ")
    return rule.trigger + (f" [{guards}]" if guards else "") + (f" / {', '.join(rule.after)}" if rule.after else "")


def _guards(rule: Rule, *, joint: str) -> str:
    return joint.join([*rule.conditions, *(f"not {name}" for name in rule.unless)])


def _join(names: Iterable[str]) -> str:
    return " or ".join(names)


def _fold(text: str, *, indent: str = "", hang: str = "  ") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + hang, break_on_hyphens=False)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _quote(text: str) -> str:
    return f'"{_escape(text)}"'


DRAWERS: Mapping[str, Callable[[Chart, str | None], Iterator[str]]] = {
    "text": _draw_text,
    "mermaid": _draw_mermaid,
    "dot": _draw_dot,
}

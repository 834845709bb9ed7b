"""The promises of a chart, proved by visiting every state it can be in, together with how much of a budget is spent.

A guard that asks for what is left of a budget is decided by the counter; every other guard may be true or false at
any time, except that guards of one group exclude each other. A promise that does not hold comes with a way that
breaks it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .chart import EVERY_STATE, Bounded, Chart, OnlyInto, Property, Reach, Requires, Rule
from .forms import Mistake, Path, suggest
from .vocabulary import Vocabulary

# A larger budget only repeats what a budget of three can do: begin, go on, end.
LIMITS = (1, 2, 3)

Node = tuple[str, int]  # a state, and how much of the budget is spent
Paths = Mapping[Node, tuple[Node, Rule] | None]  # how each node is reached first; None: the walk begins there


@dataclass(frozen=True, slots=True)
class Product:
    """A chart together with the counter of one budget (``budget`` None: the bare graph)."""

    chart: Chart
    vocabulary: Vocabulary[Any]
    budget: str | None = None
    limit: int = 0

    def can_fire(self, rule: Rule, spent: int) -> bool:
        """Whether some answers of the guards let ``rule`` fire with ``spent`` of the budget."""
        if self.budget is None:
            return not self.vocabulary.contradict(rule.conditions, rule.unless)
        left = self.chart.budgets[self.budget].left
        if spent < self.limit:
            return not self.vocabulary.contradict({*rule.conditions, left}, rule.unless)
        return not self.vocabulary.contradict(rule.conditions, {*rule.unless, left})

    def count(self, rule: Rule, spent: int) -> list[int]:
        """How much is spent before the actions of ``rule`` and after each of them, beyond the limit too."""
        counts = [spent]
        if self.budget is None:
            return counts
        for name in rule.after:
            action = self.vocabulary.actions.get(name)
            if name in self.chart.budgets[self.budget].returned_by:
                counts.append(0)
            elif name in self.chart.budgets[self.budget].refunded_by:
                counts.append(max(0, counts[-1] - 1))
            elif action is not None and action.charges == self.budget:
                counts.append(counts[-1] + 1)
        return counts

    def steps(self, node: Node) -> Iterator[tuple[Node, Rule]]:
        """Every step out of ``node``."""
        state, spent = node
        for rule in self.chart.transitions:
            if rule.source == state and self.can_fire(rule, spent):
                yield (rule.dest, min(self.count(rule, spent)[-1], self.limit)), rule

    def walk(self, *starts: Node) -> Paths:
        """Every node that can be reached from ``starts``, shortest ways first."""
        paths: dict[Node, tuple[Node, Rule] | None] = dict.fromkeys(starts)
        queue = deque(starts)
        while queue:
            node = queue.popleft()
            for following, rule in self.steps(node):
                if following not in paths:
                    paths[following] = (node, rule)
                    queue.append(following)
        return paths

    def spent_in_words(self, spent: int) -> str:
        """``with 1 of 3 restarts spent``, or nothing for the bare graph."""
        return f" with {spent} of {self.limit} {self.budget} spent" if self.budget is not None else ""


def tell_path(paths: Paths, node: Node) -> str:
    """The first way to ``node`` in words: ``UNKNOWN -inspected-> READY``."""
    steps: list[str] = []
    while (path := paths[node]) is not None:
        before, rule = path
        steps.append(f" -{rule.trigger}-> {rule.dest}")
        node = before
    return node[0] + "".join(reversed(steps))


def products_of(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Product]:
    """The bare graph, then the chart with the counter of each budget, for each of ``LIMITS``."""
    yield Product(chart, vocabulary)
    for budget in chart.budgets:
        for limit in LIMITS:
            yield Product(chart, vocabulary, budget, limit)


def find_broken_promises(chart: Chart, vocabulary: Vocabulary[Any]) -> list[Mistake]:
    """Every declared property that names something unknown or does not hold, each with a way that breaks it."""
    return [mistake for promise in chart.properties for mistake in _judge(promise, chart, vocabulary)]


def _judge(promise: Property, chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    unknown = list(_find_unknown_names(promise, chart))
    if unknown:
        yield from unknown
        return
    match promise:
        case Reach():
            broken = _break_reach(promise, chart, vocabulary)
        case OnlyInto():
            broken = _break_only_into(promise, chart)
        case Requires():
            broken = _break_requires(promise, chart, vocabulary)
        case Bounded():
            broken = _break_bounded(promise, chart, vocabulary)
    if broken is not None:
        yield Mistake(_path(promise), f"does not hold: {broken}")


_KINDS: Mapping[type[Property], str] = {
    Reach: "reach",
    OnlyInto: "only_into",
    Requires: "requires",
    Bounded: "bounded",
}


def _path(promise: Property, *steps: str) -> Path:
    return ("properties", promise.index, _KINDS[type(promise)], *steps)


def _find_unknown_names(promise: Property, chart: Chart) -> Iterator[Mistake]:
    if isinstance(promise, Reach):
        named = [("from", source, chart.states) for source in promise.sources if source != EVERY_STATE]
        yield from _expect(promise, "state", [*named, ("to", promise.to, chart.states)])
        return
    run = {action for rule in chart.transitions for action in rule.after}
    if promise.action not in run:
        yield Mistake(_path(promise, "action"), "no transition runs it", promise.action, suggest(promise.action, run))
    if isinstance(promise, OnlyInto):
        yield from _expect(promise, "state", [("dest", promise.dest, chart.states)])
    if isinstance(promise, Bounded):
        yield from _expect(promise, "budget", [("budget", promise.budget, chart.budgets)])


def _expect(promise: Property, what: str, named: list[tuple[str, str, Mapping[str, object]]]) -> Iterator[Mistake]:
    for key, name, known in named:
        if name not in known:
            yield Mistake(_path(promise, key), f"there is no such {what}", name, suggest(name, known))


def _break_reach(promise: Reach, chart: Chart, vocabulary: Vocabulary[Any]) -> str | None:
    sources = tuple(chart.states) if EVERY_STATE in promise.sources else promise.sources
    for product in products_of(chart, vocabulary):
        paths = product.walk((chart.initial, 0))
        reaching = _find_reaching(product, paths, promise.to)
        for node in paths:
            if node[0] in sources and node not in reaching:
                place = f"in {node[0]}{product.spent_in_words(node[1])}"
                return f"{promise.to} cannot be reached any more {place} ({tell_path(paths, node)})"
    return None


def _find_reaching(product: Product, nodes: Iterable[Node], dest: str) -> set[Node]:
    """Those of ``nodes`` from which ``dest`` can be reached, found backwards from it."""
    following = {node: {after for after, _ in product.steps(node)} for node in nodes}
    reaching = {node for node in following if node[0] == dest}
    while more := {node for node in following if node not in reaching and not following[node].isdisjoint(reaching)}:
        reaching |= more
    return reaching


def _break_only_into(promise: OnlyInto, chart: Chart) -> str | None:
    return _find_rule(
        chart, promise.action, lambda rule: rule.dest != promise.dest, "{step} runs {action} and leads elsewhere"
    )


def _break_requires(promise: Requires, chart: Chart, vocabulary: Vocabulary[Any]) -> str | None:
    implying = {name for name, guard in vocabulary.guards.items() if promise.implies in guard.implies}
    if not implying:
        return f"no guard implies {promise.implies}"
    wording = "{step} runs {action} without any of the conditions " + ", ".join(sorted(implying))
    return _find_rule(chart, promise.action, lambda rule: implying.isdisjoint(rule.conditions), wording)


def _find_rule(chart: Chart, action: str, breaks: Callable[[Rule], bool], wording: str) -> str | None:
    """The first rule that runs ``action`` and ``breaks`` the promise, told in ``wording``."""
    for rule in chart.transitions:
        if action in rule.after and breaks(rule):
            return wording.format(step=f"{rule.source} -{rule.trigger}-> {rule.dest}", action=action)
    return None


def _break_bounded(promise: Bounded, chart: Chart, vocabulary: Vocabulary[Any]) -> str | None:
    action = vocabulary.actions.get(promise.action)
    if action is None or action.charges != promise.budget:
        return f"{promise.action} does not charge {promise.budget}"
    for limit in LIMITS:
        product = Product(chart, vocabulary, promise.budget, limit)
        paths = product.walk((chart.initial, 0))
        for node in paths:
            for rule in chart.transitions:
                if rule.source != node[0] or promise.action not in rule.after or not product.can_fire(rule, node[1]):
                    continue
                if max(product.count(rule, node[1])) > limit:
                    path = f"{tell_path(paths, node)} -{rule.trigger}-> {rule.dest}"
                    return (
                        f"{promise.action} runs once more when {limit} of {limit} {promise.budget} are spent ({path})"
                    )
    return None

"""The judgement on a chart: every mistake that would make a machine go wrong later, found before it runs.

``transitions`` itself accepts all of these silently, or notices them only when the event comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from string import Formatter
from typing import Any

from .chart import Chart, ChartBudget, Declared, Rule, read_chart
from .forms import Mistake, Path, suggest
from .proofs import Product, find_broken_promises, tell_path
from .vocabulary import OWN_SOCKET, Vocabulary


def judge_data(data: object, vocabulary: Vocabulary[Any]) -> tuple[Chart, list[Mistake]]:
    """The chart in ``data`` and every mistake in it, of form and of meaning. With any, the chart must not be used.

    While the form is wrong only names are judged: what is missing may stand in a part that could not be read.
    """
    chart, mistakes = read_chart(data)
    if mistakes:
        return chart, [*mistakes, *find_unknown_names(chart, vocabulary)]
    return chart, find_mistakes(chart, vocabulary)


def find_mistakes(chart: Chart, vocabulary: Vocabulary[Any]) -> list[Mistake]:
    """Every mistake in a ``chart`` of right form; none means that it can be run and that its properties are proved.

    What follows from a wrong name is not told twice: while states are unknown, ways through the chart are not judged.
    """
    mistakes = [
        *find_unknown_names(chart, vocabulary),
        *_find_unused_events(chart),
        *_find_action_mistakes(chart, vocabulary),
        *_find_budget_mistakes(chart, vocabulary),
        *_find_timer_mistakes(chart),
        *_find_idle_transitions(chart, vocabulary),
        *_find_rivals(chart, vocabulary),
    ]
    if not any(_find_unknown_states(chart)):
        mistakes += _find_dead_states(chart, vocabulary)
        mistakes += _find_unpaid_cycles(chart, vocabulary)
        mistakes += find_broken_promises(chart, vocabulary)
    return mistakes


def find_unknown_names(chart: Chart, vocabulary: Vocabulary[Any]) -> list[Mistake]:
    """The states, events, guards, actions and fields of transitions that nobody declared."""
    return [
        *_find_unknown_states(chart),
        *_find_unknown_events(chart),
        *_find_unknown_words(chart, vocabulary),
        *_find_reason_mistakes(chart, vocabulary),
    ]


def _at(rule: Rule, *steps: str | int) -> Path:
    return ("transitions", rule.index, *steps)


def _expect(path: Path, name: str, known: Iterable[str], message: str, remedy: str) -> Iterator[Mistake]:
    if name and name not in known:  # what could not be read is empty, and was reported
        yield Mistake(path, message, name, suggest(name, known, otherwise=remedy))


def _expect_each(
    path: Path, names: Iterable[str], known: Iterable[str], message: str, remedy: str
) -> Iterator[Mistake]:
    for place, name in enumerate(names):
        yield from _expect((*path, place), name, known, message, remedy)


def _find_unknown_states(chart: Chart) -> Iterator[Mistake]:
    if not chart.states:  # they could not be read, which was reported
        return
    message, remedy = "there is no such state", "declare it in states"
    yield from _expect(("initial",), chart.initial, chart.states, message, remedy)
    for rule in chart.transitions:
        yield from _expect(_at(rule, "source"), rule.source, chart.states, message, remedy)
    for rule in chart.first_rules():
        yield from _expect(_at(rule, "dest"), rule.dest, chart.states, message, remedy)


def _find_unknown_events(chart: Chart) -> Iterator[Mistake]:
    if not chart.events:
        return
    message, remedy = "there is no such event", "declare it in events"
    for rule in chart.first_rules():
        yield from _expect(_at(rule, "trigger"), rule.trigger, chart.events, message, remedy)


def _find_unused_events(chart: Chart) -> Iterator[Mistake]:
    used = {rule.trigger for rule in chart.transitions} | {timer.event for timer in chart.timers.values()}
    for event in chart.events:
        if event not in used:
            yield Mistake(("events", event), "no transition is triggered by it", remedy="remove it or use it")


def _find_unknown_words(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    guards, actions = "there is no such guard", "there is no such action"
    remedy = "only names of the agent's vocabulary can be used"
    for rule in chart.first_rules():
        yield from _expect_each(_at(rule, "conditions"), rule.conditions, vocabulary.guards, guards, remedy)
        yield from _expect_each(_at(rule, "unless"), rule.unless, vocabulary.guards, guards, remedy)
        yield from _expect_each(_at(rule, "after"), rule.after, vocabulary.actions, actions, remedy)


def _find_reason_mistakes(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    known = f"known here: {', '.join(sorted(vocabulary.fields))}"
    for rule in chart.first_rules():
        path = _at(rule, "reason")
        try:
            parts = list(Formatter().parse(rule.reason))
        except ValueError:
            yield Mistake(path, "has a brace without its partner", rule.reason, "write {name} for a field")
            continue
        for _, name, spec, conversion in parts:
            if name is None:
                continue
            if spec or conversion or not name.isidentifier():
                yield Mistake(path, "only a plain {name} can stand between braces", name or "{}", known)
            else:
                yield from _expect(path, name, vocabulary.fields, "there is no such field", known)


def _find_action_mistakes(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    run = {action: rule for rule in reversed(chart.transitions) for action in rule.after}
    for name, rule in run.items():
        registered = _registered(name, vocabulary)
        if registered != Declared() and name not in chart.actions:
            path = _at(rule, "after", rule.after.index(name))
            yield Mistake(path, "is not declared in actions", name, f"write there {name}: {registered}")
    for name, declared in chart.actions.items():
        path = ("actions", name)
        if name not in run:
            yield Mistake(path, "no transition runs it", remedy=suggest(name, run, otherwise="remove it or use it"))
        elif name in vocabulary.actions and declared != (registered := _registered(name, vocabulary)):
            yield Mistake(path, "is not what the agent does", str(declared), f"write {registered}")
        if declared.charges is not None:
            message, remedy = "there is no such budget", "declare it in budgets"
            yield from _expect((*path, "charges"), declared.charges, chart.budgets, message, remedy)
        if declared.repeats is not None:
            paid = [other for other, entry in chart.actions.items() if entry.charges is not None]
            message, remedy = "there is no such action that charges a budget", "declare it in actions"
            yield from _expect((*path, "repeats"), declared.repeats, paid, message, remedy)


def _registered(name: str, vocabulary: Vocabulary[Any]) -> Declared:
    action = vocabulary.actions.get(name)
    return Declared() if action is None else Declared(action.effect, action.charges, action.repeats)


def _find_budget_mistakes(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    asked = {guard for rule in chart.transitions for guard in (*rule.conditions, *rule.unless)}
    run = {action for rule in chart.transitions for action in rule.after}
    charged = {action.charges for name, action in vocabulary.actions.items() if name in run}
    for name, budget in chart.budgets.items():
        path = ("budgets", name)
        if name not in charged:
            yield Mistake(path, "no transition charges it", remedy="remove it or use it")
        remedy = f"one of {', '.join(sorted(vocabulary.limits))}"
        yield from _expect((*path, "limit"), budget.limit, vocabulary.limits, "there is no such setting", remedy)
        remedy = "a transition must ask it before it charges the budget"
        yield from _expect((*path, "left"), budget.left, asked, "no transition asks this guard", remedy)
        remedy = "a budget that never comes back ends in a dead end"
        returned_by = (*path, "returned_by")
        yield from _expect_each(returned_by, budget.returned_by, run, "no transition runs this action", remedy)
        remedy = "remove it or use it"
        refunded_by = (*path, "refunded_by")
        yield from _expect_each(refunded_by, budget.refunded_by, run, "no transition runs this action", remedy)
        yield from _find_hasty_refunds(chart, budget)


def _find_hasty_refunds(chart: Chart, budget: ChartBudget) -> Iterator[Mistake]:
    """A charge that is taken back bounds nothing: a pause must keep what it paid for from being tried again at once."""
    pauses = {action for timer in chart.timers.values() for action in timer.armed_by}
    for rule in chart.first_rules():
        for place, name in enumerate(rule.after):
            if name in budget.refunded_by and pauses.isdisjoint(rule.after):
                remedy = f"let the transition arm a timer ({', '.join(sorted(pauses)) or 'none is declared'})"
                yield Mistake(_at(rule, "after", place), "takes a charge back without a pause", name, remedy)


def _find_timer_mistakes(chart: Chart) -> Iterator[Mistake]:
    run = {action for rule in chart.transitions for action in rule.after}
    used = {rule.trigger for rule in chart.transitions}
    for name, timer in chart.timers.items():
        path = ("timers", name)
        remedy = "a timer must be armed by a transition's action"
        yield from _expect_each((*path, "armed_by"), timer.armed_by, run, "no transition runs this action", remedy)
        remedy = "a timer that is due must lead somewhere"
        yield from _expect((*path, "event"), timer.event, used, "no transition is triggered by it", remedy)


def _find_idle_transitions(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    for rule in chart.first_rules():
        if vocabulary.contradict(rule.conditions, rule.unless):
            remedy = "a guard is asked for both answers, or two guards of one group are asked for"
            yield Mistake(_at(rule), "can never fire", remedy=remedy)


def _find_rivals(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    """Two transitions of one state and trigger that can both fire, each pair told once for all its states."""
    rivals: dict[tuple[int, int], tuple[Rule, list[str]]] = {}
    for rule in chart.transitions:
        for other in chart.rules_for(rule.source, rule.trigger):
            if other.index < rule.index and _can_both_fire(rule, other, vocabulary):
                rivals.setdefault((other.index, rule.index), (rule, []))[1].append(rule.source)
    for (other_index, _), (rule, states) in rivals.items():
        yield Mistake(
            _at(rule),
            f"can fire on {rule.trigger} in {', '.join(states)} together with transitions[{other_index}]",
            remedy="give one a condition that the other has in unless, or both guards of one group",
        )


def _can_both_fire(rule: Rule, other: Rule, vocabulary: Vocabulary[Any]) -> bool:
    """Whether some answers of the guards let both fire. A rule that can never fire is a mistake of its own."""
    if any(vocabulary.contradict(each.conditions, each.unless) for each in (rule, other)):
        return False
    return not vocabulary.contradict({*rule.conditions, *other.conditions}, {*rule.unless, *other.unless})


def _find_dead_states(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    reached = {state for state, _ in Product(chart, vocabulary).walk((chart.initial, 0))}
    left = {rule.source for rule in chart.transitions if rule.dest != rule.source}
    for state in chart.states:
        if state not in reached:
            yield Mistake(
                ("states", state), f"cannot be reached from {chart.initial}", remedy="remove it or lead there"
            )
        if state not in left:
            yield Mistake(("states", state), "is a trap", remedy="every state needs a transition to another one")


def _find_unpaid_cycles(chart: Chart, vocabulary: Vocabulary[Any]) -> Iterator[Mistake]:
    """Effects that can happen again and again without a budget that ends it."""
    graph = Product(chart, vocabulary)
    told: set[Path] = set()
    for rule in chart.transitions:
        unpaid = [name for name in rule.after if _is_unpaid(name, vocabulary)]
        possible = graph.walk((rule.dest, 0)) if unpaid else {}
        for name in unpaid:
            path = _at(rule, "after", rule.after.index(name))
            if path not in told and (rule.source, 0) in possible:
                told.add(path)
                cycle = f"{tell_path(possible, (rule.source, 0))} -{rule.trigger}-> {rule.dest}"
                message = f"has an effect on a cycle and charges no budget ({cycle})"
                yield Mistake(path, message, name, "let it charge a budget")


def _is_unpaid(name: str, vocabulary: Vocabulary[Any]) -> bool:
    action = vocabulary.actions.get(name)
    if action is None or action.effect in (None, OWN_SOCKET) or action.charges is not None:
        return False
    repeated = vocabulary.actions.get(action.repeats) if action.repeats is not None else None
    return repeated is None or repeated.charges is None

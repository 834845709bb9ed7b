"""Which transition of a chart fires. The only door to ``transitions``.

``transitions`` executes; a table read from the same chart says what must come out, and the two are held against each
other at every step. The library accepts charts that are wrong without a word (knowledge: a misspelt destination, two
transitions that can both fire), and a decision of ours must never rest on the order of its lists. A replay, which
executes millions of steps whose outcome is held against the journal anyway, uses the table alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct
from transitions import EventData, Machine

from ..errors import InvariantError
from .chart import Chart, Rule
from .vocabulary import Vocabulary

C = TypeVar("C")
Asked = list[tuple[str, bool]]
Question = tuple[str, Callable[[C], bool], bool]  # a guard's name, how it is asked, and the answer that is wanted


class Choice(Struct, frozen=True):
    """The rule that fires, and every guard that was asked before it was found, with its answer."""

    rule: Rule
    guards: tuple[tuple[str, bool], ...]


class Chooser(Protocol[C]):  # type: ignore[misc]  # the context goes in and out through callables
    """Anything that finds the rule of a chart that fires."""

    chart: Chart

    def choose(self, state: str, trigger: str, context: C) -> Choice | None:
        """The rule that ``trigger`` fires in ``state``; None when no rule of the chart wants to."""


class TableChooser(Generic[C]):
    """Finds the rule in the chart's table, whose guards are looked up once."""

    def __init__(self, chart: Chart, vocabulary: Vocabulary[C]) -> None:
        self.chart = chart
        self._rules: dict[tuple[str, str], list[tuple[Rule, list[Question[C]]]]] = {}
        for rule in chart.transitions:
            questions = [
                (name, vocabulary.guards[name].ask, wanted)
                for names, wanted in ((rule.conditions, True), (rule.unless, False))
                for name in names
            ]
            self._rules.setdefault((rule.source, rule.trigger), []).append((rule, questions))

    def choose(self, state: str, trigger: str, context: C) -> Choice | None:
        asked: Asked = []
        for rule, questions in self._rules.get((state, trigger), ()):
            for name, ask, wanted in questions:
                answer = ask(context)
                asked.append((name, answer))
                if answer is not wanted:
                    break
            else:
                return Choice(rule, tuple(asked))
        return None


class _Subject:
    """The model that ``transitions`` moves: nothing but a state."""

    state: str
    trigger: Callable[..., bool]


class MachineChooser(Generic[C]):
    """Finds the rule by executing the chart with ``transitions``, and proves the result by the table."""

    def __init__(self, chart: Chart, vocabulary: Vocabulary[C]) -> None:
        self.chart = chart
        self._table = TableChooser(chart, vocabulary)
        self._subject = _Subject()
        self._machine = Machine(
            model=self._subject,
            states=list(chart.states),
            initial=chart.initial,
            auto_transitions=False,
            queued=False,
            send_event=True,
            ignore_invalid_triggers=True,
        )
        for rule in chart.transitions:
            self._add(rule, vocabulary)

    def _add(self, rule: Rule, vocabulary: Vocabulary[C]) -> None:
        self._machine.add_transition(
            rule.trigger,
            rule.source,
            rule.dest,
            conditions=[_asker(name, vocabulary.guards[name].ask) for name in rule.conditions],
            unless=[_asker(name, vocabulary.guards[name].ask) for name in rule.unless],
            after=[_recorder(rule)],
        )

    def choose(self, state: str, trigger: str, context: C) -> Choice | None:
        """As Chooser says. Raises InvariantError when ``transitions`` and the table disagree."""
        choice = self._execute(state, trigger, context)
        expected = self._table.choose(state, trigger, context)
        if choice != expected:
            raise InvariantError(
                f"chart {self.chart.name}: {trigger!r} in {state}: transitions chose {choice}, the table {expected}"
            )
        return choice

    def _execute(self, state: str, trigger: str, context: C) -> Choice | None:
        if trigger not in self.chart.events or not self.chart.rules_for(state, trigger):
            return None
        asked: Asked = []
        fired: list[Rule] = []
        self._machine.set_state(state, self._subject)
        self._subject.trigger(trigger, context=context, asked=asked, fired=fired)
        if not fired:
            return None
        if self._subject.state != fired[0].dest:
            raise InvariantError(f"chart {self.chart.name}: {fired[0]} ended in {self._subject.state}")
        return Choice(fired[0], tuple(asked))


def _asker(name: str, ask: Callable[[Any], bool]) -> Callable[[EventData], bool]:
    def asked(event: EventData) -> bool:
        answer = ask(event.kwargs["context"])
        event.kwargs["asked"].append((name, answer))
        return answer

    return asked


def _recorder(rule: Rule) -> Callable[[EventData], None]:
    def record(event: EventData) -> None:
        event.kwargs["fired"].append(rule)

    return record

"""The closed registry of names that a chart may use. Nothing in a chart is ever imported or evaluated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

C = TypeVar("C")

# The class of an effect that touches nothing but a socket of this process: done twice it is done once, it costs no
# budget, and it needs no reading back, for it dies with the process.
OWN_SOCKET = "own-socket"


@dataclass(frozen=True, slots=True)
class Guard(Generic[C]):
    """A question to the context ``C`` of a transition. It changes nothing.

    ``meaning`` is what a yes says, ``negation`` what a no says (empty: the meaning behind "not").
    ``implies`` are facts that hold whenever the answer is yes, written ``subject=value`` ("link=RECOVERING").
    Of the guards of one ``group`` at most one is true at a time (None: in no group).
    """

    name: str
    meaning: str
    ask: Callable[[C], bool]
    implies: frozenset[str] = frozenset()
    group: str | None = None
    negation: str = ""


@dataclass(frozen=True, slots=True)
class Action(Generic[C]):
    """What a transition does to its context ``C``.

    ``effect`` is the class of what it does to the world outside (None: nothing): ``cas-token`` is a compare-and-set
    that carries a token, so that sending it twice is the same as once; the other class is ``OWN_SOCKET``. ``charges``
    names the budget that one run costs (None: none); ``repeats`` the charging action whose request it sends once more,
    at no cost.
    """

    name: str
    meaning: str
    run: Callable[[C], None]
    effect: str | None = None
    charges: str | None = None
    repeats: str | None = None


@dataclass(frozen=True, slots=True)
class Vocabulary(Generic[C]):
    """All that the charts over one context may name.

    ``fields`` are the names allowed between braces in a ``reason``; ``limits`` the settings that may limit a budget.
    """

    guards: Mapping[str, Guard[C]]
    actions: Mapping[str, Action[C]]
    fields: frozenset[str]
    limits: frozenset[str] = frozenset({"max_restart_attempts"})

    def exclude(self, first: str, second: str) -> bool:
        """Whether the guards ``first`` and ``second`` are two of one group, so that never both are true."""
        one, other = self.guards.get(first), self.guards.get(second)
        if one is None or other is None or first == second:
            return False
        return one.group is not None and one.group == other.group

    def contradict(self, required: Iterable[str], forbidden: Iterable[str]) -> bool:
        """Whether it is impossible that every guard of ``required`` is true and every guard of ``forbidden`` false."""
        required = list(required)
        if not set(required).isdisjoint(forbidden):
            return True
        return any(self.exclude(one, other) for place, one in enumerate(required) for other in required[:place])

"""What the server shows, as documents: made by the layer above, which knows the words of every command."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..core.events import Order
from ..errors import ConnmonError

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Wish:
    """Which decisions are asked for. Times in Unix seconds, both included; ``before`` a number; None: no bound.

    ``instance`` is ``link`` or a service's name (None: whatever it is about), ``outage`` the number of one (None: any).
    """

    since: float | None = None
    until: float | None = None
    outage: int | None = None
    instance: str | None = None
    before: int | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class StateView:
    """The state at one instant. ``seq`` is the number of the newest event (0: there is none).

    ``quiet`` is equal for two states that differ only in what every round changes, which ``pulse`` holds. ``trouble``
    is why the state file cannot be read (None: it can); then the rest says nothing.
    """

    document: Document
    seq: int
    quiet: object
    pulse: Document
    trouble: ConnmonError | None = None


class Views(Protocol):
    """All of them read the state file, once, and may take long: they are called in a thread. ``decision`` and
    ``explain`` may wait for another process.

    Each raises StoreError where the file cannot be read, and ConnmonError where what is asked for is not there.
    """

    def state(self) -> StateView:
        """The state now."""

    def decisions(self, wish: Wish) -> Document:
        """Recorded decisions, the newest first."""

    def decision(self, seq: int) -> Document:
        """One decision with all that was asked on the way."""

    def explain(self, what: str) -> Document:
        """Why the link (``now``) or a service is as it is."""

    def outages(self, before: int | None, limit: int) -> Document:
        """The outages, the newest first."""

    def news(self, after: int, limit: int) -> Sequence[tuple[int, Document]] | None:
        """The decisions after number ``after``, oldest first; None: there are more than ``limit`` events since."""


class Orders(Protocol):
    """Passes an operator's order on to the agent."""

    def give(self, order: Order, services: tuple[str, ...]) -> Document:
        """What came of it. Raises ConnmonError."""

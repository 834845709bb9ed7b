"""The port Announcer: keeps what it is called with, and when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class FakeAnnouncer:
    """``calls`` are the method's name, what it was called with (None: nothing), and the time of ``now``."""

    pulse: float | None = None
    now: Callable[[], float] = lambda: 0.0
    calls: list[tuple[str, object, float]] = field(default_factory=list)

    def extend(self, seconds: float) -> None:
        self._note("extend", seconds)

    def ready(self, status: str) -> None:
        self._note("ready", status)

    def status(self, line: str) -> None:
        self._note("status", line)

    def alive(self) -> None:
        self._note("alive")

    def reloading(self) -> None:
        self._note("reloading")

    def reloaded(self, refusal: str | None) -> None:
        self._note("reloaded", refusal)

    def stopping(self) -> None:
        self._note("stopping")

    @property
    def names(self) -> list[str]:
        """The calls in their order, by name."""
        return [name for name, _, _ in self.calls]

    def said(self, name: str) -> list[object]:
        """What the method was called with, call by call."""
        return [what for called, what, _ in self.calls if called == name]

    def times(self, name: str) -> list[float]:
        """When the method was called."""
        return [at for called, _, at in self.calls if called == name]

    def _note(self, name: str, what: object = None) -> None:
        self.calls.append((name, what, self.now()))

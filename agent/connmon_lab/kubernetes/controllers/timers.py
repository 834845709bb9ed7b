"""Things to do later on the event loop's clock: the only time the controllers know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable


class Timers:
    """Named timers; setting one again moves it. Nothing runs before ``start`` or after ``stop``."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[Hashable, tuple[float, Callable[[], None]]] = {}
        self._handles: dict[Hashable, asyncio.TimerHandle] = {}

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Let the timers run on this loop, those that were set before included."""
        self._loop = loop
        waiting, self._waiting = self._waiting, {}
        for name, (seconds, action) in waiting.items():
            self.set(name, seconds, action)

    def stop(self) -> None:
        """Cancel every timer."""
        self._loop = None
        for handle in self._handles.values():
            handle.cancel()
        self._handles.clear()

    def time(self) -> float:
        """Seconds on the loop's clock; 0 before the start."""
        return self._loop.time() if self._loop is not None else 0.0

    def set(self, name: Hashable, seconds: float, action: Callable[[], None]) -> None:
        """Call ``action`` after ``seconds``; a timer of this name is replaced."""
        if self._loop is None:
            self._waiting[name] = (seconds, action)
            return
        self.cancel(name)
        self._handles[name] = self._loop.call_later(max(0.0, seconds), self._fire, name, action)

    def is_set(self, name: Hashable) -> bool:
        """Whether a timer of this name is waiting."""
        return name in self._handles or name in self._waiting

    def cancel(self, name: Hashable) -> None:
        """Forget the timer of this name, if there is one."""
        self._waiting.pop(name, None)
        if handle := self._handles.pop(name, None):
            handle.cancel()

    def _fire(self, name: Hashable, action: Callable[[], None]) -> None:
        self._handles.pop(name, None)
        action()

"""How many lines the log could not take: counted where it happens, and shown by ``status``."""

from __future__ import annotations

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """``count`` lines since the agent's start; ``reason`` of the last one, in words."""

    count: int = 0
    reason: str = ""


class Losses:
    """Counts lines that were dropped. Any thread may call it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._loss = Loss()

    def add(self, reason: str, count: int = 1) -> None:
        """Count lines that were not written, or not kept."""
        with self._guard:
            self._loss = Loss(self._loss.count + count, reason)

    def read(self) -> Loss:
        """All of them so far."""
        return self._loss

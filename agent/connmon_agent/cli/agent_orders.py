"""What a person orders: carried out by the running agent, or recorded for the next one where none runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from ..errors import AlreadyRunning, NotRunning

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

PATIENCE = 30.0  # seconds; an agent that starts listens well before, even on a busy machine
PAUSE = 0.05  # seconds between two attempts


def carry_out(folder: Path, ask: Callable[[], T], record: Callable[[], T]) -> tuple[T, bool]:
    """``ask`` the agent on the state directory ``folder``, or ``record`` the order; its result, and whether one runs.

    Raises what these raise.
    """
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return _carry_out_now(folder, ask, record)
        except (NotRunning, AlreadyRunning):  # an agent that starts or ends just now, or another order
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE)


def _carry_out_now(folder: Path, ask: Callable[[], T], record: Callable[[], T]) -> tuple[T, bool]:
    from ..presence import find_agent  # not for --help

    running = find_agent(folder) is not None
    return (ask if running else record)(), running

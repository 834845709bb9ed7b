"""What `stop` and `restart` ask of the running agent, and how a signal ends it."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..processes import AGAIN, leave

if TYPE_CHECKING:
    from .agent import Agent

GRACE = 2.0  # seconds after the agent's own time to end; only a mistake of ours takes them


class Ending:
    """Ends one agent when it is asked to. ``exit_code`` is the process's, once it has ended in order."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.exit_code = 0

    def end(self, reason: str, *, at_last: int = 1) -> None:
        """End in order, for ``reason``. ``at_last`` is the exit code where something holds the process nevertheless."""
        self._agent.end(reason)
        _leave_at_last(self._agent.time_left + GRACE, at_last)

    async def answer(self, arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        """A ``control.Handler``: end in order; with ``again`` so that a service manager starts the agent again."""
        again = arguments.get("again") is True
        self.exit_code = AGAIN if again else 0
        # Whatever holds the process: the one who stopped it does not want it restarted by a service manager.
        self.end(f"{'restart' if again else 'stop'} by {by}", at_last=self.exit_code)
        return {"pid": os.getpid(), "within": self._agent.time_left}

    async def answer_when_ready(self, arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        """A ``control.Handler``: answer once the agent is ready."""
        await self._agent.ready()
        return {"pid": os.getpid()}


def _leave_at_last(seconds: float, code: int) -> None:
    """End the process if it still lives in so many seconds, whatever holds it."""
    timer = threading.Timer(seconds, leave, (code,))
    timer.daemon = True
    timer.start()

"""Taking another configuration over while the agent runs, at SIGHUP or when `connmon-agent reload` asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from ..core.timestamps import Timestamp
from ..errors import ConfigurationError, ConnmonError, InvariantError
from ..settings import Settings
from ..supervision import Tasks, supervise
from .build import Runner
from .log_records import LogRecord
from .logs import Log


class Reloads:
    """Takes the configuration that ``read`` returns over, whole or not at all, one reload at a time.

    ``read`` raises ConfigurationError; it is called beside the event loop.
    """

    def __init__(self, read: Callable[[], Settings], runner: Runner, log: Log) -> None:
        self._read = read
        self._runner = runner
        self._log = log
        self._turn = asyncio.Lock()
        self._tasks: Tasks = set()

    def begin(self) -> None:
        """Begin a reload, after those that are under way."""
        supervise("take the configuration over", self.do, tasks=self._tasks, again=False)

    async def answer(self, arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        """A ``control.Handler``: reload, and answer once the configuration is in force or refused."""
        done = await self.do()
        if isinstance(done, ConnmonError):
            raise done
        trouble = await self._runner.monitoring.find_trouble()
        warnings = [*map(str, done.warnings), *([] if trouble is None else [trouble])]
        return {"source": done.source, "warnings": warnings}

    async def do(self) -> Settings | ConnmonError:
        """Reload; returns what is in force since, or why it was refused. Either has been logged and announced."""
        async with self._turn:
            announcer = self._runner.announcer
            announcer.reloading()
            done: Settings | ConnmonError
            try:
                done = await self._take_over()
            except ConnmonError as error:
                done = error
            except Exception as error:  # a mistake of ours: the agent goes on with what it has
                done = InvariantError(f"internal error, report it: {error!r}")
            self._tell(done)
            announcer.reloaded(str(done) if isinstance(done, ConnmonError) else None)
            return done

    async def _take_over(self) -> Settings:
        settings = await asyncio.to_thread(self._read)
        with self._log.turning_to(await asyncio.to_thread(self._log.prepare, settings.logging)):
            await self._runner.reload(settings)
        return settings

    def _tell(self, done: Settings | ConnmonError) -> None:
        now = self._runner.now()
        if isinstance(done, Settings):
            self._log(LogRecord(now, "info", "agent", f"configuration reloaded from {done.source}"))
            warn(self._log, done, now)
            return
        for reason in done.problems if isinstance(done, ConfigurationError) else [done]:
            self._log(LogRecord(now, "error", "agent", f"configuration not reloaded: {reason}"))


def warn(log: Log, settings: Settings, at: Timestamp) -> None:
    """Name what the configuration probably does not mean as it is written."""
    for warning in settings.warnings:
        log(LogRecord(at, "warning", "agent", str(warning)))

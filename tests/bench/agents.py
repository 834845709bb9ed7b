"""The agent as a site runs it: the real command in a process of its own, on a configuration of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

import connmon_agent
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader

Json = dict[str, Any]

SOURCE_ROOT = Path(connmon_agent.__file__).parents[1]
PATIENCE = 180.0  # seconds; whoever needs longer for one step is not worth measuring

_STARTED = re.compile(r"agent: started, .* \(pid (\d+)\)")


class BenchError(Exception):
    """A bench could not be carried out; the message says what stood in the way."""


def environment() -> dict[str, str]:
    """The environment for our own commands: they find the code that is measured."""
    return {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}


def agent_command(*arguments: str) -> list[str]:
    """The command line, through this very interpreter."""
    return [sys.executable, "-m", "connmon_agent", *arguments]


class AgentProcess:
    """One running agent. ``spawned`` is when it was asked for, in seconds since the machine booted."""

    def __init__(self, folder: Path, config: Json, enclose: Callable[[list[str]], list[str]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.state_dir = folder / "state"
        self.config_file = folder / "connmon.yaml"
        self.config_file.write_text(yaml.safe_dump({"state_dir": str(self.state_dir), **config}), encoding="utf-8")
        self.spawned = time.clock_gettime(time.CLOCK_BOOTTIME)
        self._process = subprocess.Popen(
            enclose(agent_command("--config", str(self.config_file), "start")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._lines: list[tuple[float, str]] = []
        self._news = threading.Condition()
        self._ended = False
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """The agent's own process, not the command that put it in its place."""
        self.wait_said(_STARTED.pattern)
        found = next(match for _, line in self._lines if (match := _STARTED.search(line)))
        return int(found[1])

    def mark(self) -> int:
        """A point in the log to wait from."""
        return len(self._lines)

    def count_said(self, pattern: str) -> int:
        """How often the agent has said so."""
        return sum(re.search(pattern, line) is not None for _, line in list(self._lines))

    def wait_said(self, pattern: str, *, after: int = 0, times: int = 1) -> float:
        """When the agent had said so for the given time since the mark ``after``, by ``time.perf_counter``.

        It says nothing that is not durable: this is the instant of the commit, or a little later. Raises BenchError.
        """
        wanted = re.compile(pattern)

        def find() -> float | None:
            stamps = [stamp for stamp, line in self._lines[after:] if wanted.search(line)]
            return stamps[times - 1] if len(stamps) >= times else None

        with self._news:
            self._news.wait_for(lambda: find() is not None or self._ended, PATIENCE)
            stamp = find()
        if stamp is None:
            last = self._lines[-1][1] if self._lines else "nothing at all"
            raise BenchError(f"the agent did not say {pattern!r} {times} times; it said last: {last}")
        return stamp

    @contextmanager
    def memory(self) -> Iterator[Reader]:
        """What it has made durable."""
        with Reader(self.state_dir / DATABASE_FILE) as reader:
            yield reader

    def stop(self) -> None:
        """End it in order; kill it when it does not."""
        if self._process.poll() is None:
            try:
                os.kill(self.pid, signal.SIGTERM)
                self._process.wait(timeout=10)
            except (BenchError, ProcessLookupError, subprocess.TimeoutExpired):
                self._process.kill()
                self._process.wait()

    def _listen(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            for line in stream:
                with self._news:
                    self._lines.append((time.perf_counter(), line.rstrip("\n")))
                    self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


@contextmanager
def running_agent(folder: Path, config: Json, enclose: Callable[[list[str]], list[str]]) -> Iterator[AgentProcess]:
    """An agent that is gone when the block is left."""
    agent = AgentProcess(folder, config, enclose)
    try:
        yield agent
    finally:
        agent.stop()

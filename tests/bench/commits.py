"""What a durable decision costs, beside a bare SQLite commit of the same bytes on the same disk."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from tests.bench.agents import environment
from tests.bench.figures import Figure, Limit, percentile, say_number
from tests.bench.journals import BOOT_ID, simulate_days, write_journal

from connmon_agent.core.events import Event
from connmon_agent.core.steps import Step
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.layout import EVENTS, STEPS, WORLDS, StepBody
from connmon_agent.store.threaded import JournalThread

CLOSING = 60.0  # seconds for the last words to reach the disk
COUNTED = 200  # commits under strace


def measure_commits(folder: Path, *, runs: int) -> list[Figure]:
    """Deciding commits of a site's days and bare ones, one of each in turn."""
    ours, bare = _time_commits(folder, runs)
    note = f"p99: ours {_say_p99(ours)} ms, bare {_say_p99(bare)} ms; the peer inserts one row with as many bytes"
    ratio = (percentile(ours, 50) / percentile(bare, 50),)
    return [
        Figure("a deciding commit", "ms", tuple(ours), note=note),
        Figure("bare sqlite3, WAL, synchronous FULL", "ms", tuple(bare), peer=True, note=note),
        Figure("a deciding commit, times a bare one (medians)", "x", ratio, Limit(2.0)),
        _count_syncs(folder),
    ]


def _say_p99(values: list[float]) -> str:
    return say_number(percentile(values, 99))


def _time_commits(folder: Path, runs: int) -> tuple[list[float], list[float]]:
    """Milliseconds of each commit of ours, as the agent's loop waits for it, and of each bare one."""
    return asyncio.run(_time_in_thread(folder, runs))


async def _time_in_thread(folder: Path, runs: int) -> tuple[list[float], list[float]]:
    ours: list[float] = []
    bare: list[float] = []
    journal = JournalThread(SqliteJournal.open(folder / "ours.db", boottime=time.monotonic, boot_id=BOOT_ID))
    try:
        with closing(_open_bare(folder / "bare.db")) as connection:
            for event, step in simulate_days(events=runs, store=journal.load().store):
                payload = "x" * _size(event, step)
                started = time.perf_counter()
                await journal.commit(event, step)
                between = time.perf_counter()
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO event (body) VALUES (?)", (payload,))
                connection.execute("COMMIT")
                ended = time.perf_counter()
                ours.append((between - started) * 1000)
                bare.append((ended - between) * 1000)
    finally:
        await journal.close(CLOSING)
    return ours, bare


def _open_bare(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE event (id INTEGER PRIMARY KEY, body TEXT) STRICT")
    return connection


def _size(event: Event, step: Step) -> int:
    """Bytes of the event, the step and the world that a commit writes."""
    return len(EVENTS.to_text(event)) + len(STEPS.to_text(StepBody.of(step))) + len(WORLDS.to_text(step.world))


def _count_syncs(folder: Path) -> Figure:
    """How often one commit waits for the disk, counted by strace in a process of its own."""
    what = "waits for the disk (fsync, fdatasync) a commit"
    strace = shutil.which("strace")
    if strace is None:
        return Figure(what, "", limit=Limit(1.0), note="not measured: strace is not installed")
    none, many = (_run_under_strace(strace, folder, commits) for commits in (0, COUNTED))
    if none is None or many is None:
        return Figure(what, "", limit=Limit(1.0), note="not measured: strace may not trace here")
    note = f"of {COUNTED} commits, less what opening and closing the state file takes"
    return Figure(what, "", ((many - none) / COUNTED,), Limit(1.0), note=note)


def _run_under_strace(strace: str, folder: Path, commits: int) -> int | None:
    """The calls of a process that makes so many commits; None: it could not be traced."""
    trace = folder / f"strace-{commits}"
    child = [sys.executable, "-m", "tests.bench.commits", str(folder / f"counted-{commits}.db"), str(commits)]
    command = [strace, "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", "signal=none", "-o", str(trace), *child]
    done = subprocess.run(command, env=environment(), cwd=Path(__file__).parents[2], capture_output=True, check=False)
    if done.returncode != 0 or not trace.exists():
        return None
    return sum("sync(" in line for line in trace.read_text(encoding="utf-8").splitlines())


def _write(path: Path, commits: int) -> None:
    """The process that is counted."""
    history: Iterator[tuple[Event, Step]] = simulate_days(events=commits) if commits else iter(())
    write_journal(path, history)


if __name__ == "__main__":
    _write(Path(sys.argv[1]), int(sys.argv[2]))

"""State files to try things on, the steps of a small recovery, and children that may be killed or robbed of rights."""

from __future__ import annotations

import os
import re
import sqlite3
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from connmon_agent.core.effects import Restart
from connmon_agent.core.events import TimerDue
from connmon_agent.core.plan import Kind
from connmon_agent.core.steps import Resolution, Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Intent, Outage, Service, ServiceState, World
from connmon_agent.private_files import admit
from connmon_agent.store.journal import SqliteJournal

_FRACTION = re.compile(r"-?\d+\.\d+(?:e[-+]\d+)?")
BOOT_ID = "6b4a0a2e-0f1f-4f3c-9f0e-5a6f1d2c3b4a"
WALL = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC
SOMEBODY_ELSE = 65534  # nobody, on every Linux


def is_root() -> bool:
    """Whether a test may become somebody else, or change the machine."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def timestamp(seconds: float) -> Timestamp:
    return Timestamp(seconds, WALL + seconds)


def tick(seconds: float) -> TimerDue:
    return TimerDue(timestamp(seconds), "tick")


@contextmanager
def opened(path: Path, trace: Callable[[str], object] | None = None) -> Iterator[SqliteJournal]:
    """The journal over ``path``, on clocks that stand still."""
    journal = SqliteJournal.open(path, boottime=lambda: 77.5, boot_id=BOOT_ID, wall=lambda: WALL, trace=trace)
    with closing(journal):
        yield journal


@contextmanager
def tampered(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as somebody with an SQL shell has it; what they do is committed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def restart(token: str, service: str = "web") -> Restart:
    return Restart(service, Kind.DEPLOYMENT, "shop", service, token, None, 4, "uid-1", True, "outage 1")


def resolved(token: str, outcome: str = "applied", service: str = "web") -> Resolution:
    return Resolution(service, token, outcome, f"{outcome} by the API")


def with_outage(world: World, **changes: Any) -> World:
    """``world`` in outage 1, which began at second 10, with two services to recover."""
    services = {name: Service(name, ServiceState.WAITING) for name in ("web", "db")}
    outage = replace(Outage(1, timestamp(10), "no answer from 192.0.2.1"), **changes)
    return replace(world, outage=outage, services=services | dict(world.services))


def deciding(world: World, number: int) -> Step:
    """Attempt ``number`` to restart web: the one before it is applied, the next intent and its deadline are made."""
    token = f"{world.store}-{number}"
    before = world.services["web"].intent
    intent = Intent(token, before.token if before else None, 4, "uid-1", True, timestamp(number))
    web = replace(world.services["web"], state=ServiceState.RESTARTING, attempts=number, intent=intent)
    timers = {"deadline web": timestamp(number + 300)} if number % 2 else {}
    after = replace(world, services={**world.services, "web": web}, timers=timers, tokens=number)
    settled = (resolved(before.token),) if before else ()
    return Step(after, effects=(restart(token),), resolutions=settled)


def in_child(work: Callable[[], None]) -> int:
    """Run ``work`` in a forked child: 0, 99 for an exception (shown on stderr), minus the signal that ended it."""
    child = os.fork()
    if not child:
        status = 99
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def with_reading_rights_only(directory: Path, work: Callable[[], None]) -> int:
    """Run ``work`` in a child that may read ``directory`` and write nothing there: root becomes another user for it,
    in the group that may read the files.
    """

    def work_as_somebody_else() -> None:
        os.setgroups([])
        os.setgid(SOMEBODY_ELSE)
        os.setuid(SOMEBODY_ELSE)
        work()

    if os.geteuid() == 0:
        admit(
            directory,
            [file for file in directory.iterdir() if file.is_file() and file.stat().st_mode & 0o400],
            SOMEBODY_ELSE,
        )
        return in_child(work_as_somebody_else)
    modes = {file: file.stat().st_mode for file in (directory, *directory.iterdir())}
    try:
        for file, mode in modes.items():
            file.chmod(mode & ~0o222)
        return in_child(work)
    finally:
        for file, mode in modes.items():
            file.chmod(mode)


def load_dump(connection: sqlite3.Connection, dump: Path) -> None:
    """Run what ``sqlite3 connmon.db .dump`` printed.

    Its fractions are read by Python: SQLite without ``long double``, as on Windows, misses the last place of some, and
    then no hash fits any more.
    """
    connection.create_function("exact", 1, float, deterministic=True)
    lines = dump.read_text(encoding="utf-8").split("\n")
    connection.executescript("\n".join(_with_exact_fractions(line) for line in lines))


def _with_exact_fractions(line: str) -> str:
    if not line.startswith("INSERT INTO"):
        return line
    parts = re.split(r"('(?:[^']|'')*')", line)  # what is quoted is no number
    return "".join(part if part.startswith("'") else _FRACTION.sub(r"exact('\g<0>')", part) for part in parts)

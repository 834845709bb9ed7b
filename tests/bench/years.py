"""A year of a site whose link loses 5 % of all packets: how long its state file gets, and how fast it still answers."""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import psutil
from msgspec.structs import replace
from tests.bench.agents import agent_command
from tests.bench.commands import time_command
from tests.bench.figures import Figure, Limit
from tests.bench.journals import BOOT_ID, Days
from tests.bench.losses import LossyLink
from tests.bench.replays import MEMORY
from tests.fakes.charts import real_charts

from connmon_agent.cli.decisions import verify_journal
from connmon_agent.core.events import AgentStarted, Configured, Event, RoundFinished
from connmon_agent.core.link.round_counts import only_counts, with_counts
from connmon_agent.core.observations import ProbeResult
from connmon_agent.core.steps import Step
from connmon_agent.core.world import World
from connmon_agent.runtime.quality_meter import QualityMeter
from connmon_agent.runtime.telling import Teller
from connmon_agent.settings import ROUNDS_KEEP
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader

DAY, INTERVAL = 86_400.0, 5.0  # seconds
CHANCE = 0.05
DIFFERENT = 5  # days of dice; then they come again, and only what changed something is decided once more
NOTED = 600.0  # seconds from one noted round to the next on days that come again
MEGABYTE = 1024 * 1024
MOST_MEGABYTES, MOST_GROWTH, LONGEST_EXPLANATION = 100.0, 2.0, 500.0

Change = tuple[float, Event | None]  # seconds since the day began, and what changed something then (None: nothing)


class Year(Days):
    """Days of lossy rounds, each with an outage at its end, decided and recorded as the agent does it."""

    def __init__(self, journal: SqliteJournal, days: int) -> None:
        super().__init__(World(store=journal.load().store))
        self._journal, self._days = journal, days
        self._recorded = self._world.link
        self._teller = Teller()
        self._seen: list[Event] = []
        self._meter = QualityMeter(world=lambda: self._world, take=self._seen.append)
        self._link = LossyLink(chance=CHANCE, dice=random.Random(7))
        self._known: list[list[Change]] = []
        self.memory: list[int] = []  # bytes resident at the end of each day
        self.events = 0
        self.rounds = 0.0  # bytes of the round log that a day takes

    def pass_by(self) -> None:
        """Live through all of it."""
        outages = self._events()
        for kind in (AgentStarted, Configured):
            event = next(outages)
            assert isinstance(event, kind)
            self._take(event)
        for day in range(self._days):
            self._pass_day(day)
            if day < DIFFERENT:
                self.rounds = _count_rounds(self._journal.path) / (day + 1)
            self._pass_outage(outages)
            self.memory.append(psutil.Process().memory_info().rss)

    def _pass_day(self, day: int) -> None:
        began = self._passed
        if day < DIFFERENT:
            self._known.append([])
            for number in range(round(DAY / INTERVAL)):
                self._passed = began + number * INTERVAL
                self._pass_round(number * INTERVAL)
        else:
            self._pass_again(began, self._known[day % DIFFERENT])
        self._passed = began + DAY

    def _pass_round(self, offset: float) -> None:
        results = self._ask()
        self._decide(RoundFinished(self._now(), results), offset)
        self._meter.see(self._now(), results)
        while self._seen:
            self._decide(self._seen.pop(), offset)
        self._journal.note_round(self._now(), results, probed=results)

    def _pass_again(self, began: float, changes: list[Change]) -> None:
        noted = 0.0
        for offset, event in [*changes, (DAY, None)]:
            while noted < offset:
                self._passed = began + noted
                results = self._ask()
                self._journal.note_round(self._now(), results, probed=results)
                noted += NOTED
            self._passed = began + offset
            if event is not None:
                self._take(replace(event, at=self._now()))

    def _decide(self, event: Event, offset: float) -> None:
        if self._take(event):
            self._known[-1].append((offset, event))

    def _pass_outage(self, outages: Iterator[Event]) -> None:
        """The outage of Days, and the look at everything before and after it."""
        before = self._world.outages
        for event in outages:
            self._take(event)
            if self._world.outages > before and self._world.link.state not in ("OFFLINE", "RECOVERING"):
                return

    def _take(self, event: Event) -> bool:
        """Decide on it as the agent does; whether it changed anything."""
        step = self._engine.step(self._world, event)
        if not step.changes(self._world):
            return False
        if not (isinstance(event, RoundFinished) and only_counts(self._world, step)):
            self._record(with_counts(event, self._recorded, self._world.link), step)
        self._world = step.world
        return True

    def _record(self, event: Event, step: Step) -> None:
        seq = self._journal.commit(event, step)
        self._teller.tell(event, step, self._world, seq)
        self._recorded = step.world.link
        self._carry_out(step)
        self.events += 1

    def _ask(self) -> tuple[ProbeResult, ...]:
        return tuple(self._link._found(number, self._link._first_answered()) for number in range(3))


def _count_rounds(path: Path) -> float:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return float(connection.execute("SELECT coalesce(sum(length(body)), 0) FROM round_block").fetchone()[0])


def measure_year(folder: Path, *, days: int) -> list[Figure]:
    """The file after so many days, the memory on the way, and commands that look for something in it."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as made:
        path = Path(made) / DATABASE_FILE
        journal = SqliteJournal.open(path, boottime=lambda: 0.0, boot_id=BOOT_ID)
        for name, chart in real_charts().items():
            journal.save_chart(name, chart.sha256, chart.text)
        year = Year(journal, days)
        year.pass_by()
        journal.close()
        rounds = year.rounds * ROUNDS_KEEP / DAY
        note = (
            f"{days} days of rounds 5 s apart, 5 % of all packets lost each way, an outage a day: {year.events} events;"
            f" {rounds / MEGABYTE:.1f} MB of it are rounds, kept for 90 days, by the first {DIFFERENT} days"
        )
        size = (path.stat().st_size + rounds) / MEGABYTE
        growth = (year.memory[-1] - year.memory[len(year.memory) // 12]) / MEGABYTE
        return [
            Figure("state file", "MB", (size,), Limit(MOST_MEGABYTES), note=note),
            Figure(
                "memory, the end above a month", "MB", (growth,), Limit(MOST_GROWTH), note="of the process that records"
            ),
            *_measure_commands(path),
        ]


def _measure_commands(path: Path) -> Iterator[Figure]:
    with Reader(path) as reader:
        newest = reader.newest()
        walls = [row.at.wall for row in reader.recorded(after_seq=newest // 2 - 1) if row.seq == newest // 2]
        began = time.perf_counter()
        verify_journal(reader).raise_if_failed()
        verified = time.perf_counter() - began
    asked = [1, *(newest * part // 7 for part in range(1, 7)), newest]
    taken = tuple(time_command(agent_command("--state-dir", str(path.parent), "explain", str(seq))) for seq in asked)
    yield Figure("explain SEQ", "ms", taken, Limit(LONGEST_EXPLANATION), note=f"a new process each; events {asked}")
    instant = datetime.fromtimestamp(walls[0], UTC).isoformat()
    past = agent_command("--state-dir", str(path.parent), "replay", "--at", instant)
    yield Figure("replay --at, in the middle", "ms", (time_command(past),))
    yield Figure("replay --verify", "s", (verified,))

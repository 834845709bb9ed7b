"""A month of a site, decided by the engine and counted by the journal, as a scraper would have recorded it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from msgspec import structs
from tests.bench.journals import BOOT_ID, TARGETS, Days
from tests.fakes.virtual_time import STEADY_START

from connmon_agent.core.counters import COMMITS, Durations
from connmon_agent.core.events import Event, Inspected, MonitoringGapEnded, TimerDue
from connmon_agent.core.observations import ProbeResult, Traffic
from connmon_agent.core.plan import ForwardPlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.loading.defaults import PORTS
from connmon_agent.metrics.catalog import Observed, Process, make_families
from connmon_agent.metrics.exposition import describe_family, sample_lines
from connmon_agent.metrics.families import Family
from connmon_agent.store.journal import SqliteJournal

DAYS = 30
SCRAPE = 3 * 3600.0  # seconds between two scrapes: promtool reads the whole month once for each two hours of it
LABELS = (("job", "connmon"), ("instance", "site:9180"))


class Month(Days):
    """Outages of a minute to two hours, some hours apart; one night the machine sleeps."""

    def __init__(self) -> None:
        super().__init__(World(store="month001"))
        self._dice = Random(7)

    def _events(self) -> Iterator[Event]:
        slept = False
        for event in super()._events():
            if isinstance(event, TimerDue):
                self._passed += self._dice.uniform(60.0, 1200.0)  # the link comes and goes before it stays
            yield event
            if self._world.link.state == "ONLINE" and isinstance(event, Inspected) and not self._answers:
                self._passed += self._dice.uniform(0.0, 3600.0)
                if not slept and self._passed > 9 * 86400.0:
                    slept, since = True, self._now()
                    self._passed += 6 * 3600.0
                    yield MonitoringGapEnded(self._now(), since, "the machine slept for 6 h")
                    yield from self._rounds(good=True)


class Recorder:
    """Writes the month's journal, and scrapes it on the way."""

    def __init__(self, path: Path) -> None:
        self._journal = SqliteJournal.open(path, boottime=lambda: 0.0, boot_id=BOOT_ID)
        self._commits = Durations(COMMITS)
        self._samples: dict[str, list[str]] = defaultdict(list)
        self._families: dict[str, Family] = {}
        self.ended = 0.0  # Unix seconds of the last scrape

    def record(self) -> str:
        """Live the month through; returns it as OpenMetrics with timestamps."""
        due = STEADY_START + SCRAPE
        for number, (event, step) in enumerate(Month().live(10**9)):
            while isinstance(event, MonitoringGapEnded) and due <= event.at.steady:
                due += SCRAPE  # while the machine slept nobody scraped it
            while due <= event.at.steady:
                self._scrape(Timestamp(due, event.at.wall - (event.at.steady - due)), number)
                due += SCRAPE
            if due > STEADY_START + DAYS * 86400.0:
                break
            self._journal.commit(event, step)
            self._commits.add(0.0004 * (1 + number % 7))
        self._journal.close()
        return "".join([*self._lines(), "# EOF\n"])

    def _scrape(self, at: Timestamp, number: int) -> None:
        world = self._journal.load()
        up = world.link.state not in ("OFFLINE", "STARTING")
        results = [
            ProbeResult(name, kind, up, 4.0 + number % 40 if up else None, None if up else "no answer")
            for name, kind in TARGETS
        ]
        self._journal.note_round(at, results, probed=results)
        self._journal.note_traffic(
            at, [Traffic(name, number % 3, received=number * 999, sent=number) for name in PORTS]
        )
        for family in make_families(self._observe(world, at)):
            labelled = replace(
                family, samples=tuple(replace(one, labels=(*LABELS, *one.labels)) for one in family.samples)
            )
            self._families.setdefault(family.name, family)
            self._samples[family.name] += sample_lines(labelled, at.wall)
        self.ended = at.wall

    def _observe(self, world: World, at: Timestamp) -> Observed:
        counters, lines = self._journal.counted
        plans = tuple(
            structs.replace(plan, forward=ForwardPlan(PORTS[plan.name][0], PORTS[plan.name][1:]))
            for plan in world.plan.services
        )
        counts, seconds = self._commits.so_far
        return Observed(
            "0.1.0",
            structs.replace(world, plan=structs.replace(world.plan, services=plans)),
            tuple(name for name, _ in TARGETS),
            81920,
            running=True,
            watched=True,
            counters=counters,
            lines=lines,
            heartbeat=at.wall,
            born=self._journal.born(),
            process=Process(at.wall, 0.0002, True, counts, seconds),
        )

    def _lines(self) -> Iterable[str]:
        for name, family in self._families.items():
            yield from describe_family(family)
            yield from self._samples[name]

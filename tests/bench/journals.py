"""A journal as long as one likes: days of a site with seven services and an outage an hour, decided by the engine."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from tests.bench.places import SEVEN
from tests.fakes.charts import real_charts
from tests.fakes.sites import Workload, plan_of
from tests.fakes.virtual_time import STEADY_START, WALL_START

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import (
    AgentStarted,
    Configured,
    Event,
    Inspected,
    Outcome,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from connmon_agent.core.observations import ProbeResult
from connmon_agent.core.steps import Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.store.journal import SqliteJournal

History = Iterator[tuple[Event, Step]]

TARGETS = (("tcp 192.0.2.1:443", "tcp"), ("dns 192.0.2.2 (example.com)", "dns"), ("http://192.0.2.1/ok", "http"))
BOOT_ID = "7d6f7d2c-9d3c-4d55-8a68-0d6a4b8d7c11"


def simulate_days(*, events: int, store: str = "bench001") -> History:
    """The first so many events that are worth a commit, each with its step."""
    return Days(World(store=store)).live(events)


class Days:
    """The same day again and again, as the agent would have lived through it."""

    def __init__(self, world: World) -> None:
        self._engine = Engine(real_charts())
        self._world = world
        self._passed = 0.0
        self._workloads = {name: Workload() for name in SEVEN}
        self._answers: deque[RestartAnswered] = deque()

    def live(self, events: int) -> History:
        happened = 0
        for event in self._events():
            step = self._engine.step(self._world, event)
            if step.changes(self._world):
                self._world = step.world
                self._carry_out(step)
                yield event, step
                happened += 1
            if happened == events:
                return

    def _events(self) -> Iterator[Event]:
        charts = self._engine.chart_hashes
        yield AgentStarted(self._now(), 4711, "0.1.0", BOOT_ID, charts)
        yield Configured(self._now(), plan_of(*SEVEN), charts)
        yield from self._rounds(good=True)
        while True:
            yield from self._look_around()
            self._passed += 3600.0
            yield from self._look_around()  # healthy for so long gives the attempts back
            yield from self._rounds(good=False)
            self._passed += 45.0
            yield from self._rounds(good=True)
            self._passed += 10.0
            yield TimerDue(self._now(), "hold")
            while self._world.link.state != "ONLINE":
                yield from self._look_around()

    def _rounds(self, *, good: bool) -> Iterator[Event]:
        for _ in range(3):
            self._passed += 0.5
            reason = None if good else "no answer within 1 s"
            results = (ProbeResult(name, kind, good, 12.345 if good else None, reason) for name, kind in TARGETS)
            yield RoundFinished(self._now(), tuple(results))

    def _look_around(self) -> Iterator[Event]:
        """A look at every service, a tenth of a second apart, and the answers that came meanwhile."""
        self._passed += 1.0
        for name, workload in self._workloads.items():
            self._passed += 0.1
            yield Inspected(self._now(), name, workload.show(self._now().steady))
            while self._answers:
                yield self._answers.popleft()

    def _carry_out(self, step: Step) -> None:
        for restart in step.effects:
            now, workload = self._now(), self._workloads[restart.service]
            workload.token = restart.token
            workload.roll(now.steady, by="connmon-agent")
            self._answers.append(
                RestartAnswered(
                    now, restart.service, restart.token, Outcome.APPLIED, "accepted", generation=workload.generation
                )
            )

    def _now(self) -> Timestamp:
        return Timestamp(STEADY_START + self._passed, WALL_START + self._passed)


def write_journal(path: Path, history: History) -> None:
    """Write the state file as the agent would have, through its own writer."""
    journal = SqliteJournal.open(path, boottime=lambda: 0.0, boot_id=BOOT_ID)
    try:
        for name, chart in real_charts().items():
            journal.save_chart(name, chart.sha256, chart.text)
        for event, step in history:
            journal.commit(event, step)
    finally:
        journal.close()

"""Months of a small site as a state file: the engine's own decisions, and every round of probes beside them.

Nothing waits: while all is well the rounds are written down without asking the engine, which would change nothing. The
same seed makes the same file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from msgspec.structs import replace

from connmon_agent.core.demands import next_round
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, AgentStopped, Configured, Event, Inspected
from connmon_agent.core.link.quiet_rounds import is_calm
from connmon_agent.core.link.round_counts import with_counts
from connmon_agent.core.observations import Failure, Observation, ProbeResult, Rollout
from connmon_agent.core.plan import Kind, LinkPlan, Plan, ServicePlan, with_stages
from connmon_agent.core.steps import Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.round_blocks import RecordedRound, pack_rounds, unpack_rounds
from connmon_agent.store.round_log import BLOCK_SECONDS, describe_block
from connmon_agent.what_if.clusters import Experience, Model, ModelledCluster
from connmon_agent.what_if.hypotheses import HypotheticalAgent

from .charts import real_charts

BEGIN = 1_793_491_200.0  # 2026-11-01 00:00 UTC
STEADY = 1_000_000.0
DAY = 86_400.0
SERVICES = ("db", "frontend", "grafana", "jaeger")
TARGETS = (("tcp 192.0.2.1:443", "tcp"), ("dns 192.0.2.2 (example.com)", "dns"), ("tcp 198.51.100.1:443", "tcp"))
PROBE, TIMEOUT = 0.02, 1.0  # seconds that a round takes that is answered, and one that is not
ALL_TARGETS = 57.0  # seconds from one round of all targets to the next while all is well
HEALTHY = Observation(
    uid="u1", generation=4, desired=2, available=2, annotated=True, template="t1", close=True, pods=("a",)
)
BROKEN = replace(HEALTHY, available=0, rollout=Rollout.FAILED, progress="0 of 2 available", trouble="CrashLoopBackOff")

Results = tuple[ProbeResult, ...]


@dataclass(frozen=True)
class Trouble:
    """A time in which targets fail: ``chance`` is the share of probes that get no answer."""

    since: float
    until: float
    chance: float = 1.0


@dataclass
class Habits:
    """How often what happens, in times a day."""

    blips: float = 1.5  # of 1 to 4 s
    short: float = 0.4  # outages of 6 to 45 s
    long: float = 0.15  # outages of 2 to 40 min
    lossy: float = 0.2  # times of 10 min in which 30 % of the probes are lost
    noise: float = 0.0003  # share of probes that get no answer in good times


def plan_of_the_month(interval: float) -> Plan:
    services = [
        ServicePlan(name, Kind.DEPLOYMENT, "erp-system", name, ("db",) if name == "frontend" else ())
        for name in SERVICES
    ]
    return Plan(LinkPlan(check_interval=interval, confirm_interval=min(0.35, interval)), services=with_stages(services))


def record_months(
    folder: Path, *, days: float, interval: float = 3.0, seed: int = 11, habits: Habits | None = None
) -> Path:
    """Write the state file; returns its path. ``interval``: seconds between rounds while all is well."""
    path = folder / DATABASE_FILE
    site = _Site(path, days, interval, Random(seed), habits or Habits())
    site.live()
    return path


@dataclass
class _Luck(Experience):
    """Restarts that get ready after 8 to 40 s, but for one in twenty."""

    dice: Random = field(default_factory=Random)

    def ready_after(self, service: str, at: float, model: Model, last: int | None = None) -> tuple[float, int | None]:
        return float("inf") if self.dice.random() < 0.05 else self.dice.uniform(8.0, 40.0), None


class _Site:
    def __init__(self, path: Path, days: float, interval: float, dice: Random, habits: Habits) -> None:
        self._path, self._interval, self._dice, self._habits = path, interval, dice, habits
        self._end = STEADY + days * DAY
        self._journal = SqliteJournal.open(path, boottime=lambda: 0.0, boot_id="boot-1", wall=lambda: BEGIN)
        for name, chart in real_charts().items():
            self._journal.save_chart(name, chart.sha256, chart.text)
        charts = {name: chart.sha256 for name, chart in real_charts().items()}
        start = replace(self._journal.load(), charts=charts, store="month001")  # tokens spread the backoffs
        self._recorded = self._journal.load().link
        self._cluster = ModelledCluster(_Luck(dice=Random(dice.random())), Model.AS_RECORDED)
        engine = Engine(real_charts(), fast=True)
        self._agent = HypotheticalAgent(
            start, change=lambda plan: plan, engine_for=lambda _: engine, cluster=self._cluster, follow=self._commit
        )
        self._charts = charts
        self._rounds: list[RecordedRound] = []
        self._blocks: list[tuple[object, ...]] = []
        self._patterns: dict[tuple[bool, ...], tuple[int, Results]] = {}
        self._quiet = tuple((_result(number, True),) for number in range(2))
        self._broke: Trouble | None = None  # the newest one in which services broke
        self._troubles = sorted(self._draw(days), key=lambda one: one.since)

    def live(self) -> None:
        self._begin()
        now, complete, count, last = STEADY + 1, STEADY, 0, STEADY
        while now < self._end:
            now, count, last = self._rest(now, complete, count, last)
            world = self._agent.world
            trouble = self._trouble_at(now)
            quiet = trouble is None and is_calm(world, now) and now - complete < ALL_TARGETS
            quiet = quiet and self._dice.random() >= self._habits.noise
            if quiet:
                last = max(now + PROBE, last + 0.001)
                self._note(last, self._quiet[count % 2])
                count += 1
                self._agent.advance(_at(last))
            else:
                complete = now
                number, results, silent = self._probe(trouble)
                last = max(now + (TIMEOUT if silent else PROBE), last + 0.001)
                self._agent.advance(_at(last))
                self._note(last, results)
                self._agent.take_round(_at(last), results, number)
            self._let_break(now, trouble)
            now = next_round(self._agent.world, now, spread=0.1 * (self._dice.random() - 0.5))
        self._agent.take_event(AgentStopped(_at(max(now, last) + 1), "SIGTERM"))
        self._close()

    def _rest(self, now: float, complete: float, count: int, last: float) -> tuple[float, int, float]:
        """Quiet rounds up to what happens next, or is due: they would change nothing."""
        soon = self._troubles[0].since if self._troubles else self._end
        until = min(soon, complete + ALL_TARGETS, self._agent.due, self._end)
        if now >= until or not is_calm(self._agent.world, now):
            return now, count, last
        dice, interval, noise = self._dice.random, self._interval, self._habits.noise
        while now < until and dice() >= noise:
            last = now + PROBE
            self._note(last, self._quiet[count % 2])
            count += 1
            now += interval * (0.95 + 0.1 * dice())
        return now, count, last

    def _begin(self) -> None:
        agent = self._agent
        agent.take_event(AgentStarted(_at(STEADY), 4711, "0.1.0", "boot-1", self._charts))
        agent.take_event(Configured(_at(STEADY), plan_of_the_month(self._interval), self._charts))
        agent.part(_at(STEADY))
        for name in SERVICES:
            self._see(name, HEALTHY, STEADY + 0.1)

    def _see(self, name: str, seen: Observation, now: float) -> None:
        token = self._agent.world.services[name].token
        event = Inspected(_at(now), name, replace(seen, token=token))
        self._cluster.note(event, None)
        self._cluster.forget(name)
        self._agent.take_event(event)

    def _draw(self, days: float) -> Iterator[Trouble]:
        dice, habits = self._dice, self._habits
        kinds = ((habits.blips, 1.0, 4.0, 1.0), (habits.short, 6.0, 45.0, 1.0), (habits.long, 120.0, 2400.0, 1.0))
        for often, shortest, longest, chance in (*kinds, (habits.lossy, 600.0, 600.0, 0.3)):
            for _ in range(round(often * days)):
                since = STEADY + 600 + dice.random() * max(0.0, days * DAY - 6000)
                yield Trouble(since, since + dice.uniform(shortest, longest), chance)

    def _trouble_at(self, now: float) -> Trouble | None:
        while self._troubles and self._troubles[0].until < now:
            self._troubles.pop(0)
        return self._troubles[0] if self._troubles and self._troubles[0].since <= now else None

    def _probe(self, trouble: Trouble | None) -> tuple[int, Results, bool]:
        chance = self._habits.noise if trouble is None else trouble.chance
        answers = tuple(self._dice.random() >= chance for _ in TARGETS)
        if answers not in self._patterns:
            results = tuple(_result(number, ok) for number, ok in enumerate(answers))
            self._patterns[answers] = (len(self._patterns), results)
        return (*self._patterns[answers], not all(answers))

    def _let_break(self, now: float, trouble: Trouble | None) -> None:
        """In a long outage some services break."""
        if trouble is None or trouble is self._broke or trouble.until - trouble.since < 120:
            return
        if self._agent.world.link.state == "OFFLINE":
            self._broke = trouble
            for name in SERVICES:
                if self._dice.random() < 0.3:
                    self._see(name, BROKEN, self._rounds[-1].at.steady + 0.001)

    def _commit(self, before: World, event: Event, step: Step) -> None:
        event = with_counts(event, self._recorded, before.link)
        self._journal.commit(event, step)
        self._recorded = step.world.link

    def _note(self, now: float, results: Results) -> None:
        at = _at(now)
        if self._rounds and at.steady - self._rounds[0].at.steady >= BLOCK_SECONDS:
            self._pack()
        self._rounds.append(RecordedRound(at, results))

    def _pack(self) -> None:
        body = pack_rounds(self._rounds)
        self._blocks.append((*describe_block(unpack_rounds(body)), body))
        self._rounds = []

    def _close(self) -> None:
        if self._rounds:
            self._pack()
        self._journal.close()
        columns = "first_steady, last_steady, earliest_wall, latest_wall, rounds, body"
        with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            connection.executemany(f"INSERT INTO round_block ({columns}) VALUES (?, ?, ?, ?, ?, ?)", self._blocks)
            connection.execute("COMMIT")


def _result(number: int, ok: bool) -> ProbeResult:
    name, kind = TARGETS[number]
    failure = None if ok else Failure.SILENT
    return ProbeResult(name, kind, ok, 12.0 if ok else None, None if ok else "no answer within 1 s", "ipv4", failure)


def _at(steady: float) -> Timestamp:
    return Timestamp(steady, BEGIN + steady - STEADY)

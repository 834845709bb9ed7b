"""The past of a small site as a state file: decided by the real engine, written by the real journal, up to one instant.

Times are given as seconds before that instant, so that a page shows the same whenever a test runs.
"""

from __future__ import annotations

import json
import math
import os
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.sites import Workload, plan_of

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    EvidenceChanged,
    ForwardChecked,
    Inspected,
    ListenAnswered,
    Outcome,
    PortsSeen,
    RestartAnswered,
    RoundFinished,
    TimerDue,
)
from connmon_agent.core.observations import Evidence, Failure, MeasuredQuality, ProbeResult, Quality
from connmon_agent.core.plan import ForwardPlan, Plan
from connmon_agent.core.steps import Step
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.layout import EVENT_COLUMNS, EventRow

DAY = 86_400.0  # seconds
BOOT_ID = "7d6f7d2c-9d3c-4d55-8a68-0d6a4b8d7c11"
STEADY = 100_000_000.0  # of the instant up to which it goes; the machine has run for longer than a year
PORTS = {
    "frontend": (8080, 8081), "frontend-custom": (8082, 8182), "frontend-react": (8090, 8091), "grafana": (3000, 3001),
    "jaeger": (16686, 16687), "api-gateway-simple": (8085, 8185), "service-mesh-dashboard": (8095, 8195),
}  # fmt: skip
TARGETS = (
    ("gateway 192.0.2.254", "gateway", 0.8),
    ("dns 192.0.2.53", "dns", 9.0),
    ("tcp 198.51.100.1:443", "tcp", 14.0),
    ("http http://example.org/", "http", 26.0),
)
ROUTE = Evidence(carrier=True, default_route=True, interface="eth0", gateway="192.0.2.254")
AHEAD = -600.0
HOLD = 10.0
OFTEN = 12  # looks at the services, a second apart, before they get rare
LONGEST_RECOVERY = 200  # looks before it counts as stuck


class Past:
    """What an agent has lived through before ``now`` (Unix seconds). A context manager; it leaves the file behind.

    The services are those of ``PORTS``, or the ``services`` given; each has the local port named there.
    """

    def __init__(self, folder: Path, now: float, *, services: Sequence[str] = tuple(PORTS)) -> None:
        self._now = now
        self._ago = math.inf
        self._beats: int | None = None  # that were of later than the event; None: none is
        self._engine = Engine(real_charts())
        self.journal = SqliteJournal.open(folder / DATABASE_FILE, boottime=lambda: STEADY, boot_id=BOOT_ID)
        for name, chart in real_charts().items():
            self.journal.save_chart(name, chart.sha256, chart.text)
        self.world = self.journal.load()
        self.workloads = {
            name: Workload(stalls="ImagePullBackOff: registry.example is unreachable") for name in services
        }
        self._plan = _with_ports(plan_of(*services))
        self._dice = random.Random(7)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.journal.close()

    def at(self, ago: float) -> Timestamp:
        """The instant ``ago`` seconds before the last one."""
        return Timestamp(STEADY - ago, self._now - ago)

    def start(self, ago: float, *, after: float | None = None) -> None:
        """The agent starts, sees its services and opens their ports; nobody watched since ``after``."""
        self._ago = ago
        hashes = self._engine.chart_hashes
        heartbeat = None if after is None else self.at(after)
        self.take(AgentStarted(self._at(), os.getpid(), "0.1.0", BOOT_ID, hashes, heartbeat))
        self.take(Configured(self._at(), self._plan, hashes))
        self.take(EvidenceChanged(self._at(), ROUTE))
        self.rounds(3, good=True)
        self.take(PortsSeen(self._at(), ((8080, "in use by nginx (pid 99)"),)))
        self.look_around()

    def resume(self, ago: float) -> None:
        """Go on with what the file holds."""
        self._ago = ago

    def stop(self, ago: float) -> None:
        """The agent is stopped."""
        self.pass_until(ago)
        self.take(AgentStopped(self._at(), "SIGTERM"))

    def pass_until(self, ago: float) -> None:
        """Let time pass; what is due then, happens."""
        while due := [
            (timer.steady, name) for name, timer in self.world.timers.items() if timer.steady <= STEADY - ago
        ]:
            steady, name = min(due)
            self._ago = min(self._ago, STEADY - steady)
            self.take(TimerDue(self._at(), name))
            if self.world.timers.get(name) is not None and self.world.timers[name].steady == steady:
                break
        self._ago = min(self._ago, ago)

    def take(self, event: Event) -> None:
        """Decide on one event, and carry out what was decided."""
        step = self._engine.step(self.world, event)
        if step.changes(self.world):
            self.journal.commit(event, step)
            self.world = step.world
            self._carry_out(step)

    def rounds(self, number: int, *, good: bool, every: float = 0.5) -> None:
        """So many rounds of probes."""
        for _ in range(number):
            self.pass_until(self._ago - every)
            self.round(good=good)

    def round(self, *, good: bool, loss: float = 0.0) -> None:
        """One round; a share ``loss`` of the targets beyond the gateway does not answer."""
        results = tuple(self._probe(name, kind, usual, good, loss) for name, kind, usual in TARGETS)
        self.take(RoundFinished(self._at(), results))
        self.note(results)

    def note(self, results: tuple[ProbeResult, ...]) -> None:
        """Record the round and the heartbeat."""
        quality = MeasuredQuality(Quality.GOOD, 0.004, 12.1, 41.0)
        at = self._at() if self._beats is None else self.at(AHEAD - self._beats)
        self._beats = None if self._beats is None else self._beats + 1
        self.journal.note_round(at, results, quality, probed=results)

    def calm(self, until: float, *, every: float) -> None:
        """Good rounds up to ``until`` seconds before the end, of a line that is busy by day; then a look."""
        while self._ago - every >= until:
            self.pass_until(self._ago - every)
            results = tuple(self._probe(name, kind, usual, True, 0.004) for name, kind, usual in TARGETS)
            self.note(results)
        self.look_around()

    def outage(self, ago: float, seconds: float | None, *, every: float = 60.0) -> None:
        """The link fails and returns after ``seconds`` (None: not yet); then the services are restarted."""
        self.pass_until(ago)
        self.rounds(3, good=False)
        if seconds is None:
            return
        for _ in range(int(seconds // every)):
            self.pass_until(self._ago - every)
            self.round(good=False)
        self.pass_until(min(self._ago, ago - seconds))
        self.rounds(3, good=True)
        self.pass_until(self._ago - HOLD)
        for look in range(LONGEST_RECOVERY):
            if self.world.link.state == "ONLINE":
                self.round(good=True)
                return
            self.look_around(after=1.0 if look < OFTEN else 20.0)
        raise AssertionError(f"no end of the recovery: {self.world.services}")

    def look_around(self, *, after: float = 1.0) -> None:
        """A look at every service, and a connection through every local port, so many seconds later."""
        self.pass_until(self._ago - after)
        for name, workload in self.workloads.items():
            self.take(Inspected(self._at(), name, workload.show(self._at().steady)))
        for name, forward in self.world.forwards.items():
            if forward.port is not None:
                self.take(ForwardChecked(self._at(), self._at(), name, forward.port))

    def heartbeat(self) -> None:
        """From now on the agent is alive, however slow a test is: its heartbeats are of ten minutes later."""
        self._beats = 0
        good = self.world.link.state != "OFFLINE"
        self.note(tuple(self._probe(name, kind, usual, good, 0.0) for name, kind, usual in TARGETS))

    def _at(self) -> Timestamp:
        return self.at(self._ago)

    def _probe(self, name: str, kind: str, usual: float, good: bool, loss: float) -> ProbeResult:
        if kind != "gateway" and (not good or self._dice.random() < loss):
            return ProbeResult(name, kind, ok=False, reason="no answer within 1 s", failure=Failure.SILENT)
        busy = 1 + 0.6 * max(0.0, math.sin(2 * math.pi * self._ago / 86_400))
        latency = usual * busy * (1 + self._dice.expovariate(6.0))
        return ProbeResult(name, kind, ok=True, latency_ms=round(latency, 2))

    def _carry_out(self, step: Step) -> None:
        for restart in step.effects:
            workload = self.workloads[restart.service]
            workload.token = restart.token
            workload.roll(self._at().steady, by="connmon-agent")
            self.take(
                RestartAnswered(
                    self._at(), restart.service, restart.token, Outcome.APPLIED, "the patch was accepted",
                    generation=workload.generation, template=workload.template_digest,
                )
            )  # fmt: skip
        for listen in step.listens:
            self.take(ListenAnswered(self._at(), listen.service, listen.token))


def _with_ports(plan: Plan) -> Plan:
    services = (
        replace(one, forward=ForwardPlan(PORTS[one.name][0], PORTS[one.name][1:]) if one.name in PORTS else None)
        for one in plan.services
    )
    return replace(plan, services=tuple(services))


def live_through_weeks(past: Past) -> None:
    """Four weeks with some outages, and a night in which no agent ran. Ends with the services of the last outage."""
    past.start(28 * DAY)
    for days, seconds in ((27, 1500), (19, 90), (12.3, 3900), (6, 240), (4.2, 700)):
        past.calm(days * DAY + 60, every=3600)
        past.outage(days * DAY, seconds)
    past.stop(2.6 * DAY)
    past.start(2.2 * DAY, after=2.6 * DAY)
    past.calm(1.4 * DAY + 60, every=1800)
    past.outage(1.4 * DAY, 160)
    past.calm(0.35 * DAY + 60, every=300)
    past.outage(0.35 * DAY, 420)


def live_through_a_bad_morning(past: Past) -> None:
    """Two outages, of which the second leaves grafana without attempts; the link has been ONLINE since."""
    past.start(20_000)
    past.calm(15_060, every=300)
    past.outage(15_000, 300)
    past.calm(7_260, every=300)
    past.workloads["grafana"].failures = 9
    past.outage(7_200, 240)


YEAR = 365 * DAY


def live_through_a_year(folder: Path, now: float, *, outages: int, services: Sequence[str] = ()) -> None:
    """A year in which the link fails ``outages`` times, for four minutes each time, in some months more often.

    The first and the last outage are decided; between them the first is repeated by SQL, because deciding all of them
    takes minutes. The hashes of what is repeated do not fit, which only `replay --verify` looks at.
    """
    every = (YEAR - DAY) / outages
    with Past(folder, now, services=services) as past:
        past.start(YEAR)
        past.outage(YEAR - 700, 240, every=math.inf)
    with closing(sqlite3.connect(folder / DATABASE_FILE, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        _repeat(connection, outages - 2, every)
        connection.execute("COMMIT")
    with Past(folder, now, services=services) as past:
        past.resume(DAY)
        past.calm(700, every=300)
        past.outage(660, 240, every=math.inf)


def _repeat(connection: sqlite3.Connection, times: int, every: float) -> None:
    (opened,) = connection.execute("SELECT opened_seq FROM outage WHERE id = 1").fetchone()
    (last,) = connection.execute("SELECT max(seq) FROM event").fetchone()
    first, rows = opened - 1, last - opened + 2  # the round before it is the first bad one
    shifted = {"seq": "seq + :rows", "steady": "steady + :by", "wall": "wall + :by", "outage": "outage + :number"}
    columns = ", ".join(shifted.get(name.strip(), name) for name in EVENT_COLUMNS.split(","))
    values = [
        {"rows": rows * number, "number": number, "by": every * times * _warp(number / times), "first": first}
        for number in range(1, times + 1)
    ]
    connection.executemany(
        f"INSERT INTO event ({EVENT_COLUMNS}) SELECT {columns} FROM event WHERE seq BETWEEN :first AND {last}"
        f" AND NOT (seq = {last} AND :number = {times})",
        values,
    )
    connection.executemany(_OUTAGE, values)
    connection.executemany(_INTENT, values)
    _append_last(connection, last, rows=rows * times, number=times, by=every * times)
    world = json.loads(connection.execute("SELECT world FROM snapshot").fetchone()[0])
    moved = _shift(world, every * times)
    moved["outages"] += times
    moved["outage"]["id"] += times
    connection.execute(
        "UPDATE snapshot SET seq = ?, world = ?, wall = wall + ?",
        (last + rows * times, json.dumps(moved), every * times),
    )


def _warp(part: float) -> float:
    """When an outage comes, as a part of the time, so that they come closer together four times."""
    return part - 0.6 * math.sin(8 * math.pi * part) / (8 * math.pi)


def _append_last(connection: sqlite3.Connection, last: int, *, rows: int, number: int, by: float) -> None:
    """The newest event with hashes that fit, which the journal looks at when it is opened."""
    found = connection.execute(f"SELECT {EVENT_COLUMNS} FROM event WHERE seq IN (?, ?) ORDER BY seq", (last - 1, last))
    before, end = map(EventRow._make, found)
    end = end._replace(
        seq=end.seq + rows, steady=end.steady + by, wall=end.wall + by, previous=before.hash,
        outage=None if end.outage is None else end.outage + number,
    )  # fmt: skip
    end = end._replace(hash=end.expected_hash())
    marks = ", ".join("?" * len(end))
    connection.execute(f"INSERT INTO event ({EVENT_COLUMNS}) VALUES ({marks})", end)


_OUTAGE = """
    INSERT INTO outage SELECT id + :number, started_steady + :by, started_wall + :by, back_steady + :by,
    back_wall + :by, ended_steady + :by, ended_wall + :by, cause, by_operator, relapses, restarts, result,
    opened_seq + :rows, closed_seq + :rows, detail, blind FROM outage WHERE id = 1
"""

_INTENT = """
    INSERT INTO intent SELECT token || '-' || :number, seq + :rows, service, outage + :number, attempt, body, outcome,
    reason, settled_seq + :rows FROM intent WHERE outage = 1
"""


def _shift(value: Any, by: float) -> Any:
    """The JSON of a world with all its instants, which are pairs of seconds, moved."""
    if isinstance(value, dict):
        return {key: _shift(one, by) for key, one in value.items()}
    if isinstance(value, list):
        instant = len(value) == 2 and all(isinstance(one, float) for one in value)
        return [one + by if instant else _shift(one, by) for one in value]
    return value

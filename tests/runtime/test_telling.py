"""What is said of each decision is marked with its event and its outage."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.memories import DOWN, UP, remember, rounds, start, stop
from tests.fakes.mornings import at

from connmon_agent.cli.replay import _events_of
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    Event,
    Inspected,
    ListenAnswered,
    MonitoringGapEnded,
    Order,
    Ordered,
    TimerDue,
    Unobserved,
)
from connmon_agent.core.plan import Plan
from connmon_agent.core.steps import Resolution, Step, Transition
from connmon_agent.core.world import Outage, World
from connmon_agent.message_catalog import KINDS
from connmon_agent.runtime.log_records import LogRecord
from connmon_agent.runtime.telling import Teller, outages_of
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.store.reading import Reader

QUIET = World(store="disk0001")
OPEN = replace(QUIET, outage=Outage(3, at(10), "no-carrier"))
ENDED = replace(QUIET, outage=Outage(3, at(10), "no-carrier", ended=at(50)))
NEXT = replace(QUIET, outage=Outage(4, at(60), "no-carrier"))


@pytest.mark.parametrize(
    ("before", "after", "outages"),
    [
        (QUIET, QUIET, ()),
        (QUIET, OPEN, (3,)),
        (OPEN, OPEN, (3,)),
        (OPEN, ENDED, (3,)),
        (ENDED, ENDED, ()),
        (ENDED, NEXT, (4,)),
        (OPEN, NEXT, (3, 4)),
        (QUIET, ENDED, (3,)),
    ],
)
def test_an_event_belongs_to_an_outage_from_the_one_that_begins_it_to_the_one_that_ends_it(
    before: World, after: World, outages: tuple[int, ...]
) -> None:
    assert outages_of(before, after) == outages


def moved(world: World, source: str, dest: str, chart: str = "link", instance: str = "link") -> Step:
    return Step(world, (Transition(chart, instance, "round", source, dest, (), (), "so it is"),))


def test_what_begins_an_outage_is_led_by_the_failing_rounds_before() -> None:
    teller = Teller()
    teller.tell(TimerDue(at(5), "a"), moved(QUIET, "ONLINE", "DEGRADED"), QUIET, 1)
    teller.tell(TimerDue(at(10), "a"), moved(QUIET, "DEGRADED", "DEGRADED"), QUIET, 2)
    (begun,) = teller.tell(TimerDue(at(11), "a"), moved(OPEN, "DEGRADED", "OFFLINE"), QUIET, 3)
    assert begun.mark is not None and begun.mark.outages == (3,)
    assert [(one.text, one.mark and one.mark.seq, one.mark and one.mark.outages) for one in begun.mark.led_by] == [
        ("DEGRADED: so it is", 2, (3,))
    ]
    (later,) = teller.tell(TimerDue(at(12), "a"), moved(OPEN, "OFFLINE", "OFFLINE"), OPEN, 4)
    assert later.mark is not None and later.mark.led_by == ()


def test_an_outage_begins_in_the_life_of_the_agent_that_finds_it_so_nothing_earlier_leads_to_it(tmp_path: Path) -> None:
    before = remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3), *rounds(DOWN, 12), stop(12.2)])
    assert before.link.state == "DEGRADED"
    with closing(SqliteJournal.open(tmp_path / DATABASE_FILE, boottime=lambda: 50.0, boot_id="boot-1")) as journal:
        teller, engine = Teller(), Engine(real_charts())
        charts = {name: chart.sha256 for name, chart in real_charts().items()}
        events = [AgentStarted(at(12.3), 4712, "0.1.0", "boot-1", charts, at(12.2)), *rounds(DOWN, 13, 14, 15, 16)]
        said: list[LogRecord] = []
        for event in events:
            world = journal.load()
            step = engine.step(world, event)
            if step.changes(world):
                said += teller.tell(event, step, world, journal.commit(event, step))
    (begun,) = [one for one in said if "-> OFFLINE" in one.text]
    assert begun.mark is not None
    with Reader(tmp_path / DATABASE_FILE) as reader:
        shown = {row.seq for row in _events_of(reader, reader.outages()[0]) if row.transitions or row.notes}
    listed = {one.mark.seq for one in (*begun.mark.led_by, *said[said.index(begun) :]) if one.mark}
    assert listed == shown


def marks(event: Event, step: Step) -> list[tuple[str, str, int | None]]:
    said = Teller().tell(event, step, QUIET, 7)
    return [(one.part, one.mark.kind, one.mark.seq) for one in said if one.mark]


@pytest.mark.parametrize(
    ("event", "area", "kind"),
    [
        (AgentStarted(at(0), 1, "1", "b"), "agent", "agent-started"),
        (AgentStopped(at(0), "SIGTERM"), "agent", "agent-stopped"),
        (Configured(at(0), Plan(), {}), "agent", "agent-configured"),
        (Ordered(at(0), Order.PAUSE, (), "root"), "agent", "agent-ordered"),
        (MonitoringGapEnded(at(9), at(0), "it slept"), "agent", "agent-blind"),
        (TimerDue(at(0), "a"), "agent", "agent-note"),
    ],
)
def test_what_the_agent_says_of_itself_has_its_kind(event: Event, area: str, kind: str) -> None:
    assert marks(event, Step(QUIET, notes=(("agent", "so it is"),))) == [(area, kind, 7)]


def test_notes_of_services_and_ports_are_told_apart() -> None:
    step = Step(QUIET, notes=(("web", "so it is"),))
    assert marks(Inspected(at(0), "web", Unobserved("timeout", "so")), step) == [("services", "service-note", 7)]
    assert marks(ListenAnswered(at(0), "web", "listen/1"), step) == [("forwards", "forward-note", 7)]


@pytest.mark.parametrize(
    ("chart", "source", "dest", "area", "kind"),
    [
        ("link", "DEGRADED", "OFFLINE", "link", "link-offline"),
        ("service", "VERIFYING", "GAVE_UP", "services", "service-gave-up"),
        ("service", "WAITING", "WAITING", "services", "service-note"),
        ("forward", "CLOSED", "CONFLICT", "forwards", "forward-conflict"),
    ],
)
def test_a_transition_has_the_kind_of_the_state_that_it_leads_to(
    chart: str, source: str, dest: str, area: str, kind: str
) -> None:
    assert marks(TimerDue(at(0), "a"), moved(QUIET, source, dest, chart, "web")) == [(area, kind, 7)]
    assert kind in KINDS


def test_what_became_of_a_restart_is_said_where_no_transition_does() -> None:
    resolution = Resolution("web", "t", "foreign", "somebody else restarted it")
    (record,) = Teller().tell(TimerDue(at(0), "a"), Step(QUIET, resolutions=(resolution,)), QUIET, 7)
    assert record == LogRecord(at(0), "info", "web", "the restart was foreign: somebody else restarted it")
    assert record.mark is not None and record.mark.kind == "restart-answered"

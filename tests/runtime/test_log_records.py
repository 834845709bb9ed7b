"""One readable sentence a decision."""

from __future__ import annotations

import pytest

from connmon_agent.core.steps import Step, Transition
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.runtime.log_records import LogRecord, tell_step

AT = Timestamp(1_000.0, 1_795_000_000.0)


def transition(source: str, dest: str) -> Transition:
    return Transition("service", "web", "inspected", source, dest, (), (), "so it is")


@pytest.mark.parametrize(
    ("source", "dest", "level", "text"),
    [
        ("ONLINE", "DEGRADED", "warning", "ONLINE -> DEGRADED: so it is"),
        ("DEGRADED", "OFFLINE", "warning", "DEGRADED -> OFFLINE: so it is"),
        ("OFFLINE", "RECOVERING", "info", "OFFLINE -> RECOVERING: so it is"),
        ("VERIFYING", "BACKOFF", "warning", "VERIFYING -> BACKOFF: so it is"),
        ("VERIFYING", "GAVE_UP", "warning", "VERIFYING -> GAVE_UP: so it is"),
        ("BACKOFF", "BACKOFF", "info", "BACKOFF: so it is"),
        ("WAITING", "READY", "info", "WAITING -> READY: so it is"),
    ],
)
def test_a_transition_is_told_with_its_reason(source: str, dest: str, level: str, text: str) -> None:
    step = Step(World(store="disk0001"), transitions=(transition(source, dest),))
    assert list(tell_step(AT, step)) == [LogRecord(AT, level, "web", text)]


def test_notes_come_first_and_then_the_transitions_in_their_order() -> None:
    step = Step(
        World(store="disk0001"),
        transitions=(transition("UNKNOWN", "READY"), transition("READY", "WAITING")),
        notes=(("agent", "root ordered recover"),),
    )
    assert [(one.about, one.text.partition(":")[0]) for one in tell_step(AT, step)] == [
        ("agent", "root ordered recover"),
        ("web", "UNKNOWN -> READY"),
        ("web", "READY -> WAITING"),
    ]


@pytest.mark.parametrize(
    ("trigger", "source", "dest", "level"),
    [
        ("assigned", "CLOSED", "CLOSED", "debug"),
        ("agent_stopped", "OPEN", "CLOSED", "debug"),
        ("assigned", "OPEN", "OPEN", "info"),
        ("listen_opened", "CLOSED", "LISTENING", "info"),
        ("none_left", "CLOSED", "CONFLICT", "warning"),
        ("check_failed", "LISTENING", "LISTENING", "warning"),
        ("check_passed", "LISTENING", "OPEN", "info"),
    ],
)
def test_of_a_port_the_routine_is_quiet_and_what_leads_nowhere_is_a_warning(
    trigger: str, source: str, dest: str, level: str
) -> None:
    moved = Transition("forward", "web", trigger, source, dest, (), (), "so it is")
    (record,) = tell_step(AT, Step(World(store="disk0001"), transitions=(moved,)))
    assert record.level == level

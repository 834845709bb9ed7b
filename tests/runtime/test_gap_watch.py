"""Three clocks compared: what each way of not watching looks like."""

from __future__ import annotations

import pytest

from connmon_agent.core.link.monitoring_gaps import is_monitoring_gap
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.runtime.gap_watch import Reading, compare

BEFORE = Reading(Timestamp(1_000.0, 1_795_000_000.0), 50.0)


def later(*, steady: float, awake: float, wall: float) -> Reading:
    """The clocks after they went on by so many seconds."""
    return Reading(Timestamp(BEFORE.at.steady + steady, BEFORE.at.wall + wall), BEFORE.awake + awake)


@pytest.mark.parametrize(
    ("now", "due", "found"),
    [
        pytest.param(later(steady=2, awake=2, wall=2), 52.0, [], id="a usual round"),
        pytest.param(later(steady=15, awake=15, wall=15), 65.0, [], id="a long pause that was meant"),
        pytest.param(later(steady=15, awake=15, wall=15), None, [], id="nobody said when to look"),
        pytest.param(later(steady=6.9, awake=6.9, wall=6.9), 52.0, [], id="late, and not blind"),
        pytest.param(
            later(steady=7202, awake=2, wall=7202), 52.0, [("the machine slept for 2 h", 7200)], id="machine slept"
        ),
        pytest.param(
            later(steady=42, awake=42, wall=42), 52.0, [("the agent stalled for 40 s", 40)], id="agent stopped"
        ),
        pytest.param(later(steady=66, awake=6, wall=66), 53.0, [("the machine slept for 1 min 3 s", 63)], id="both"),
        pytest.param(
            later(steady=2, awake=2, wall=3602), 52.0, [("the clock was set forward by 1 h", 0)], id="set forward"
        ),
        pytest.param(later(steady=2, awake=2, wall=-58), 52.0, [("the clock was set back by 1 min", 0)], id="set back"),
        pytest.param(later(steady=2, awake=2, wall=3.9), 52.0, [], id="slewed by NTP"),
        pytest.param(
            later(steady=7202, awake=2, wall=7208),
            52.0,
            [("the clock was set forward by 6 s", 0), ("the machine slept for 2 h", 7200)],
            id="slept, then set",
        ),
    ],
)
def test_what_happened_between_two_readings(now: Reading, due: float | None, found: list[tuple[str, float]]) -> None:
    events = compare(BEFORE, now, due=due)
    assert [(event.cause, round(event.at.steady - event.since.steady, 6)) for event in events] == found
    assert [is_monitoring_gap(event) for event in events] == [
        seconds > 0 or "forward" in cause for cause, seconds in found
    ]
    assert all(event.at == now.at for event in events)


def test_a_step_tells_what_the_clock_would_have_shown() -> None:
    (event,) = compare(BEFORE, later(steady=2, awake=2, wall=3602), due=52.0)
    assert event.since.wall == BEFORE.at.wall + 2

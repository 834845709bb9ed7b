"""The ladder of pauses, and restart tokens."""

from __future__ import annotations

import pytest

from connmon_agent.core.plan import RecoveryPlan
from connmon_agent.core.services.restart_backoff import JITTER, make_token, parse_token, pause_after

LADDER = RecoveryPlan(backoff_first=10.0, backoff_max=300.0)


@pytest.mark.parametrize(
    ("attempt", "pause"),
    [(1, 10.0), (2, 20.0), (3, 40.0), (5, 160.0), (6, 300.0), (7, 300.0), (100, 300.0), (5_000, 300.0)],
)
def test_pauses_double_up_to_the_longest(attempt: int, pause: float) -> None:
    drawn = [pause_after(attempt, recovery=LADDER, seed=f"token-{number}") for number in range(200)]
    assert all(pause * (1 - JITTER / 2) <= one <= pause * (1 + JITTER / 2) for one in drawn)
    assert len(set(drawn)) == 200


def test_the_same_restart_always_waits_the_same_time() -> None:
    assert pause_after(2, recovery=LADDER, seed="a") == pause_after(2, recovery=LADDER, seed="a")


def test_a_token_tells_its_parts() -> None:
    token = make_token(store="5f0c-a1", outage=12, attempt=3, number=47)
    assert token == "5f0c-a1-12-3-47"
    assert parse_token(token) == ("5f0c-a1", 12, 3, 47)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("hand-made", id="written by hand"),
        pytest.param("-1-2-3", id="no store"),
        pytest.param("a-1-2-x", id="a letter"),
        pytest.param("a-1-٣-3", id="a digit of another script"),
        pytest.param(f"a-1-{'9' * 5000}-3", id="more digits than an integer takes"),
        pytest.param("a-1-2-3\n", id="a line end"),
    ],
)
def test_what_is_no_token_is_told_apart(text: str | None) -> None:
    assert parse_token(text) is None

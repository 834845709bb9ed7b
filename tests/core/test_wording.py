"""Durations and evidence in words."""

from __future__ import annotations

import pytest

from connmon_agent.core.observations import Evidence
from connmon_agent.core.wording import in_words, left_in_words, tell_evidence, tell_obstacle


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 s"),
        (0.5, "0.5 s"),
        (10.0, "10 s"),
        (12.345, "12.3 s"),
        (59.96, "1 min"),
        (60.0, "1 min"),
        (90.0, "1 min 30 s"),
        (599.0, "9 min 59 s"),
        (600.0, "10 min"),
        (660.4, "11 min"),
        (3_599.0, "59 min"),
        (3_600.0, "1 h"),
        (5_400.0, "1 h 30 min"),
        (86_400.0, "1 d"),
        (187_200.0, "2 d 4 h"),
    ],
)
def test_a_duration_is_said_as_a_person_says_it(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "less than 0.1 s"), (0.0798, "less than 0.1 s"), (0.149, "0.1 s"), (9.96, "10 s"), (61.0, "1 min 1 s")],
)
def test_a_time_that_is_left_is_said_to_a_tenth_of_a_second(seconds: float, words: str) -> None:
    assert left_in_words(seconds) == words


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (Evidence(True, True, "wan0", "192.0.2.1"), "default route: wan0 via 192.0.2.1"),
        (Evidence(True, True, "wg0"), "default route: wg0"),
        (Evidence(False, True, "wan0", "192.0.2.1"), "wan0 has no carrier"),
        (Evidence(False, True), "no interface has a carrier"),
        (Evidence(None, False), "no default route"),
        (Evidence(True, False, "wan0"), "no default route"),
        (
            Evidence(False, False, "wan0"),
            "no default route; wan0, which had it, has no carrier",
        ),
        (Evidence(False, False), "no default route"),
        (Evidence(True, True), "default route: present"),
        (Evidence(), "default route: not reported by the system"),
    ],
)
def test_evidence_is_told_in_one_sentence(evidence: Evidence, words: str) -> None:
    assert tell_evidence(evidence) == words


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("in use by nginx (pid 99)", "8080 is in use by nginx (pid 99)"),
        ("needs privileges", "8080 needs privileges"),
        ("is reserved by Windows", "8080 is reserved by Windows"),
        (
            "192.0.2.7 is not an address of this machine",
            "8080 is not available: 192.0.2.7 is not an address of this machine",
        ),
    ],
)
def test_what_keeps_a_port_from_being_had(words: str, told: str) -> None:
    assert tell_obstacle(8080, words) == told

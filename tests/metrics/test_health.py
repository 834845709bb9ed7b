"""/livez and /readyz, in the API server's words."""

from __future__ import annotations

from http import HTTPStatus

from connmon_agent.metrics.health import Check, tell_health

WELL = [Check("loop", None), Check("journal", None)]
ILL = [Check("loop", None), Check("journal", "disk full")]


def test_who_is_well_says_ok() -> None:
    answer = tell_health("readyz", WELL, excluded=(), verbose=False)
    assert (answer.status, answer.body) == (HTTPStatus.OK, "ok")
    answer = tell_health("readyz", WELL, excluded=(), verbose=True)
    assert answer.body == "[+]loop ok\n[+]journal ok\nreadyz check passed\n"


def test_who_is_not_names_what_and_why() -> None:
    answer = tell_health("readyz", ILL, excluded=(), verbose=False)
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert answer.body == "[+]loop ok\n[-]journal failed: disk full\nreadyz check failed\n"


def test_a_check_that_is_excluded_does_not_count() -> None:
    answer = tell_health("readyz", ILL, excluded=["journal"], verbose=True)
    assert answer.status == HTTPStatus.OK
    assert answer.body == "[+]loop ok\n[+]journal excluded: ok\nreadyz check passed\n"


def test_an_exclusion_of_what_is_not_there_is_named() -> None:
    answer = tell_health("livez", ILL, excluded=["jurnal"], verbose=True)
    assert answer.status == HTTPStatus.SERVICE_UNAVAILABLE
    assert "no check is named jurnal" in answer.body

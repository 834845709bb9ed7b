"""Which of many settings is worth a try."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.what_if.comparisons import Totals
from connmon_agent.what_if.sweeps import ALLOWANCE, Outcome, cost_of, find_best, suggest


def outcome(number: int, delay: float | None, needless: int, missed: int = 0) -> Outcome:
    return Outcome(number, Totals(3, 1, delay, 60.0, 0.0, needless + 1, needless, 0), 0, missed)


def test_the_best_are_those_that_nobody_beats() -> None:
    found = [outcome(0, 1.0, 9), outcome(1, 2.0, 4), outcome(2, 2.0, 5), outcome(3, 3.0, 4), outcome(4, 4.0, 0)]
    assert find_best(found) == {0, 1, 4}


def test_what_misses_an_outage_is_not_among_them() -> None:
    found = [outcome(0, 1.0, 9), outcome(1, 0.5, 0, missed=1)]
    assert find_best(found) == {0}


def test_the_suggestion_spares_restarts_and_is_hardly_later() -> None:
    found = [outcome(0, 1.0, 9), outcome(1, 1.0 + ALLOWANCE, 4), outcome(2, 1.1 + ALLOWANCE, 0)]
    assert suggest(found, 0) == 1
    assert suggest(found, 1) == 2
    assert suggest(found, 2) is None


def test_nothing_is_suggested_without_the_settings_in_force() -> None:
    found = [outcome(0, 1.0, 9), outcome(1, 1.0, 4)]
    assert suggest(found, None) is None
    assert suggest(found, 7) is None


outcomes = st.lists(
    st.tuples(st.one_of(st.none(), st.floats(0, 100)), st.integers(0, 50), st.integers(0, 2)), min_size=1, max_size=30
).map(lambda rows: [outcome(number, *row) for number, row in enumerate(rows)])


@given(found=outcomes)
def test_there_is_always_a_best_one_and_each_is_unbeaten(found: list[Outcome]) -> None:
    best = find_best(found)
    assert best
    for one in found:
        if one.number in best:
            delay, needless = cost_of(one)
            better = [cost_of(other) for other in found if other.missed == one.missed and other.number != one.number]
            assert not any(a <= delay and b <= needless and (a, b) != (delay, needless) for a, b in better)


@given(found=outcomes, current=st.integers(0, 29))
def test_the_suggestion_is_a_best_one_that_spares_restarts(found: list[Outcome], current: int) -> None:
    number = suggest(found, current)
    if number is not None:
        assert number in find_best(found)
        assert found[number].totals.needless < found[current].totals.needless
        assert cost_of(found[number])[0] <= cost_of(found[current])[0] + ALLOWANCE

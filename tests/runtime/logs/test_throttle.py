"""A log that can be read: repeats are counted, and no area writes more than ten lines a second."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.core.timestamps import Timestamp
from connmon_agent.runtime.log_records import LogRecord, Mark
from connmon_agent.runtime.logs.throttle import FOLD, MOST, SAID, WINDOW, Throttle

AT = Timestamp(1_000.0, 1_795_000_000.0)


def say(text: str, after: float = 0.0, *, area: str = "probes", mark: Mark | None = None) -> LogRecord:
    return LogRecord(AT.plus(after), "debug", "link", text, area=area, mark=mark)


def admitted(throttle: Throttle, *records: LogRecord) -> list[str]:
    return [one.text for record in records for one in throttle.admit(record)]


def test_an_area_writes_ten_lines_a_second_and_says_what_was_left_out() -> None:
    throttle = Throttle()
    told = admitted(throttle, *(say(f"line {number}") for number in range(25)))
    assert told == [f"line {number}" for number in range(MOST)]
    (told_later,) = admitted(throttle, say("later", 1.0))
    assert told_later == "later (15 lines of probes were dropped before this one: more than 10 per second)"


def test_areas_have_their_lines_each() -> None:
    throttle = Throttle()
    admitted(throttle, *(say(f"line {number}") for number in range(25)))
    assert admitted(throttle, say("of the cluster", area="cluster")) == ["of the cluster"]


def test_repeats_are_counted_and_the_count_is_told() -> None:
    throttle = Throttle()
    told = admitted(throttle, *(say("the same", second) for second in range(20)))
    assert told == ["the same"] * SAID
    assert [one.text for one in throttle.settle(AT.plus(FOLD - 1))] == []
    (summary,) = throttle.settle(AT.plus(FOLD))
    assert summary.text == f"the same (repeated {20 - SAID} times in 60 s)"
    assert summary.at == AT.plus(FOLD)
    assert list(throttle.settle(AT.plus(2 * FOLD))) == []


def test_what_repeats_in_turns_is_counted_too() -> None:
    throttle = Throttle()
    told = admitted(throttle, *(say(text, second) for second in range(30) for text in ("one", "other")))
    assert Counter(told) == {"one": SAID, "other": SAID}


def test_every_decision_is_written() -> None:
    throttle = Throttle()
    decisions = [say("restarted", mark=Mark("service-ready", number + 1)) for number in range(200)]
    assert len(admitted(throttle, *decisions)) == 200


@given(
    st.lists(st.tuples(st.floats(0, 3), st.sampled_from("abcdefghijklm"), st.sampled_from(["probes", "cluster"]))),
)
def test_never_more_than_ten_in_any_second_and_no_line_unaccounted(said: list[tuple[float, str, str]]) -> None:
    throttle, now, written = Throttle(), 0.0, []
    for pause, text, area in said:
        now += pause / 10
        written += list(throttle.admit(say(text, now, area=area)))
    written += list(throttle.settle(AT.plus(now + 1000)))
    for one in written:
        near = [other for other in written if 0 <= other.at.steady - one.at.steady < WINDOW and other.area == one.area]
        assert len(near) <= MOST
    assert {one.text[0] for one in written} <= {text for _, text, _ in said}


def test_a_clock_that_goes_back_shuts_nobody_up() -> None:
    throttle = Throttle()
    admitted(throttle, *(say(f"line {number}", 1_000_000) for number in range(25)))
    assert admitted(throttle, say("earlier", 0.0))[0].startswith("earlier")


def test_what_is_remembered_is_bounded() -> None:
    throttle = Throttle()
    admitted(throttle, *(say(f"line {number}", number / 1000) for number in range(5000)))
    assert sum(len(area.known) for area in throttle._areas.values()) <= 200

"""Words that people read: durations, times, and text that fits."""

from datetime import UTC, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.cli import wording
from connmon_agent.core.timestamps import Timestamp

TEN = 1_795_428_000.0  # 2026-11-23T10:00:00Z
MUMBAI = timezone(timedelta(hours=5, minutes=30))

anything = st.text(alphabet=st.characters(codec="utf-8"), max_size=120)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "0 s"),
        (0.2, "0 s"),
        (12.4, "12 s"),
        (192, "3 min 12 s"),
        (720, "12 min"),
        (11_100, "3 h 5 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations_have_two_units_at_most(seconds: float, words: str) -> None:
    assert wording.say_duration(seconds) == words


def test_times_for_people_are_where_the_reader_lives() -> None:
    assert wording.say_time(TEN, zone=MUMBAI) == "15:30:00"
    assert wording.say_date(TEN, zone=UTC) == "Monday 2026-11-23"
    assert wording.say_date_and_time(TEN + 1, zone=UTC) == "2026-11-23 10:00:01"


def test_times_for_programs_are_utc_with_microseconds() -> None:
    assert wording.write_instant(Timestamp(5.0, TEN)) == "2026-11-23T10:00:00.000000+00:00"
    assert wording.write_instant(Timestamp(0.0, 0.0)) is None
    assert wording.write_instant(None) is None


@pytest.mark.parametrize(("number", "words"), [(0, "0 restarts"), (1, "1 restart"), (2, "2 restarts")])
def test_counts_agree_with_their_noun(number: int, words: str) -> None:
    assert wording.count_of(number, "restart") == words


@pytest.mark.parametrize(
    ("text", "columns"),
    [("plain", 5), ("日本", 4), ("e\u0301", 1), ("ﾊﾝｶｸ", 4), ("🚀", 2), ("", 0)],
    ids=["latin", "wide", "combining", "half-width", "emoji", "empty"],
)
def test_columns_are_those_of_a_terminal(text: str, columns: int) -> None:
    assert wording.width_of(text) == columns


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("two\nlines", "two lines"),
        ("\x1b[31mred", "[31mred"),
        ("a\u202eb", "a b"),
        ("  a   b ", "a b"),
        ("naïve", "naïve"),
    ],
    ids=["newline", "escape", "direction", "blanks", "letters"],
)
def test_what_commands_a_terminal_is_taken_out(text: str, kept: str) -> None:
    assert wording.clean(text) == kept


@pytest.mark.parametrize(
    ("text", "width", "left"),
    [
        ("reason", 6, "reason"),
        ("reasons", 6, "reaso…"),
        ("a reason", 3, "a…"),
        ("日本語", 4, "日…"),
        ("reason", 1, "…"),
        ("reason", 0, ""),
    ],
)
def test_a_cut_is_shown(text: str, width: int, left: str) -> None:
    assert wording.cut(text, width) == left


def test_lines_break_between_words_and_keep_their_indent() -> None:
    lines = wording.wrap("the cluster accepted the restart", width=16, indent="    ", first="10: ")
    assert lines == ["10: the cluster", "    accepted the", "    restart"]


def test_a_word_longer_than_a_line_is_broken_inside() -> None:
    assert wording.wrap("abcdefghij", width=6, indent="  ") == ["  abcd", "  efgh", "  ij"]


def test_a_giant_is_shown_bounded_and_looked_at_once_or_twice_a_character(monkeypatch: pytest.MonkeyPatch) -> None:
    """Older agents recorded reasons of any length. Each character of a word was measured once for every line left."""
    asked, columns = 0, wording._columns

    def count(char: str) -> int:
        nonlocal asked
        asked += 1
        return columns(char)

    monkeypatch.setattr(wording, "_columns", count)
    lines = wording.wrap("because " + "x" * 3_000_000, width=40, indent="  ")
    assert asked < 4 * wording.LONGEST_SHOWN
    assert sum(map(len, lines)) < 2 * wording.LONGEST_SHOWN
    assert "(3000008 characters in all)" in " ".join(line.strip() for line in lines)


@given(anything, st.integers(1, 100))
def test_a_cut_text_never_exceeds_its_width(text: str, width: int) -> None:
    assert wording.width_of(wording.cut(text, width)) <= width


@given(anything, st.integers(12, 100))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: int) -> None:
    lines = wording.wrap(text, width=width, indent="    ", first="10:00  ")
    assert all(wording.width_of(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "10:00" + "".join(wording.clean(text).split())

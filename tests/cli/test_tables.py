"""Tables: what matters is never cut, whatever the width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.cli.rendering.tables import lay_out
from connmon_agent.cli.screens import UNLIMITED
from connmon_agent.cli.wording import width_of

ROWS = [
    ("NAME", "STATE", "REASON"),
    ("frontend", "READY", "restarted, 2 of 2 available, reached on port 8080"),
    (
        "service-mesh-dashboard",
        "GAVE_UP",
        "attempt 3 of 3 did not help, none left: ImagePullBackOff: registry unreachable",
    ),
]
words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=30)
tables = st.integers(2, 4).flatmap(
    lambda columns: st.lists(
        st.tuples(*[st.lists(words, min_size=1, max_size=8).map(" ".join)] * columns), min_size=1, max_size=5
    )
)


def test_a_row_that_does_not_fit_goes_on_under_its_last_column() -> None:
    assert list(lay_out(ROWS, width=64, brief={1})) == [
        "  NAME                    STATE    REASON",
        "  frontend                READY    restarted, 2 of 2 available,…",
        "  service-mesh-dashboard  GAVE_UP  attempt 3 of 3 did not help,\n"
        "                                   none left: ImagePullBackOff:\n"
        "                                   registry unreachable",
    ]


def test_on_a_phone_it_goes_on_below_its_first_column() -> None:
    *_, row = lay_out(ROWS, width=40, limits={0: 13}, brief={1})
    assert row.splitlines() == [
        "  service-mesh-dashboard  GAVE_UP",
        "    attempt 3 of 3 did not help, none",
        "    left: ImagePullBackOff: registry",
        "    unreachable",
    ]


@given(tables, st.integers(20, 120), st.integers(5, 30))
def test_nothing_of_a_row_is_lost_and_no_line_is_too_wide(rows: list[tuple[str, ...]], width: int, limit: int) -> None:
    for row, text in zip(rows, lay_out(rows, width=width, limits={0: limit}), strict=True):
        assert "".join(text.split()) == "".join("".join(row).split())
        assert all(width_of(line) <= width for line in text.splitlines())


@given(tables)
def test_into_a_pipe_each_row_is_one_line(rows: list[tuple[str, ...]]) -> None:
    lines = list(lay_out(rows, width=UNLIMITED, limits={0: UNLIMITED // 4}))
    assert all("\n" not in line for line in lines)


@pytest.mark.parametrize("width", [40, 64, 200])
def test_a_brief_row_has_one_line(width: int) -> None:
    texts = list(lay_out(ROWS, width=width, brief={0, 1, 2}))
    assert all("\n" not in text and width_of(text) <= width for text in texts)

"""Answers held against the truth: the real agent lives the same life again, with the other setting."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.fakes.recorded_lives import cuts, record_life
from tests.fakes.sites import plan_of

from connmon_agent.cli.what_if import Record, ask
from connmon_agent.loading.overrides import apply_overrides, read_overrides
from connmon_agent.store.reading import Reader
from connmon_agent.what_if.clusters import Model
from connmon_agent.what_if.comparisons import Answer, Comparison, Exactness, RecordingAgent
from connmon_agent.what_if.tallies import Tally

PLAN = plan_of("web", "db")
CHANGES = [
    ["link.fall=2"],
    ["link.fall=5"],
    ["link.rise=5"],
    ["link.hold=25s"],
    ["link.fall=4", "link.hold=2s"],
    ["link.quorum=1"],
    ["link.check_interval=4s"],
    ["recovery.when=unhealthy"],
    ["recovery.when={outage_longer_than: 20s}"],
]
SEEDS = range(3)
SLACK = 0.15  # seconds: rounds are spread by dice, which fall otherwise once anything differs


def lives(seed: int) -> tuple[float, float]:
    """One cut of a length that may or may not be an outage."""
    dice = random.Random(seed)
    return dice.uniform(30, 120), 10 ** dice.uniform(-0.3, 2)


def count(path: Path) -> tuple[Tally, Record]:
    with Reader(path) as reader:
        agent, record = RecordingAgent(), Record.of(reader)
        for moment in record.recording().moments():
            agent.take(moment)
        return agent.tally, record


def answer(
    folder: Path, words: list[str], *times: tuple[float, float], then: Path | None = None
) -> tuple[Comparison, Tally]:
    """The answer, and what the agent with that setting really does. ``then``: what was recorded (None: record it)."""
    overrides = read_overrides(words, option="--what-if")
    for name in ("then", "other"):
        (folder / name).mkdir()
    script = cuts(*times, rest=200.0)
    path = then or record_life(folder / "then", PLAN, script)
    truth, _ = count(record_life(folder / "other", apply_overrides(PLAN, overrides), script))
    with Reader(path) as reader:
        return ask(reader, overrides, Model.AS_RECORDED), truth


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One life a seed."""
    folders = [tmp_path_factory.mktemp("then") for _ in SEEDS]
    return [record_life(folders[seed], PLAN, cuts(lives(seed), rest=200.0)) for seed in SEEDS]


@pytest.mark.parametrize("words", CHANGES, ids=" ".join)
@pytest.mark.parametrize("seed", SEEDS)
def test_an_answer_holds_what_it_promises(tmp_path: Path, recorded: list[Path], words: list[str], seed: int) -> None:
    found, truth = answer(tmp_path, words, lives(seed), then=recorded[seed])
    known = [one for one in found.answers if one.exactness is not Exactness.UNKNOWN]
    if len(known) == len(found.answers):
        assert len(truth.outages) == found.what_if.outages
    for one in known:
        check(one, truth)


def check(one: Answer, truth: Tally) -> None:
    if one.what_if is None:
        assert truth.outages == []
        return
    (real,) = truth.outages
    assert one.delay is not None
    delay = real.detected.steady - real.started.steady
    assert one.delay[0] - SLACK <= delay <= one.delay[1] + SLACK
    assert one.restarts == len(truth.restarts)
    if one.end is Exactness.EXACT:
        assert one.what_if.back is not None
        assert real.back is not None
        assert abs(one.what_if.back.steady - real.back.steady) < SLACK


def test_restarts_come_as_late_as_the_hold_says(tmp_path: Path) -> None:
    found, truth = answer(tmp_path, ["link.hold=25s"], (100.0, 30.0))
    assert found.first_difference is not None
    assert [one.service for one in truth.restarts] == ["web", "db"]
    (one,) = found.answers
    assert (one.exactness, one.end, one.hypothetical, one.restarts) == ("exact", "exact", True, 2)


def test_what_was_no_outage_may_have_been_one(tmp_path: Path) -> None:
    """Two bad rounds are known from the round log alone."""
    found, truth = answer(tmp_path, ["link.fall=2"], (100.0, 1.95))
    assert (found.recorded.outages, found.what_if.outages, len(truth.outages)) == (0, 1, 1)
    (one,) = found.answers
    assert (one.fate, one.exactness, one.recorded) == ("new", "exact", None)


def test_what_was_an_outage_may_have_been_none(tmp_path: Path) -> None:
    found, truth = answer(tmp_path, ["link.fall=20"], (100.0, 6.0))
    assert (found.recorded.outages, found.recorded.restarts) == (1, 2)
    (one,) = found.answers
    assert (one.exactness, len(truth.outages)) in (("unknown", 0), ("unknown", 1), ("bounded", 0))


def test_an_outage_that_slower_rounds_may_have_passed_over_is_unknown(tmp_path: Path) -> None:
    """The rounds that were recorded show it; at its own pace the agent would have made none of them."""
    found, _ = answer(tmp_path, ["link.fall=1", "link.check_interval=20s"], (100.0, 1.95))
    assert (found.recorded.outages, found.what_if.outages) == (0, 0)
    (one,) = found.answers
    assert (one.fate, one.exactness, one.end, one.recorded) == ("new", "unknown", "unknown", None)
    assert (one.restarts, one.hypothetical) == (2, True)
    assert found.first_difference is not None


def test_without_the_round_log_less_is_known(tmp_path: Path) -> None:
    """The same life, of which only the events are kept: what only rounds tell is not called exact."""
    import sqlite3
    from contextlib import closing

    overrides = read_overrides(["link.fall=2"], option="--what-if")
    path = record_life(tmp_path, PLAN, cuts((100.0, 1.95), (60.0, 20.0)))
    with Reader(path) as reader:
        before = ask(reader, overrides, Model.AS_RECORDED)
    assert [one.exactness for one in before.answers] == ["exact", "exact"]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM round_block")
        connection.execute("DELETE FROM round_tail")
    with Reader(path) as reader:
        after = ask(reader, overrides, Model.AS_RECORDED)
        assert ask(reader, (), Model.AS_RECORDED).unlike == []
    assert after.covered_from is None
    assert "exact" not in [one.exactness for one in after.answers]

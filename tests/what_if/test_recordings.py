"""Events and rounds in the order in which they happened, each round once."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.memories import DOWN, UP, remember, rounds, start
from tests.fakes.mornings import at

from connmon_agent.cli.what_if import Record, ask
from connmon_agent.core.events import QualityChanged, RoundFinished
from connmon_agent.core.observations import MeasuredQuality, Quality
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_agent.what_if.clusters import Model
from connmon_agent.what_if.recordings import Run

SLOW = MeasuredQuality(Quality.SLOW, 0.0, 900.0, 990.0)


def order(folder: Path) -> list[tuple[str, float]]:
    with Reader(folder / DATABASE_FILE) as reader:
        assert ask(reader, (), Model.NEVER).unlike == []
        told: list[tuple[str, float]] = []
        for moment in Record.of(reader).recording().moments():
            if isinstance(moment, Run):
                told += [("round", round(one.at.steady - at(0).steady, 3)) for one in moment.rounds]
            else:
                told.append((type(moment.event).__name__, round(moment.event.at.steady - at(0).steady, 3)))
        return told


def test_a_round_that_is_an_event_is_no_round_beside_it(tmp_path: Path) -> None:
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3, 4, 5), *rounds(DOWN, 6, 7, 8)], sparing=True)
    assert order(tmp_path) == [
        ("AgentStarted", 0), ("Configured", 0), ("RoundFinished", 1), ("round", 2), ("RoundFinished", 3), ("round", 4),
        ("round", 5), ("RoundFinished", 6), ("round", 7), ("RoundFinished", 8),
    ]  # fmt: skip


def test_rounds_of_the_same_millisecond_are_told_apart(tmp_path: Path) -> None:
    """Two rounds that waited for the same link may end at once, and the first of them may be the event."""
    events = [*start(0), *rounds(UP, 1, 2, 3), *rounds(DOWN, 6.0001), *rounds(UP, 6.0002, 6.0003, 6.0011, 6.0021)]
    remember(tmp_path, events, sparing=True)
    told = order(tmp_path)
    assert [kind for kind, _ in told[5:]] == ["RoundFinished", "round", "round", "RoundFinished", "round"]


def test_what_follows_a_round_in_its_millisecond_comes_after_it(tmp_path: Path) -> None:
    """The window of the quality is told of after the round that changed it, at the round's own time."""
    events = [*start(0), *rounds(UP, 1, 2, 3), *rounds(DOWN, 6, 7.0004), QualityChanged(at(7.0004), SLOW)]
    remember(tmp_path, [*events, RoundFinished(at(8), DOWN)], sparing=True)
    assert order(tmp_path)[-3:] == [("round", 7.0), ("QualityChanged", 7.0), ("RoundFinished", 8)]

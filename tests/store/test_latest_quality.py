"""The quality of the link is kept beside the newest round."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.statefiles import opened, tampered, timestamp

from connmon_agent.core.observations import LineUsage, MeasuredQuality, ProbeResult, Quality
from connmon_agent.store.reading import Reader

RESULTS = (ProbeResult("tcp 192.0.2.1:443", "tcp", True, 10.0),)
QUALITIES = (
    MeasuredQuality(Quality.LOSSY, 0.25, 12.5, 40.0),
    MeasuredQuality(Quality.GOOD, 0.0, None, None),
)


@pytest.mark.parametrize("measured_quality", [*QUALITIES, None], ids=["lossy", "without latency", "unknown"])
def test_the_quality_up_to_the_newest_round_is_remembered(
    tmp_path: Path, measured_quality: MeasuredQuality | None
) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal, Reader(path) as reader:
        journal.note_round(timestamp(1), RESULTS, measured_quality)
        latest = reader.latest_round()
    assert latest is not None
    assert latest.measured_quality == measured_quality


def test_a_round_without_a_quality_takes_the_older_one_back(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal, Reader(path) as reader:
        journal.note_round(timestamp(1), RESULTS, QUALITIES[0])
        journal.note_round(timestamp(2), RESULTS)
        latest = reader.latest_round()
    assert latest is not None
    assert latest.measured_quality is None


def test_a_file_of_an_agent_that_knew_of_no_quality_is_read(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.note_round(timestamp(1), RESULTS, QUALITIES[0])
    with tampered(path) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'quality'")
    with Reader(path) as reader:
        latest = reader.latest_round()
    assert latest is not None
    assert latest.measured_quality is None


def test_what_the_rounds_took_on_the_line_is_remembered_and_a_file_without_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal, Reader(path) as reader:
        journal.note_round(timestamp(1), RESULTS, None, LineUsage(9_000_000, 86_400.0))
        latest = reader.latest_round()
    assert latest is not None and latest.usage == LineUsage(9_000_000, 86_400.0)
    with tampered(path) as connection:
        connection.execute("DELETE FROM meta WHERE key = 'line_usage'")
    with Reader(path) as reader:
        latest = reader.latest_round()
    assert latest is not None and latest.usage is None

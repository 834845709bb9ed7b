"""What readers are given."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fakes.statefiles import deciding, opened, tampered, tick, timestamp, with_outage

from connmon_agent.core.steps import Step
from connmon_agent.errors import StoreError
from connmon_agent.store import reading
from connmon_agent.store.reading import PAGE, Reader


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Seven events, one a second; outage 1 from the second to the fourth, outage 2 from the sixth on."""
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        quiet = journal.load()
        dark = with_outage(quiet)
        ended = with_outage(quiet, back=timestamp(3), ended=timestamp(4))
        dark_again = with_outage(quiet, id=2)
        for second, world in enumerate((quiet, dark, dark, ended, ended, dark_again, dark_again), start=1):
            journal.commit(tick(second), Step(world))
    return path


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7]),
        ({"after_seq": 5}, [6, 7]),
        ({"after_seq": 7}, []),
        ({"since": timestamp(3).wall}, [3, 4, 5, 6, 7]),
        ({"until": timestamp(3).wall}, [1, 2, 3]),
        ({"since": timestamp(2.5).wall, "until": timestamp(4.5).wall}, [3, 4]),
        ({"outage": 1}, [2, 3, 4]),
        ({"outage": 2}, [6, 7]),
        ({"outage": 2, "after_seq": 6}, [7]),
        ({"outage": 1, "since": timestamp(3).wall}, [3, 4]),
        ({"outage": 3}, []),
    ],
    ids=str,
)
def test_events_are_chosen_by_number_time_and_outage(
    history: Path, choice: dict[str, float], expected: list[int]
) -> None:
    with Reader(history) as reader:
        assert [recorded.seq for recorded in reader.recorded(**choice)] == expected


def test_an_event_knows_the_outage_that_was_open_after_it(history: Path) -> None:
    with Reader(history) as reader:
        assert [recorded.outage for recorded in reader.recorded()] == [None, 1, 1, None, None, 2, 2]


def test_the_cause_of_an_outage_comes_with_its_detail(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.commit(tick(1), Step(with_outage(journal.load(), cause="no-carrier", detail="eth0 has no carrier")))
    with Reader(path) as reader:
        (row,) = reader.outages()
        assert (row.cause, row.detail) == ("no-carrier", "eth0 has no carrier")
        assert reader.outage(1) == row


def test_a_file_of_an_agent_that_knew_no_detail_is_read_and_then_brought_up_to_date(history: Path) -> None:
    with tampered(history) as connection:
        connection.execute("ALTER TABLE outage DROP COLUMN detail")
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'm002_detail_of_an_outage'")
        connection.execute("PRAGMA user_version = 1")
    with Reader(history) as reader:
        before = reader.outages()
    assert [(row.id, row.cause, row.detail) for row in before] == [
        (1, "no answer from 192.0.2.1", ""),
        (2, "no answer from 192.0.2.1", ""),
    ]
    with opened(history) as journal:
        world = with_outage(journal.load(), id=3, detail="eth0 has no carrier")
        journal.commit(tick(8), Step(world))
    with Reader(history) as reader:
        assert reader.outages()[0] == before[0]
        assert [(row.id, row.started, row.detail) for row in reader.outages()][1] == (2, before[1].started, "")
        assert reader.outages()[2].detail == "eth0 has no carrier"


def test_an_outage_that_never_ended_gives_way_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        for second, id in ((1, 1), (2, 2), (3, 2)):
            journal.commit(tick(second), Step(with_outage(journal.load(), id=id)))
    with Reader(path) as reader:
        assert [row.id for row in reader.outages()] == [1, 2]
        assert [recorded.seq for recorded in reader.recorded(outage=1)] == [1, 2]
        assert [recorded.seq for recorded in reader.recorded(outage=2)] == [2, 3]


def test_a_long_history_comes_in_pages(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    total = 2 * PAGE + 1
    with opened(path) as journal:
        world = Step(journal.load())
        for second in range(total):
            journal.commit(tick(second), world)
        with Reader(path) as reader:
            events = reader.recorded()
            next(events)
            journal.commit(tick(total), world)
            assert [event.seq for event in events] == list(range(2, total + 1)), "the newest when it was asked for"
            assert reader.verify_chain() is None
            assert reader.counts()[0] == total + 1


def test_nothing_was_written_yet(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path), Reader(path) as reader:
        assert (reader.world(), reader.agent(), reader.latest_round()) == (None, None, None)
        assert (reader.outages(), reader.outage(1), list(reader.recorded()), reader.open_intents()) == (
            [],
            None,
            [],
            [],
        )
        assert (reader.counts()[0], reader.verify_chain()) == (0, None)


def test_the_bytes_are_those_of_the_database_and_its_log(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        journal.commit(tick(1), Step(journal.load()))
        with Reader(path) as reader:
            on_disk = path.stat().st_size + path.with_name("connmon.db-wal").stat().st_size
            assert reader.counts() == (1, on_disk)


def test_an_agent_that_writes_meanwhile_breaks_no_chain(tmp_path: Path) -> None:
    """Every question to the database is followed by one more event, as beside an agent that has a busy night."""
    path = tmp_path / "connmon.db"
    with opened(path) as journal:
        world = Step(journal.load())

        class Beside(Reader):
            def _rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
                rows = super()._rows(sql, *parameters)
                journal.commit(tick(next(seconds)), world)
                return rows

        seconds = itertools.count(1)
        journal.commit(tick(0), world)
        with Beside(path) as reader:
            assert reader.verify_chain() is None


def test_a_flipped_byte_is_found(history: Path) -> None:
    content = history.read_bytes()
    victim = content.index(b"[3.0,")
    history.write_bytes(content[:victim] + b"[8.0," + content[victim + 5 :])
    with Reader(history) as reader:
        assert reader.verify_chain() == 3


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        ("UPDATE event SET wall = wall - 1 WHERE seq = 1", 1),
        ("UPDATE event SET outage = 2 WHERE seq = 4", 4),
        ("UPDATE event SET step = replace(step, '[]', '[ ]') WHERE seq = 5", 5),
        ("UPDATE event SET hash = previous WHERE seq = 6", 6),
        ("DELETE FROM event WHERE seq = 4", 4),
        ("DELETE FROM event WHERE seq = 1", 1),
        ("DELETE FROM event WHERE seq > 5", 6),
        ("DELETE FROM event", 1),
    ],
    ids=["first", "column", "step", "hash", "hole", "beginning missing", "end missing", "all missing"],
)
def test_the_chain_tells_up_to_where_the_history_can_be_trusted(history: Path, statement: str, broken: int) -> None:
    with tampered(history) as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("DROP TRIGGER event_is_never_deleted")
        connection.execute(statement)
    with Reader(history) as reader:
        assert reader.verify_chain() == broken


def test_what_cannot_be_decoded_is_named(history: Path) -> None:
    with tampered(history) as connection:
        connection.execute("DROP TRIGGER event_is_never_changed")
        connection.execute("UPDATE event SET body = replace(body, 'TimerDue', 'TimerLost') WHERE seq = 2")
        connection.execute("UPDATE snapshot SET world = '{}'")
    with Reader(history) as reader:
        with pytest.raises(
            StoreError, match=r"event 2 in .* cannot be decoded: Invalid value 'TimerLost' - at `\$\.is`"
        ):
            list(reader.recorded())
        with pytest.raises(
            StoreError,
            match=r"the world in .* cannot be decoded: Object missing required field `store`\. Use the newest",
        ):
            reader.world()


def test_a_table_that_is_missing_is_told_in_plain_words(history: Path) -> None:
    with tampered(history) as connection:
        connection.execute("DROP TABLE latest_round")
    with Reader(history) as reader, pytest.raises(StoreError, match=r"cannot read the memory in .*no such table"):
        reader.latest_round()


def test_open_intents_come_oldest_first(tmp_path: Path) -> None:
    path = tmp_path / "connmon.db"
    with opened(path) as journal, Reader(path) as reader:
        first = deciding(with_outage(journal.load()), 1)
        other = replace(first.effects[0], service="db", token="a-db")
        journal.commit(tick(1), first)
        journal.commit(tick(2), Step(first.world, effects=(other,)))
        assert [(row.seq, row.restart.service, row.attempt) for row in reader.open_intents()] == [
            (1, "web", 1),
            (2, "db", 0),
        ]


def test_reading_does_not_load_what_only_the_writer_needs() -> None:
    source = Path(reading.__file__).parents[2]
    program = (
        f"import sys; sys.path.insert(0, {str(source)!r}); import connmon_agent.store.reading;"
        "print(sorted({'sqlite_utils', 'transitions', 'kubernetes', 'tempfile', 'asyncio'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_api_server_whose_certificate_is_not_verified(tmp_path: Path) -> None:
    told = []
    for server in ("https://192.0.2.9:6443", None):
        with opened(tmp_path / "connmon.db") as journal:
            journal.note_unverified(server)
        with Reader(tmp_path / "connmon.db") as reader:
            told.append(reader.unverified_api())
    assert told == ["https://192.0.2.9:6443", None]

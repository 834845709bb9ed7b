"""Which versions of SQLite have the WAL-reset bug, by sqlite.org/wal.html#walresetbug."""

import sqlite3

import pytest

from connmon_agent.store.versions import describe_wal_reset_bug, has_wal_reset_bug, sqlite_version


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
    ids=lambda value: ".".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_the_bug_is_told_by_the_version(version: tuple[int, int, int], affected: bool) -> None:
    assert has_wal_reset_bug(version) is affected


def test_the_library_in_use_is_judged() -> None:
    assert ".".join(map(str, sqlite_version())) == sqlite3.sqlite_version
    assert (describe_wal_reset_bug() is None) is not has_wal_reset_bug(sqlite_version())

"""What the locks of a file exclude, on the platform that runs this."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from connmon_agent.locks import lock_alone, lock_shared, unlock

TAKE = {"alone": lock_alone, "shared": lock_shared}


@contextmanager
def opened(path: Path, count: int) -> Iterator[list[int]]:
    """The file, opened so many times, as by so many processes."""
    with ExitStack() as ending:
        descriptors = [os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(count)]
        for descriptor in descriptors:
            ending.callback(os.close, descriptor)
        yield descriptors


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("shared", "shared", True),
        ("shared", "alone", False),
        ("alone", "shared", False),
        ("alone", "alone", False),
    ],
)
def test_what_a_lock_excludes(tmp_path: Path, first: str, second: str, both: bool) -> None:
    with opened(tmp_path / "lock", 2) as (one, other):
        assert TAKE[first](one)
        assert TAKE[second](other) is both
        unlock(one)
        if both:
            unlock(other)
        assert lock_alone(other), "a lock that was given back is free"
        unlock(other)


def test_many_share(tmp_path: Path) -> None:
    with opened(tmp_path / "lock", 5) as descriptors:
        assert all(lock_shared(descriptor) for descriptor in descriptors)
        for descriptor in descriptors[1:]:
            unlock(descriptor)
        assert not lock_alone(descriptors[1]), "one of them still shares it"
        unlock(descriptors[0])
        assert lock_alone(descriptors[1])


def test_a_lock_ends_with_its_open_file(tmp_path: Path) -> None:
    with opened(tmp_path / "lock", 1) as (one,):
        other = os.open(tmp_path / "lock", os.O_RDWR)
        assert lock_alone(other)
        os.close(other)
        assert lock_alone(one)


def test_to_give_back_what_nobody_took_is_no_error(tmp_path: Path) -> None:
    with opened(tmp_path / "lock", 1) as (one,):
        unlock(one)


def test_a_locked_file_can_be_read_and_written(tmp_path: Path) -> None:
    with opened(tmp_path / "lock", 2) as (one, other):
        assert lock_alone(one)
        os.write(one, b"pid 7")
        assert os.read(other, 9) == b"pid 7"


def test_a_file_that_is_open_for_reading_can_be_locked(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    descriptor = os.open(tmp_path / "lock", os.O_RDONLY)
    try:
        assert lock_shared(descriptor)
        unlock(descriptor)
        assert lock_alone(descriptor)
    finally:
        os.close(descriptor)

"""Renaming over a file that a scanner or a reader holds, as Windows refuses it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from connmon_agent.generated_files import write_file
from connmon_agent.replacing import PATIENCE, replace_file


class Holder:
    """A disk on which the target is held for the first ``held`` tries; ``time`` is the seconds that were waited."""

    def __init__(self, held: int) -> None:
        self.held = held
        self.time = 0.0
        self.tries = 0

    def rename(self, source: Path, target: Path) -> None:
        self.tries += 1
        if self.tries <= self.held:
            raise PermissionError(13, "The process cannot access the file")
        os.replace(source, target)

    def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    source, target = tmp_path / "new", tmp_path / "file"
    source.write_text("new")
    target.write_text("old")
    return source, target


@pytest.mark.parametrize("held", [0, 1, 20])
def test_a_file_that_is_held_for_a_second_is_replaced(held: int, files: tuple[Path, Path]) -> None:
    holder = Holder(held)
    replace_file(*files, patience=2.0, sleep=holder.sleep, rename=holder.rename)
    assert files[1].read_text() == "new" and not files[0].exists()
    assert holder.time == pytest.approx(held * 0.05)


def test_one_that_is_held_for_longer_is_an_error_and_nothing_is_lost(files: tuple[Path, Path]) -> None:
    holder = Holder(10_000)
    with pytest.raises(PermissionError):
        replace_file(*files, patience=2.0, sleep=holder.sleep, rename=holder.rename)
    assert (files[0].read_text(), files[1].read_text()) == ("new", "old")
    assert holder.time == pytest.approx(2.0)


def test_a_directory_is_not_waited_for(files: tuple[Path, Path], tmp_path: Path) -> None:
    holder = Holder(10_000)
    with pytest.raises(PermissionError):
        replace_file(files[0], tmp_path, patience=2.0, sleep=holder.sleep, rename=holder.rename)
    assert (holder.tries, holder.time) == (1, 0.0)


def test_where_a_rename_waits_for_no_one_it_is_tried_once(files: tuple[Path, Path]) -> None:
    holder = Holder(1)
    with pytest.raises(PermissionError):
        replace_file(*files, patience=0.0, sleep=holder.sleep, rename=holder.rename)
    assert holder.time == 0
    assert (PATIENCE > 0) == (os.name == "nt")


def test_a_file_that_is_marked_read_only_is_replaced_without_waiting(files: tuple[Path, Path]) -> None:
    """Windows refuses it for as long as the mark is there."""
    source, target = files
    target.chmod(stat.S_IREAD)
    holder = Holder(0)

    def rename(source: Path, target: Path) -> None:
        if not target.stat().st_mode & stat.S_IWRITE:
            raise PermissionError(5, "Access denied")
        holder.rename(source, target)

    replace_file(source, target, patience=2.0, sleep=holder.sleep, rename=rename)
    assert target.read_text() == "new" and holder.time == 0


@pytest.mark.skipif(os.name != "nt", reason="only Windows refuses to replace a file that somebody reads")
def test_a_reader_that_lets_go_in_time_is_waited_for(tmp_path: Path) -> None:
    import threading

    target = tmp_path / "file"
    target.write_text("old")
    reader = target.open()
    release = threading.Timer(0.1, reader.close)
    release.start()
    write_file(target, b"new", replace=True)
    release.join()
    assert target.read_text() == "new"

"""The log files: bounded, whole lines, and never an error, whatever the disk does."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.disks import FaultyDisk, error, full

from connmon_agent.runtime.logs.files import LogFile, StartLog
from connmon_agent.runtime.logs.losses import Losses
from connmon_agent.runtime.logs.places import DATED_PATTERN

LARGEST = 10_000


class Written:
    """A log file on a disk that can be given faults."""

    def __init__(self, folder: Path, *, count: int = 3, largest: int = LARGEST) -> None:
        self.folder = folder
        self.disk = FaultyDisk()
        self.losses = Losses()
        self.count = count
        self.largest = largest
        self.file = LogFile(folder / "a.log", self.disk, self.losses, largest=largest, count=count)

    def write(self, numbers: range) -> list[bool]:
        return [self.file.write(f"line {number:06} {'x' * 40}\n".encode()) for number in numbers]

    @property
    def sizes(self) -> dict[str, int]:
        return {path.name: path.stat().st_size for path in self.folder.iterdir()}

    @property
    def numbers(self) -> list[int]:
        """Of the lines that are kept, oldest first; every line must be whole."""
        kept: list[int] = []
        for path in sorted(self.folder.glob("a.log*"), key=lambda path: (len(path.name), path.name), reverse=True):
            lines = path.read_text().splitlines(keepends=True)
            assert all(line.endswith(f"{'x' * 40}\n") and line.startswith("line ") for line in lines)
            kept += [int(line.split()[1]) for line in lines]
        return kept

    def check_bounds(self) -> None:
        assert len(self.sizes) <= self.count
        assert all(size <= self.largest for size in self.sizes.values())


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Written]:
    log = Written(tmp_path)
    yield log
    log.file.close()


def test_many_lines_take_no_more_than_the_files_may(tmp_path: Path) -> None:
    log = Written(tmp_path, count=5, largest=2_000)
    assert all(log.write(range(400)))
    log.check_bounds()
    assert log.numbers == list(range(400))[-len(log.numbers) :]
    assert sum(log.sizes.values()) > 7_500  # it keeps what it may
    assert log.losses.read().count == 0


def test_one_file_is_begun_anew(tmp_path: Path) -> None:
    log = Written(tmp_path, count=1)
    assert all(log.write(range(400)))
    log.check_bounds()
    assert log.numbers[-1] == 399


def test_a_full_disk_drops_and_counts_and_leaves_no_torn_line(written: Written) -> None:
    written.write(range(10))
    written.disk.room = 100  # one line and a half
    assert written.write(range(10, 30)) == [True] + [False] * 19
    assert written.losses.read().count == 19
    assert "No space left on device" in written.losses.read().reason
    written.disk.room = None
    assert written.write(range(30, 31)) == [True]
    assert written.numbers == [*range(11), 30]


@pytest.mark.parametrize("operation", ["open", "write"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EIO, errno.ENXIO, errno.ESTALE])
def test_no_error_gets_out_and_the_next_line_is_tried(written: Written, operation: str, number: int) -> None:
    written.disk.faults[operation] = lambda *_: error(number)
    assert written.write(range(3)) == [False] * 3
    assert os.strerror(number) in written.losses.read().reason
    written.disk.faults.clear()
    assert written.write(range(3, 4)) == [True]


@pytest.mark.linux_alone(reason="a file that is open is removed")
def test_a_file_that_was_removed_or_exchanged_is_followed(written: Written) -> None:
    written.write(range(3))
    (written.folder / "a.log").unlink()
    written.write(range(3, 5))
    assert written.numbers == [3, 4]
    (written.folder / "a.log").rename(written.folder / "b.log")  # as logrotate does
    written.write(range(5, 6))
    assert written.numbers == [5]


def test_a_file_that_another_program_emptied_goes_on(written: Written) -> None:
    written.write(range(100))
    os.truncate(written.folder / "a.log", 0)
    written.write(range(100, 101))
    assert written.numbers == [100]


@pytest.mark.linux_alone(reason="a file that is open is removed")
def test_a_folder_that_was_removed_is_made_again(tmp_path: Path) -> None:
    log = Written(tmp_path / "logs")
    assert log.write(range(1)) == [True]
    for path in (tmp_path / "logs").iterdir():
        path.unlink()
    (tmp_path / "logs").rmdir()
    assert log.write(range(1, 2)) == [True]
    assert log.numbers == [1]


@pytest.mark.linux_alone(reason="a named pipe lies in a folder")
def test_a_pipe_in_its_place_holds_up_nothing(written: Written) -> None:
    written.write(range(1))
    (written.folder / "a.log").unlink()
    os.mkfifo(written.folder / "a.log")
    assert written.write(range(1, 3)) == [False, False]
    assert "named pipe" in written.losses.read().reason


def is_windows_reader(*names: str) -> object:
    """Windows renames neither a file that another program has open, nor another one over it."""

    def refuse(_operation: str, arguments: tuple[object, ...]) -> OSError | None:
        paths = {argument.name for argument in arguments if isinstance(argument, Path)}
        return error(errno.EACCES) if paths & set(names) else None

    return refuse


def test_where_a_reader_forbids_renaming_the_lines_are_copied_and_none_is_lost(written: Written) -> None:
    written.disk.faults["replace"] = is_windows_reader("a.log")  # type: ignore[assignment]
    assert all(written.write(range(300)))
    written.check_bounds()
    assert set(written.sizes) == {"a.log", "a.log.1"}
    assert written.numbers == list(range(300))[-len(written.numbers) :]
    assert written.losses.read().count == 0


def test_where_nothing_can_be_renamed_or_copied_the_newest_lines_are_kept_and_the_lost_ones_counted(
    written: Written,
) -> None:
    written.disk.faults["replace"] = written.disk.faults["copy"] = lambda *_: error(errno.EACCES)
    assert all(written.write(range(1000)))
    written.check_bounds()
    assert written.numbers[-1] == 999
    assert written.losses.read().count == 1000 - len(written.numbers)


def test_where_nothing_can_be_made_room_for_lines_are_dropped_and_the_bound_holds(written: Written) -> None:
    for operation in ("replace", "copy", "truncate"):
        written.disk.faults[operation] = lambda *_: error(errno.EACCES)
    assert not all(written.write(range(300)))
    written.check_bounds()
    assert written.losses.read().count >= 300 - len(written.numbers)


def test_what_an_earlier_configuration_left_is_brought_within_the_limits(tmp_path: Path) -> None:
    before = Written(tmp_path, count=6, largest=3000)
    before.write(range(400))
    before.file.close()
    assert len(before.sizes) == 6
    now = Written(tmp_path, count=2, largest=2000)
    assert now.write(range(400, 401)) == [True]
    now.check_bounds()
    assert now.numbers[-2:] == [399, 400]


def test_a_line_longer_than_the_file_is_dropped(written: Written) -> None:
    assert not written.file.write(b"x" * LARGEST + b"\n")
    assert written.losses.read().count == 1
    assert written.write(range(1)) == [True]


def test_any_faults_in_any_order_never_raise_nor_exceed_the_bounds(tmp_path: Path) -> None:
    for seed in range(10):
        draw = random.Random(seed)
        (tmp_path / str(seed)).mkdir()
        log = Written(tmp_path / str(seed), count=draw.choice([1, 2, 4]), largest=1000)
        for number in range(100):
            if draw.random() < 0.2:
                refused = draw.sample(["open", "write", "truncate", "replace", "remove", "copy"], draw.randrange(4))
                log.disk.faults = dict.fromkeys(refused, full)
            if draw.random() < 0.05:
                with contextlib.suppress(PermissionError):  # Windows removes no file that is open
                    (log.folder / "a.log").unlink(missing_ok=True)
            log.write(range(number, number + 1))
            log.check_bounds()
        log.file.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB, really full as soon as so much is written."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small tmpfs needs root")
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine mounts no tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.linux_alone(reason="a disk in memory")
def test_a_really_full_disk_drops_and_counts_and_goes_on_when_there_is_room(small_disk: Path) -> None:
    log = Written(small_disk, count=3, largest=1_000_000)
    taken = log.write(range(3000))
    assert taken[0] and not taken[-1]
    assert log.losses.read().count == taken.count(False) > 0
    assert len(log.numbers) == taken.count(True)
    (small_disk / "a.log").unlink()
    assert log.write(range(3000, 3001)) == [True]
    log.file.close()


def test_two_agents_never_write_one_file(written: Written) -> None:
    """Each would rename it under the other."""
    other = Written(written.folder)
    assert all(written.write(range(3)))
    assert other.write(range(3, 5)) == [False, False]
    assert "another agent writes to this file" in other.losses.read().reason
    written.file.close()
    assert other.write(range(5, 6)) == [True]
    assert other.numbers == [0, 1, 2, 5]
    other.file.close()


# The logs of single runs.


def start_log(folder: Path, second: int, *, share: int = 1000, keep: int = 3) -> StartLog:
    name = f"connection_monitor_20261130_1200{second:02}.log"
    return StartLog(folder / name, DATED_PATTERN, FaultyDisk(), Losses(), share=share, keep=keep)


def run(log: StartLog, lines: int = 100) -> None:
    for number in range(lines):
        assert log.write(f"line {number}\n".encode(), b"it goes on elsewhere\n")
    log.close()


def test_a_run_has_its_first_lines_in_a_log_of_its_own_which_says_where_the_others_are(tmp_path: Path) -> None:
    run(start_log(tmp_path, 1), 1000)
    (path,) = tmp_path.iterdir()
    lines = path.read_text().splitlines()
    assert path.stat().st_size <= 1000
    assert lines[0] == "line 0" and lines[-1] == "it goes on elsewhere"
    assert lines.count("it goes on elsewhere") == 1


def test_the_newest_logs_of_runs_are_kept(tmp_path: Path) -> None:
    (tmp_path / "connection_monitor_launcher.log").write_text("not one of them\n")
    for second in range(10):
        run(start_log(tmp_path, second))
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [
        *(f"connection_monitor_20261130_12000{second}.log" for second in (7, 8, 9)),
        "connection_monitor_launcher.log",
    ]
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 3000 + 20


def test_smaller_shares_hold_for_what_lies_there(tmp_path: Path) -> None:
    for second in range(3):
        run(start_log(tmp_path, second), 1000)
    run(start_log(tmp_path, 3, share=100), 1000)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 300

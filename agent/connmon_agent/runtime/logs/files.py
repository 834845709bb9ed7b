"""The log files: appended to by one thread, bounded in size and number, whatever the disk does.

Nothing here raises. A line that cannot be written is dropped and counted; a part of it that was written is taken away
again, so that every line in a file is whole. Where the file was removed or exchanged, the line goes to a new one.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ...private_files import PUBLIC_FOLDER, make_folder
from .disk import Disk
from .losses import Losses

LONGEST_TAIL = 1024 * 1024  # bytes kept of a file that is larger than the limit is now


class LogFile:
    """One file of at most ``largest`` bytes, and ``count - 1`` earlier ones with ``.1``, ``.2`` ... behind the name."""

    def __init__(self, path: Path, disk: Disk, losses: Losses, *, largest: int, count: int) -> None:
        self.path = path
        self._disk = disk
        self._losses = losses
        self._largest = largest
        self._count = count
        self._descriptor: int | None = None
        self._lines = 0  # that were written to the file since it was opened
        self._tidy = False  # what an earlier configuration left was brought within the limits

    def write(self, line: bytes) -> bool:
        """Append a line, which ends in a line feed; whether it was."""
        try:
            self._append(self._find_room(len(line)), line)
        except OSError as error:
            self._losses.add(f"{self.path}: {error.strerror or error}")
            return False
        self._lines += 1
        return True

    def close(self) -> None:
        """Let go of the file; the next line opens it again."""
        if self._descriptor is not None:
            with suppress(OSError):
                self._disk.close(self._descriptor)
            self._descriptor = None

    def _find_room(self, needed: int) -> int:
        """The descriptor of a file with room for so many bytes."""
        if needed > self._largest:
            raise OSError(f"a line of {needed} bytes exceeds the maximum file size")
        descriptor = self._open()
        if self._disk.size(descriptor) + needed > self._largest:
            self._roll()
            descriptor = self._open()
        return descriptor

    def _open(self) -> int:
        if self._descriptor is not None and self._disk.is_at(self._descriptor, self.path):
            return self._descriptor
        self.close()
        try:
            self._descriptor = self._disk.open(self.path)
        except FileNotFoundError:
            make_folder(self.path.parent, PUBLIC_FOLDER)
            self._descriptor = self._disk.open(self.path)
        if not self._disk.claim(self._descriptor):
            self.close()
            raise OSError("another agent writes to this file; set a different logging.dir for each agent")
        if not self._tidy:
            self._tidy = True
            self._fit_in()
        return self._descriptor

    def _append(self, descriptor: int, line: bytes) -> None:
        size = self._disk.size(descriptor)
        try:
            rest = line
            while rest:  # a disk that becomes full takes a part, and says why with the next one
                taken = self._disk.write(descriptor, rest)
                if not taken:
                    raise OSError("the disk accepts no writes")
                rest = rest[taken:]
        except OSError:
            with suppress(OSError):
                self._disk.truncate(descriptor, size)
            raise

    def _roll(self) -> None:
        """Begin the file anew. Its lines become ``.1`` where more than one is kept and the system lets them."""
        lines, self._lines = self._lines, 0
        self.close()  # Windows renames no file that is open
        if self._count > 1:
            try:
                self._shift()
                return
            except OSError:  # somebody has one of them open, or the folder may not be written
                with suppress(OSError):
                    self._disk.copy(self.path, self._numbered(1), self._largest)
                    self._empty()
                    return
            self._losses.add(f"{self.path}: cannot be renamed or copied, so it was truncated", lines)
        self._empty()

    def _shift(self) -> None:
        for number in range(self._count - 1, 0, -1):
            source = self._numbered(number - 1) if number > 1 else self.path
            with suppress(FileNotFoundError):
                self._disk.replace(self._numbered(number), by=source)

    def _empty(self) -> None:
        self._disk.truncate(self._open(), 0)

    def _fit_in(self) -> None:
        """Bring what lies there within the limits, which were others when it was written."""
        for path, size in self._list_earlier().items():
            with suppress(OSError, ValueError):
                if int(path.suffix[1:]) >= self._count:
                    self._disk.remove(path)
                elif size > self._largest:
                    self._disk.copy(path, path, min(self._largest, LONGEST_TAIL))
        if self._descriptor is not None and self._disk.size(self._descriptor) > self._largest:
            self._disk.copy(self.path, self.path, min(self._largest, LONGEST_TAIL))

    def _list_earlier(self) -> dict[Path, int]:
        try:
            return self._disk.sizes(self.path.parent, f"{self.path.name}.[0-9]*")
        except OSError:
            return {}

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


class StartLog:
    """The log of one run: its first ``share`` bytes of lines. The main log has them too, and goes on.

    Of earlier runs' logs the newest ``keep - 1`` are kept, and of all together ``keep`` times ``share`` bytes.
    """

    def __init__(self, path: Path, pattern: str, disk: Disk, losses: Losses, *, share: int, keep: int) -> None:
        self._file = LogFile(path, disk, losses, largest=share, count=1)
        self._pattern = pattern
        self._disk = disk
        self._losses = losses
        self._share = share
        self._keep = keep
        self._written: int | None = None  # bytes; None: the run has not written yet

    def write(self, line: bytes, farewell: bytes) -> bool:
        """Append a line, or, once, ``farewell`` where it has no room. False: a line was dropped that had room."""
        if self._written is None:
            self._written = self._begin()
        if self._written + len(line) + len(farewell) > self._share:
            line = farewell if self._written < self._share else b""
            self._written = self._share
        self._written = min(self._share, self._written + len(line))
        return not line or self._file.write(line)

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def _begin(self) -> int:
        """Make room for this run; returns how much of its share has been taken, by whatever could not be removed."""
        path = self._file.path
        try:
            sizes = self._disk.sizes(path.parent, self._pattern)
        except OSError:
            return 0
        own = sizes.pop(path, 0)
        spared = list(sizes)[-(self._keep - 1) :] if self._keep > 1 else []
        for other in list(sizes):
            if other not in spared or sizes[other] > self._share:
                with suppress(OSError):
                    self._disk.remove(other)
                    del sizes[other]
        overdrawn = sum(sizes.values()) - (self._keep - 1) * self._share
        return min(self._share, own + max(0, overdrawn))

"""What the log files need of the operating system, as a port: tests implement disks that are full or refuse."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Protocol

from ...files import refuse_special
from ...locks import lock_alone
from ...private_files import forbid_writing

READABLE = 0o644


class Disk(Protocol):
    """Files by their path, and by the descriptor of an open one. Everything raises OSError."""

    def open(self, path: Path) -> int:
        """Open a file for appending, made where it is missing; what is no file is refused."""

    def write(self, descriptor: int, data: bytes) -> int:
        """Append; returns how many bytes were taken."""

    def truncate(self, descriptor: int, size: int) -> None: ...

    def size(self, descriptor: int) -> int: ...

    def is_at(self, descriptor: int, path: Path) -> bool:
        """Whether the open file is still the one at ``path``. Never raises."""

    def claim(self, descriptor: int) -> bool:
        """Keep other processes from claiming the open file, until it is closed; False: one has claimed it. Never
        raises: a file system without locks cannot tell.
        """

    def close(self, descriptor: int) -> None: ...

    def replace(self, path: Path, by: Path) -> None:
        """Rename ``by`` to ``path``, over what is there."""

    def remove(self, path: Path) -> None: ...

    def copy(self, source: Path, target: Path, tail: int) -> None:
        """Make the last ``tail`` bytes of ``source``, from the beginning of a line, the content of ``target``, which
        may be the same file.
        """

    def sizes(self, folder: Path, pattern: str) -> dict[Path, int]:
        """The files in a folder whose names match, with their sizes, in the order of their names."""


class LocalDisk:
    """The disk of this machine; see ``Disk``."""

    def open(self, path: Path) -> int:
        refuse_special(path)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        descriptor = os.open(path, flags, READABLE)
        forbid_writing(path)
        return descriptor

    def write(self, descriptor: int, data: bytes) -> int:
        return os.write(descriptor, data)

    def truncate(self, descriptor: int, size: int) -> None:
        os.ftruncate(descriptor, size)

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def is_at(self, descriptor: int, path: Path) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(path))
        except OSError:
            return False

    def claim(self, descriptor: int) -> bool:
        try:
            return lock_alone(descriptor)
        except OSError:
            return True

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def replace(self, path: Path, by: Path) -> None:
        os.replace(by, path)

    def remove(self, path: Path) -> None:
        path.unlink()

    def copy(self, source: Path, target: Path, tail: int) -> None:
        refuse_special(source)
        refuse_special(target)
        with source.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - tail))
            if size > tail:
                stream.readline()
            if source == target:
                target.write_bytes(stream.read())
            else:
                with target.open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
        forbid_writing(target)

    def sizes(self, folder: Path, pattern: str) -> dict[Path, int]:
        return {path: path.stat().st_size for path in sorted(folder.glob(pattern)) if path.is_file()}

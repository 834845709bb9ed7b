"""A unit's text in a file of its own."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConnmonError
from ..files import read_file
from ..private_files import PUBLIC_FOLDER, make_folder

MOST = 1_000_000  # bytes of a file that may be one of ours
MODE = 0o644


@dataclass(frozen=True, slots=True)
class UnitFile:
    """``Place`` of a file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self) -> str | None:
        try:
            return read_file(self.path, MOST).decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unusable(self.path, error, "read") from error

    def write(self, text: str) -> None:
        beside = self.path.with_name(f".{self.path.name}.new")
        try:
            make_folder(self.path.parent, PUBLIC_FOLDER)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
            with open(os.open(beside, flags, MODE), "wb") as stream:
                beside.chmod(MODE)  # whatever the umask says
                stream.write(text.encode("utf-8", "surrogateescape"))
                stream.flush()
                os.fsync(stream.fileno())
            beside.replace(self.path)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise _unusable(self.path, error, "written") from error

    def remove(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(self.path, error, "removed") from error


def _unusable(path: Path, error: OSError, what: str) -> ConnmonError:
    return ConnmonError(
        f"{path} cannot be {what}: {error.strerror or error}",
        hint=f"Check who may use {path.parent} and whether its disk is writable",
    )

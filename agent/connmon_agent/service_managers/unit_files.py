"""A unit's text in a file of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import ConnmonError
from ..files import read_file
from ..generated_files import write_file
from ..private_files import PUBLIC_FOLDER, make_folder

MOST = 1_000_000  # bytes of a file that may be one of ours


@dataclass(frozen=True, slots=True)
class UnitFile:
    """``Place`` of a file."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    @property
    def removal(self) -> str:
        return "Move it away"

    def read(self) -> str | None:
        try:
            return read_file(self.path, MOST).decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unusable(self.path, error, "read") from error

    def write(self, text: str) -> None:
        try:
            make_folder(self.path.parent, PUBLIC_FOLDER)
        except OSError as error:
            raise _unusable(self.path, error, "written") from error
        write_file(self.path, text.encode("utf-8", "surrogateescape"), replace=True)

    def remove(self) -> None:
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise _unusable(self.path, error, "removed") from error


def _unusable(path: Path, error: OSError, what: str) -> ConnmonError:
    return ConnmonError(
        f"{path} cannot be {what}: {error.strerror or error}",
        hint=f"Check the permissions of {path.parent} and whether its disk is writable",
    )

"""What `journalctl -x` says of the agent's messages: a file for journald, beside the unit."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..errors import ConnmonError
from ..message_catalog import HEAD, catalog_text
from .interface import NAME, Run
from .unit_files import UnitFile

FOLDER = Path("usr/local/lib/systemd/catalog")  # where journald looks besides its own
UPDATE = ("journalctl", "--update-catalog")


class Catalog:
    """The file of one machine, below ``root``. It is a convenience: nothing here fails an installation."""

    def __init__(self, root: Path, run: Run) -> None:
        self._file = UnitFile(root / FOLDER / f"{NAME}.catalog")
        self._run = run

    def install(self) -> list[str]:
        """Write it where it is missing or of another version; returns what was done, in sentences."""
        with suppress(ConnmonError, OSError):
            found = self._file.read()
            if found != catalog_text() and (found is None or found.startswith(HEAD)):
                self._file.write(catalog_text())
                self._run(UPDATE)
                return [f"Wrote {self._file.name}: `journalctl -x` now explains the agent's messages"]
        return []

    def remove(self) -> list[str]:
        """Take it away where it is ours."""
        with suppress(ConnmonError, OSError):
            if (self._file.read() or "").startswith(HEAD):
                self._file.remove()
                self._run(UPDATE)
                return [f"Removed {self._file.name}"]
        return []

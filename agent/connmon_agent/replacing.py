"""Renaming a file over another one that others may have open.

On Windows that is refused while a virus scanner, an indexer or a reader holds the file, mostly for less than a second,
and where the file is marked as read-only. Elsewhere neither matters to a rename.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE = 2.0 if os.name == "nt" else 0.0  # seconds; a scanner needs less for a file of some kilobytes
PAUSE = 0.05  # seconds between two tries


def replace_file(
    source: Path,
    target: Path,
    *,
    patience: float = PATIENCE,
    sleep: Callable[[float], None] = time.sleep,
    rename: Callable[[Path, Path], None] = os.replace,
) -> None:
    """Rename ``source`` to ``target``, over what is there. Waits up to ``patience`` seconds for those who hold it.

    Never on an event loop. Raises OSError as ``os.replace`` does; ``source`` is still there then.
    """
    waited = 0.0
    while True:
        try:
            rename(source, target)
            return
        except PermissionError:
            if waited >= patience or target.is_dir():  # which no rename replaces, however long one waits
                raise
        if not _take_read_only_off(target):
            sleep(PAUSE)
            waited += PAUSE


def _take_read_only_off(path: Path) -> bool:
    """Whether ``path`` was marked as read-only, and is not any more."""
    try:
        mode = os.stat(path).st_mode
        if mode & stat.S_IWRITE:
            return False
        os.chmod(path, mode | stat.S_IWRITE)
        return bool(os.stat(path).st_mode & stat.S_IWRITE)
    except OSError:
        return False

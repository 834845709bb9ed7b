"""Paths in a configuration file: relative ones, ``~``, and Windows paths on another system."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

from .values import Reader, Value, read_text


def file_path(base: Path, home: Path | None) -> Reader[Path]:
    """A reader of absolute paths: a relative one starts at ``base``, ``~`` is ``home``."""

    def read(value: Value) -> Path:
        text = read_text(value)
        if text == "~" or text.startswith("~/"):
            if home is None:
                value.reject("this user has no home directory", "write the path in full")
            return Path(os.path.normpath(home / text[2:]))
        return Path(os.path.normpath(base / text))

    return read


def resolve_windows_path(text: str, base: Path, platform: str) -> Path:
    """The path that a Windows program wrote as ``text``, on ``platform`` (as ``sys.platform``).

    Elsewhere than on Windows there is no drive: ``C:\\ERP\\logs`` is then ``ERP/logs`` under ``base``, and ``..`` leads
    out of it as it does on Windows. A path that begins with a slash is this system's own.
    """
    if platform == "win32" or text.startswith("/"):
        return Path(os.path.normpath(base / text))
    path = PureWindowsPath(text)
    return Path(os.path.normpath(base.joinpath(*path.parts[1:] if path.anchor else path.parts)))

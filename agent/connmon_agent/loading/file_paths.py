"""Paths in a configuration file: relative ones, ``~``, environment variables, and Windows paths on another system."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from .places import Surroundings, base_of
from .values import Reader, Value, described, read_text, schema_of

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_LONG_NAME = rf"{_NAME}(?:\(x86\))?"  # as in %ProgramFiles(x86)%
_VARIABLE = re.compile(
    r"%%|\$\$"  # one % or $
    rf"|%({_LONG_NAME})%"  # cmd.exe
    rf"|\$\{{(?:(?i:env):)?({_LONG_NAME})\}}|\$(?i:env):({_NAME})"  # PowerShell, and ${{NAME}} of a shell
    rf"|\$({_NAME})"  # a shell
)
# What only a shell or PowerShell could work out: an expression, a property, a default value.
_EXPRESSION = re.compile(r"\$[({]")


@dataclass(frozen=True, slots=True)
class PathRules:
    """What a path of one configuration file means on this machine.

    Relative paths start at ``base``, ``~`` is ``home`` (None: this user has none), ``environment`` holds the variables,
    and ``platform`` is as ``sys.platform``.
    """

    base: Path
    home: Path | None
    environment: Mapping[str, str]
    platform: str

    @classmethod
    def of(cls, config: Path, surroundings: Surroundings) -> PathRules:
        """The rules for paths in the file ``config``."""
        base = base_of(config, surroundings.folder)
        return cls(base, surroundings.home, surroundings.environment, surroundings.platform)

    def expand(self, value: Value, text: str) -> str:
        """``text`` with its ``~`` and variables replaced. Raises Rejected where one of them has no value here,
        and on Windows where the path names a drive and no directory on it.
        """
        if text == "~" or text.startswith(("~/", "~\\")):
            text = self._find_home(value) + text[1:]
        if _EXPRESSION.search(_VARIABLE.sub("", text)):
            value.reject("holds an expression that only a shell can evaluate", "write the path in full")
        found = _VARIABLE.sub(lambda found: self._find_variable(value, found), text)
        if self.platform == "win32":
            _refuse_drive_alone(value, PureWindowsPath(found))
        return found

    def _find_home(self, value: Value) -> str:
        if self.home is None:
            value.reject("this user has no home directory", "write the path in full")
        return str(self.home)

    def _find_variable(self, value: Value, found: re.Match[str]) -> str:
        name = next((name for name in found.groups() if name), None)
        if name is None:
            return found[0][0]
        windows = self.platform == "win32"  # its variables have no case; os.environ holds them in capitals
        content = self.environment.get(name) or (self.environment.get(name.upper()) if windows else None)
        if content is None and name == "HOME" and self.home is not None:
            return str(self.home)
        if not content:
            remedy = "set it for the user who runs connmon-agent, or write the path in full"
            value.reject(f"the environment variable {name} is not set", remedy)
        if not content.isprintable():
            value.reject(f"the environment variable {name} holds a character that cannot be printed", "correct it")
        return content


def _refuse_drive_alone(value: Value, path: PureWindowsPath) -> None:
    """``C:logs`` is where the process that reads it happens to be on that drive: a service elsewhere than a console."""
    if path.drive.endswith(":") and not path.root:
        rest = str(path)[len(path.drive) :]
        remedy = f"write {path.drive}\\{rest} or what you mean in full"
        value.reject(f"is relative to the current directory of drive {path.drive}", remedy)


def escape_path(path: Path) -> str:
    """``path``, which is absolute, as a configuration file writes it: expanding it gives it back."""
    return str(path).replace("%", "%%").replace("$", "$$")


def file_path(rules: PathRules) -> Reader[Path]:
    """A reader of absolute paths, as ``rules`` say."""

    @described(lambda: schema_of(read_text))
    def read(value: Value) -> Path:
        return Path(os.path.normpath(rules.base / rules.expand(value, read_text(value))))

    return read


def windows_file_path(rules: PathRules, read: Reader[str]) -> Reader[Path | None]:
    """A reader of paths that a Windows program wrote, as ``rules`` say; None for an empty text."""

    def read_path(value: Value) -> Path | None:
        text = read(value)
        if not text:
            return None
        expanded = rules.expand(value, text)
        if expanded != text and rules.platform != "win32":
            expanded = rules.expand(value, text.replace("\\", "/"))  # behind what a variable holds here
        return resolve_windows_path(expanded, rules.base, rules.platform)

    return read_path


def resolve_windows_path(text: str, base: Path, platform: str) -> Path:
    """The path that a Windows program wrote as ``text``, on ``platform`` (as ``sys.platform``).

    Elsewhere than on Windows there is no drive: ``C:\\ERP\\logs`` is then ``ERP/logs`` under ``base``, and ``..`` leads
    out of it as it does on Windows. A path that begins with a slash is this system's own.
    """
    if platform == "win32" or text.startswith("/"):
        return Path(os.path.normpath(base / text))
    path = PureWindowsPath(text)
    return Path(os.path.normpath(base.joinpath(*path.parts[1:] if path.anchor else path.parts)))

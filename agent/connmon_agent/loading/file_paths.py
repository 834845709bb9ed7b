"""Paths in a configuration file: relative ones, ``~``, environment variables, and Windows paths on another system."""

from __future__ import annotations

import os
import re
from pathlib import Path, PureWindowsPath

from ..errors import InvariantError
from .places import PathRules
from .values import Schema, Value, ValueType, quote_text, read_text

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


class FilePath(ValueType[Path]):
    """Absolute paths, and others by the rules of the file that holds them."""

    limits = "a path"

    def schema(self) -> Schema:
        return {"type": "string", "minLength": 1}

    def read(self, value: Value) -> Path:
        rules = rules_of(value)
        return Path(os.path.normpath(rules.base / expand_path(rules, value, read_text(value))))

    def write(self, found: Path) -> str:
        """An absolute path, so that it means the same in every file."""
        return quote_text(escape_path(found))


def rules_of(value: Value) -> PathRules:
    """What paths in the file of ``value`` mean. Raises InvariantError where the file was read without saying so."""
    if value.problems.paths is None:
        raise InvariantError("a path was read from a file without the rules for its paths")
    return value.problems.paths


def expand_path(rules: PathRules, value: Value, text: str) -> str:
    """``text`` with its ``~`` and variables replaced. Raises Rejected where one of them has no value here,
    and on Windows where the path names a drive and no directory on it.
    """
    if text == "~" or text.startswith(("~/", "~\\")):
        text = _find_home(rules, value) + text[1:]
    if _EXPRESSION.search(_VARIABLE.sub("", text)):
        value.reject("contains an expression that only a shell can evaluate", "write the full path")
    found = _VARIABLE.sub(lambda found: _find_variable(rules, value, found), text)
    if rules.platform == "win32":
        _refuse_drive_alone(value, PureWindowsPath(found))
    return found


def _find_home(rules: PathRules, value: Value) -> str:
    if rules.home is None:
        value.reject("this user has no home directory", "write the full path")
    return str(rules.home)


def _find_variable(rules: PathRules, value: Value, found: re.Match[str]) -> str:
    name = next((name for name in found.groups() if name), None)
    if name is None:
        return found[0][0]
    windows = rules.platform == "win32"  # its variables have no case; os.environ holds them in capitals
    content = rules.environment.get(name) or (rules.environment.get(name.upper()) if windows else None)
    if content is None and name == "HOME" and rules.home is not None:
        return str(rules.home)
    if not content:
        remedy = "set it for the user who runs connmon-agent, or write the full path"
        value.reject(f"the environment variable {name} is not set", remedy)
    if not content.isprintable():
        value.reject(f"the environment variable {name} contains a character that cannot be printed", "correct it")
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


def read_windows_path(value: Value, text: str) -> Path | None:
    """The path that a Windows program wrote as ``text``, which ``value`` holds; None for an empty text."""
    if not text:
        return None
    rules = rules_of(value)
    expanded = expand_path(rules, value, text)
    if expanded != text and rules.platform != "win32":
        expanded = expand_path(rules, value, text.replace("\\", "/"))  # behind what a variable holds here
    return resolve_windows_path(expanded, rules.base, rules.platform)


def resolve_windows_path(text: str, base: Path, platform: str) -> Path:
    """The path that a Windows program wrote as ``text``, on ``platform`` (as ``sys.platform``).

    Elsewhere than on Windows there is no drive: ``C:\\ERP\\logs`` is then ``ERP/logs`` under ``base``, and ``..`` leads
    out of it as it does on Windows. A path that begins with a slash is this system's own.
    """
    if platform == "win32" or text.startswith("/"):
        return Path(os.path.normpath(base / text))
    path = PureWindowsPath(text)
    return Path(os.path.normpath(base.joinpath(*path.parts[1:] if path.anchor else path.parts)))


PATH = FilePath()

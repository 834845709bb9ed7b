"""Where configuration and state live on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

from ..presence import LOCK_FILE

_NAME = "connmon-agent"
_FILE = "connmon.yaml"
ERP_FILE = Path("config/system_config.json")  # in the ERP's folder

# Where an agent of the machine, not of a user, keeps its state when nothing else is said: Linux, macOS, Windows.
MACHINE_STATE_DIRS = (
    Path("/var/lib") / _NAME,
    Path("/Library/Application Support") / _NAME / "state",
    Path(os.environ.get("PROGRAMDATA") or r"C:\ProgramData") / _NAME / "state",
)


class ProcessContext(Struct, frozen=True):
    """What the choice of a place depends on. ``platform`` as ``sys.platform``; ``home`` None: this user has none."""

    environment: Mapping[str, str]
    platform: str
    superuser: bool
    home: Path | None
    folder: Path  # the working directory

    @classmethod
    def of_this_process(cls, environment: Mapping[str, str]) -> ProcessContext:
        """The process's own, with ``environment`` in the place of its environment."""
        home = environment.get("USERPROFILE" if sys.platform == "win32" else "HOME")
        superuser = sys.platform != "win32" and os.geteuid() == 0
        return cls(environment, sys.platform, superuser, Path(home) if home else None, Path.cwd())


class PathRules(NamedTuple):
    """What a path of one configuration file means on this machine.

    Relative paths start at ``base``, ``~`` is ``home`` (None: this user has none), ``environment`` holds the variables,
    and ``platform`` is as ``sys.platform``.
    """

    base: Path
    home: Path | None
    environment: Mapping[str, str]
    platform: str

    @classmethod
    def of(cls, config: Path, process_context: ProcessContext) -> PathRules:
        """The rules for paths in the file ``config``."""
        base = base_of(config, process_context.folder)
        return cls(base, process_context.home, process_context.environment, process_context.platform)


def list_config_candidates(process_context: ProcessContext) -> list[Path]:
    """The files that are looked for when none was named, the first one that is there being meant.

    ``config/connmon.yaml`` in the working directory, then this user's, then the machine's, then the ERP's file in the
    working directory: it has other owners, and who wrote a file of our own meant that one.
    """
    own = [Path("config") / _FILE, *(folder / _NAME / _FILE for folder in _config_folders(process_context))]
    return [*own, ERP_FILE]


def _config_folders(process_context: ProcessContext) -> list[Path]:
    if process_context.platform == "win32":
        return [_program_data(process_context)]
    if process_context.platform == "darwin":
        return [Path("/Library/Application Support")]
    own = process_context.environment.get("XDG_CONFIG_HOME") or (
        process_context.home and process_context.home / ".config"
    )
    return [*([Path(own)] if own else []), Path("/etc")]


def _program_data(process_context: ProcessContext) -> Path:
    return Path(process_context.environment.get("ProgramData") or r"C:\ProgramData")


def find_config(process_context: ProcessContext) -> Path | None:
    """The first candidate that is there; None when none is. One that may not be looked at counts as there:
    passing it over for the defaults would restart other services than the machine's owner wrote down.
    """
    for candidate in list_config_candidates(process_context):
        try:
            (process_context.folder / candidate).stat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            pass
        return candidate
    return None


def base_of(config: Path, folder: Path) -> Path:
    """Where relative paths in the file ``config`` start: above a folder named ``config``, in any case as Windows has
    it, else in the file's folder.
    """
    parent = _absolute(config, folder).parent
    return parent.parent if _is_config_folder(parent) else parent


def _is_config_folder(folder: Path) -> bool:
    return folder.name.lower() == "config"


def choose_state_dir(
    option: Path | None, key: Path | None, config: Path | None, process_context: ProcessContext
) -> Path:
    """The state directory, absolute: the command line's, else the file's, else $STATE_DIRECTORY (systemd sets it),
    else ``var`` beside the folder ``config`` of a checkout or where an agent kept its state, else the platform's.
    """
    folder = process_context.folder
    if option is not None:
        return _absolute(option, folder)
    if key is not None:
        return key
    if given := process_context.environment.get("STATE_DIRECTORY"):
        return _absolute(Path(given.split(os.pathsep)[0]), folder)
    if config is not None and _is_config_folder(_absolute(config, folder).parent):
        beside = base_of(config, folder) / "var"
        if _holds_state(beside):
            return beside
    return _platform_state_dir(process_context)


def _holds_state(folder: Path) -> bool:
    """Whether it is a checkout's, or an agent has run in it. A folder of that name alone is none: the ERP's log folder
    is ``var/logs``, and an agent that makes it must not be missed there by the next command.
    """
    try:
        return folder.is_dir() and ((folder.parent / "statecharts").is_dir() or (folder / LOCK_FILE).exists())
    except PermissionError:
        return True  # closed to this user, as an agent of another user keeps its state


def _platform_state_dir(process_context: ProcessContext) -> Path:
    home = process_context.home or process_context.folder
    if process_context.platform == "win32":
        return _program_data(process_context) / _NAME / "state"
    if process_context.platform == "darwin":
        return (Path("/") if process_context.superuser else home) / "Library/Application Support" / _NAME / "state"
    if process_context.superuser:
        return Path("/var/lib") / _NAME
    return Path(process_context.environment.get("XDG_STATE_HOME") or home / ".local/state") / _NAME


def _absolute(path: Path, folder: Path) -> Path:
    joined = Path(os.path.normpath(folder / path))
    return joined if joined.is_absolute() else Path(os.path.abspath(joined))  # C:state is relative on its own drive

"""The names of the log files, and the folder that they are in. The names are those of the ERP's PowerShell monitor."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from ...settings import LoggingSettings
from ...wall_times import in_zone
from .journald import is_journal

MAIN_LOG = "connection_monitor.log"  # what the agent says, over all its runs
LAUNCHER_LOG = "connection_monitor_launcher.log"  # each step of those who start and stop it
EARLIER_MAIN_LOG = "connmon-agent.log"  # what MAIN_LOG was called in earlier versions
LAUNCHER_ROOM = 2 * 64 * 1024  # bytes of the launcher's log and the one before it
_DATED = "connection_monitor_{:%Y%m%d_%H%M%S}.log"
DATED_PATTERN = "connection_monitor_" + "[0-9]" * 8 + "_" + "[0-9]" * 6 + ".log"  # for fnmatch and Path.glob

# Modes whose stderr is read by no person, unless it is the system's journal.
_SUPERVISED = ("task", "service")


def dated_name(started: float) -> str:
    """The name of the log of the run that began at ``started`` (Unix seconds), in local time."""
    return _DATED.format(in_zone(started))


def log_folder(
    settings: LoggingSettings,
    state_dir: Path,
    *,
    mode: str = "foreground",
    environment: Mapping[str, str] = os.environ,
    journaled: bool | None = None,
) -> Path | None:
    """The folder of the log files; None: no file is written, because stderr has a reader.

    ``logging.dir``, else $LOGS_DIRECTORY (systemd's ``LogsDirectory=`` sets it). Without both: ``logs`` in the state
    directory for the modes that have no terminal; for task and service unless stderr is the system's journal
    (``journaled``; None: look). A process that detached itself has no stderr any more.
    """
    if settings.dir is not None:
        return settings.dir
    if given := environment.get("LOGS_DIRECTORY"):
        return Path(given.split(os.pathsep)[0])
    if mode.lower() == "background":
        return state_dir / "logs"
    if mode.lower() in _SUPERVISED:
        # Not the variable alone: a desktop's terminals inherit it, too.
        read = is_journal(sys.stderr, environment) if journaled is None else journaled
        return None if read else state_dir / "logs"
    return None

"""The logs: what the running agent says, what those who start it did, and where both are written."""

from .launcher import LauncherLog
from .log import Log
from .places import LAUNCHER_LOG, MAIN_LOG, dated_name, log_folder

__all__ = ["LAUNCHER_LOG", "MAIN_LOG", "LauncherLog", "Log", "dated_name", "log_folder"]

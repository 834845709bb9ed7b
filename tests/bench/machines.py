"""The machine that was measured, in general words."""

from __future__ import annotations

import os
import platform
import sqlite3
from pathlib import Path

import psutil

from connmon_agent.runtime.examinations import file_system_of


def describe_machine(folder: Path) -> str:
    """Processors, memory, system and what lies under ``folder``, where the state files of the run are."""
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} processors, {memory:.0f} GiB, {platform.system()} {platform.release()},"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" {file_system_of(folder) or 'unknown file system'}, load {os.getloadavg()[0]:.1f} at the start"
    )

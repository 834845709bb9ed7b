"""What a mode of `start` means for the agent that runs in it."""

from __future__ import annotations

import os
from dataclasses import replace
from enum import StrEnum

from msgspec import structs

from ..presence import Signature
from ..settings import BUILT_IN, Settings
from .logs import log_folder


class Mode(StrEnum):
    """How the agent was started, and by whom.

    FOREGROUND: by a person, in a terminal, or by anything that reads its stderr. BACKGROUND: by a command that returned
    once the agent was ready. TASK: by a scheduler (Task Scheduler, cron, a timer). SERVICE: by a service manager
    (systemd, launchd).
    """

    FOREGROUND = "foreground"
    BACKGROUND = "background"
    TASK = "task"
    SERVICE = "service"

    @property
    def silent(self) -> bool:
        """Whether stderr has no reader: what the agent says goes to its log files alone."""
        return self in (Mode.BACKGROUND, Mode.TASK)


def fit_logging(settings: Settings, *, silent: bool) -> Settings:
    """``settings`` without the lines on stderr where it has no reader (``silent``)."""
    if not silent:
        return settings
    return replace(settings, logging=structs.replace(settings.logging, console=False))


def sign(settings: Settings, mode: Mode) -> Signature:
    """What stands beside the lock of an agent with these settings."""
    logs = log_folder(settings.logging, settings.state_dir, mode=mode)
    return Signature(
        mode=mode.value,
        config=None if settings.source == BUILT_IN else os.path.abspath(settings.source),
        logs=None if logs is None else str(logs),
        stop_timeout=settings.stop_timeout,
    )

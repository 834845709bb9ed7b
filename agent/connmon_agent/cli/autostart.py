"""``connmon-agent autostart``: what the ERP's starter calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from click.exceptions import Exit

from ..errors import AlreadyRunning
from ..settings import BUILT_IN, Settings
from .invocations import Invocation, name_start_key


@click.command(short_help="Start the agent if the ERP allows it.")
@click.pass_context
def autostart(ctx: click.Context) -> None:
    """Start the agent in the mode that system_config.json names, if that file allows it.

    If Enabled or AutoStart is false, or an agent is already running, it prints one line and exits with 0.
    """
    from ..presence import find_agent  # not for --help

    invocation: Invocation = ctx.obj
    settings = invocation.settings()
    files = [settings, *find_erp_settings(invocation, settings)]
    refusal = find_refusal(files)
    if refusal is not None:
        _tell(settings, f"Not started: {refusal}.")
        return
    pid = find_agent(settings.state_dir)
    if pid is not None:
        _tell(settings, f"Not started: an agent is already running{f' (pid {pid})' if pid else ''}.")
        return
    try:
        start_in(ctx, choose_mode(files))
    except (AlreadyRunning, Exit):
        if find_agent(settings.state_dir) is None:
            raise
        _tell(settings, "Not started: another agent was started at the same time.")


def start_in(ctx: click.Context, mode: str) -> None:
    """Start the agent in ``mode``; all but foreground return. Raises ConnmonError, and Exit with the agent's exit code.

    A service is started by its manager: a process beside it could not be restarted by that.
    """
    if mode in ("background", "task"):
        from .background import start_in_background  # not for --help

        start_in_background(ctx.obj, mode)
    elif mode == "service":
        from .service import start_installed  # not for --help

        click.echo("\n".join(f"{line}." for line in start_installed()) or "The service is already running.")
    else:
        from .start import start  # not for --help

        ctx.invoke(start, mode=mode)


def find_erp_settings(invocation: Invocation, settings: Settings) -> list[Settings]:
    """What the file of ``find_erp_file`` says; empty: there is none. Raises ConfigurationError."""
    from ..loading.configuration import load_settings  # not for --help

    path = find_erp_file(settings)
    if path is None:
        return []
    return [load_settings(path, state_dir=settings.state_dir, environment=invocation.environment)]


def find_erp_file(settings: Settings) -> Path | None:
    """The ERP's file where the configuration in force is another one: the ERP's switches count all the same.

    It lies beside the file in force or in the working directory. None: there is none, or it is the one in force.
    """
    from ..loading.places import ERP_FILE  # not for --help

    if settings.source.lower().endswith(".json"):
        return None
    beside = [] if settings.source == BUILT_IN else [Path(settings.source).parent / ERP_FILE.name]
    return next((path for path in (*beside, ERP_FILE) if path.is_file()), None)


def find_refusal(files: Sequence[Settings]) -> str | None:
    """Why nothing is started: the first switch that is off in any of the files. None: all of them are on."""
    for settings in files:
        for name, on in (("enabled", settings.start.enabled), ("autostart", settings.start.autostart)):
            if not on:
                return f"{name_start_key(settings, name)} is false in {settings.source}"
    return None


def choose_mode(files: Sequence[Settings]) -> str:
    """The mode of the first file that names one; else the default."""
    named = (settings for settings in files if _names_mode(settings))
    return next(named, files[0]).start.mode


def _names_mode(settings: Settings) -> bool:
    return any(usage.key.lower() in ("start.mode", "connectionmonitor.mode") for usage in settings.usages)


def _tell(settings: Settings, text: str) -> None:
    """Say it, and add it to the launcher's log where that is kept already: doing nothing makes no folder."""
    from ..runtime.logs.launcher import LauncherLog  # not for --help
    from ..runtime.logs.places import log_folder
    from .stop import is_own

    click.echo(text)
    folder = log_folder(settings.logging, settings.state_dir, mode="background")
    if folder is not None and folder.is_dir() and is_own(folder):
        LauncherLog(folder)(f"autostart: {text}")

"""``stop``, ``restart`` and ``reload``: what is asked of the running agent's process."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConnmonError, NotRunning, Refused, ReloadRefused
from ..platform_terms import name_service_command
from ..settings import MODES
from .invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..presence import Holder
    from ..runtime.stopping import Stopped

RELOAD_PATIENCE = 60.0  # seconds; files may lie on a slow disk, and a reload waits for the one before
STARTED_AGAIN = 3.0  # seconds in which a service manager that restarts whatever ends shows
RESTARTED_WITHIN = 60.0  # seconds that a service manager and the start may take
MANAGER_PATIENCE = 12.0  # seconds; Windows' manager waits up to 10 s before it starts a service again
GLANCE = 0.1  # seconds between two looks

FORCE = click.option(
    "--force",
    is_flag=True,
    help="Kill it if it does not exit in time. Only a process proven to be this agent is killed.",
)


@click.command(short_help="Stop the running agent.")
@FORCE
@click.pass_obj
def stop(invocation: Invocation, force: bool) -> None:
    """Stop the running agent and wait until its process has exited.

    Restarts in progress are continued by the next start. Exits with 3 if no agent is running.
    """
    folder = invocation.state_directory()
    stopped = stop_running(folder, force=force)
    if stopped.holder.signature.mode == "service":
        _warn_of_restart(folder)
    click.echo(describe(stopped))
    if stopped.holder.signature.mode == "task" and sys.platform == "win32":
        _warn_of_scheduler()


@click.command(short_help="Restart the running agent.")
@FORCE
@click.option(
    "--mode",
    type=click.Choice([mode for mode in MODES if mode != "ports"], case_sensitive=False),
    help="Start it in this mode, even if no agent is running.  [default: the mode in which it runs]",
)
@click.pass_context
def restart(ctx: click.Context, force: bool, mode: str | None) -> None:
    """Stop the running agent and start it again, in the same mode and with the same configuration file.

    The configuration is checked first; if it has mistakes, the agent keeps running. An agent of a service manager is
    restarted by that manager. One in a terminal continues in this terminal, any other one in the background. Exits with
    3 if no agent is running and --mode is not given.
    """
    from ..runtime.stopping import find_running  # not for --help

    invocation: Invocation = ctx.obj
    folder = invocation.state_directory()
    try:
        holder = find_running(folder)
    except NotRunning:
        if mode is None:
            raise
        ctx.exit(_start(invocation, mode))
    invocation = _like(invocation, holder, folder)
    invocation.settings_to_start()
    managed = mode in (None, "service") and holder.signature.mode == "service"
    if not managed:
        _refuse_other_user(holder)
    help_along = _find_helper(holder.pid) if managed else None
    with _past_hangup():
        stopped = stop_running(folder, force=force, again=managed)
        with suppress(OSError):  # what is written next says that nothing can be written; the agent starts first
            click.echo(describe(stopped))
        if managed:
            _await_manager(folder, holder, help_along)
        else:
            ctx.exit(_start(invocation, mode or holder.signature.mode or MODES[0]))


@click.command(short_help="Reload the configuration.")
@click.pass_obj
def reload(invocation: Invocation) -> None:
    """Make the running agent read its configuration again, and wait until it is in force or refused.

    Exits with 2 if it is refused; the previous configuration stays in force. Exits with 3 if no agent is running.
    """
    from ..runtime.control import ask_agent  # not for --help
    from ..runtime.stopping import find_running

    folder = invocation.state_directory()
    find_running(folder)
    try:
        answer = _retry(lambda: ask_agent(folder, "reload", patience=RELOAD_PATIENCE))
    except Refused as refusal:
        raise ReloadRefused(
            f"the new configuration is refused; the previous one stays in force:\n{refusal.message}"
        ) from None
    click.echo(f"The configuration is in force: {answer.get('source')}")
    warnings = answer.get("warnings")
    for warning in warnings if isinstance(warnings, list) else []:
        click.echo(f"Warning: {warning}", err=True)


def _retry(ask: Callable[[], dict[str, object]]) -> dict[str, object]:
    """Ask again while the agent is starting."""
    until = time.monotonic() + RESTARTED_WITHIN / 2
    while True:
        try:
            return ask()
        except NotRunning:
            if time.monotonic() >= until:
                raise
            time.sleep(GLANCE)


@contextmanager
def _past_hangup() -> Iterator[None]:
    """Go on where the terminal vanishes: between the end of one agent and the start of the next nothing is watched."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _like(invocation: Invocation, holder: Holder, folder: Path) -> Invocation:
    """This call with the configuration and the state directory of the running agent, unless others are named."""
    config = holder.signature.config
    named = invocation.config_path is not None or config is None
    return replace(invocation, config_path=invocation.config_path if named else Path(str(config)), state_dir=folder)


def stop_running(folder: Path, *, force: bool, again: bool = False) -> Stopped:
    """Stop the agent of the state directory ``folder``, and leave a line in its launcher's log. Raises ConnmonError.

    ``again``: its service manager starts it again.
    """
    from ..runtime.logs import LauncherLog  # not for --help
    from ..runtime.stopping import find_running, stop_agent

    logs = find_running(folder).signature.logs
    note = LauncherLog(Path(logs)) if logs is not None and is_own(Path(logs)) else lambda text: None
    doing = f"{'restart' if again else 'stop'}{' --force' if force else ''}"
    note(doing)
    try:
        stopped = stop_agent(folder, again=again, force=force)
    except ConnmonError as error:
        note(f"{doing} failed: {error}")
        raise
    note(describe(stopped))
    return stopped


def is_own(folder: Path) -> bool:
    """Whether this user owns the folder: root follows no link that another user has put there."""
    try:
        return not hasattr(os, "geteuid") or folder.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _refuse_other_user(holder: Holder) -> None:
    """Raise ConnmonError where the agent runs as another user: started by this one it would own the state."""
    from ..processes import find_other_user  # not for --help

    user = find_other_user(holder.pid)
    if user is not None:
        raise ConnmonError(
            f"the agent (pid {holder.pid}) runs as another user ({user})", hint="Run `restart` as that user"
        )


def describe(stopped: Stopped) -> str:
    """How the agent ended, in one sentence."""
    pid, seconds = stopped.holder.pid, stopped.seconds
    if stopped.forced:
        return f"The agent (pid {pid}) did not exit in time and was killed after {seconds:.1f} s."
    return f"The agent (pid {pid}) stopped after {seconds:.1f} s."


def _start(invocation: Invocation, mode: str) -> int:
    """Start an agent in that mode; returns the exit code."""
    from .background import start_in_background  # not for --help
    from .start import start_in_mode

    if mode == "task":  # its scheduler may start it only at the next boot
        start_in_background(invocation, mode)
        return 0
    return start_in_mode(invocation, mode)


def _warn_of_restart(folder: Path) -> None:
    """Raises ConnmonError where the service manager has started another agent since."""
    from ..presence import find_agent  # not for --help

    until = time.monotonic() + STARTED_AGAIN
    while time.monotonic() < until:
        if (pid := find_agent(folder)) is not None:
            raise ConnmonError(
                f"the agent was stopped, but its service manager started it again (pid {pid or 'unknown'})",
                hint=f"Stop it with the service manager: {name_service_command('stop')}",
            )
        time.sleep(GLANCE)


def _warn_of_scheduler() -> None:
    """Say how it stays down where `service install` made a scheduled task."""
    from ..service_managers.interface import NAME, run_command  # not for --help
    from ..service_managers.scheduled_tasks import KEPT_DOWN, is_registered

    with suppress(ConnmonError):
        if is_registered(NAME, run_command):
            click.echo(f"Note: {KEPT_DOWN}.", err=True)


def _find_helper(pid: int) -> Callable[[], None] | None:
    """What starts the service of the process ``pid`` where Windows' manager has not, whose failure actions somebody may
    have changed; None: it is no service of ours there.
    """
    if sys.platform != "win32":
        return None
    from ..service_managers.windows_services import find_service, start_stopped, this_machine  # not for --help

    door = this_machine()
    name = find_service(pid, door)
    return None if name is None else lambda: start_stopped(name, door)


def _await_manager(folder: Path, before: Holder, help_along: Callable[[], None] | None) -> None:
    """Return once the service manager has started another agent, and that one is ready. Raises ConnmonError.

    ``help_along`` is called when it has not begun to in ``MANAGER_PATIENCE``.
    """
    from ..presence import find_holder  # not for --help
    from ..runtime.control import ask_agent

    began = time.monotonic()
    until = began + RESTARTED_WITHIN
    while time.monotonic() < until:
        if help_along is not None and time.monotonic() - began >= MANAGER_PATIENCE:
            help_along()
            help_along = None
        holder = find_holder(folder)
        if holder is not None and holder.signature.mode is not None and holder.birth != before.birth:
            try:
                ask_agent(folder, "ready", patience=max(1.0, until - time.monotonic()))
                click.echo(f"Its service manager started it again (pid {holder.pid}).")
                return
            except ConnmonError:
                pass  # it does not listen yet, or has failed: the manager may try again
        time.sleep(GLANCE)
    raise ConnmonError(
        f"the agent stopped, but its service manager did not start it again within {RESTARTED_WITHIN:g} s",
        hint=f"Start it with the service manager: {name_service_command('start')}",
    )

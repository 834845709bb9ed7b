"""``connmon-agent status``: the current state, read from the store; no agent has to run."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from ..core.world import World
from ..errors import ConnmonError, NothingRecorded, NotRunning
from ..presence import find_agent, name_owner
from ..store.reading import Reader
from . import screens
from .invocations import Invocation
from .outputs import echo_json
from .rendering.snapshots import Snapshot
from .rendering.status_document import status_document, without_pulse
from .rendering.status_text import render_status

INTERVAL = 1.0  # seconds between two looks of --watch


@click.command()
@click.option("--json", is_flag=True, help="One JSON document (with --watch, one per line).")
@click.option("--watch", is_flag=True, help="Refresh until Ctrl-C; in a pipe, print again at every change.")
@click.option("--check", is_flag=True, help="One line for Nagios and similar; exits with 0, 1, 2 or 3.")
@click.pass_context
def status(ctx: click.Context, json: bool, watch: bool, check: bool) -> None:
    """Show the current state.

    It reads the state file; no running agent is needed. Exits with 3 if no agent is running.
    """
    invocation: Invocation = ctx.obj
    if check:
        if json or watch:
            raise click.UsageError("--check cannot be combined with --json or --watch")
        if severity := check_state(invocation):  # `exit(0)` is that of --help, which is UNKNOWN to a plugin
            ctx.exit(severity)
        return
    database = invocation.database()
    redraw = watch and not json and screens.can_redraw()
    show = _json_shower(compact=watch) if json else _text_shower(apart=watch and not redraw)
    if watch:
        with suppress(KeyboardInterrupt):
            clear = screens.clear if redraw else None
            watch_status(lambda: take_snapshot(database), show=show, sleep=time.sleep, clear=clear)
        return
    snapshot = take_snapshot(database)
    show(snapshot)
    if not snapshot.running:
        ctx.exit(NotRunning.exit_code)


def check_state(invocation: Invocation) -> int:
    """Print the line of a monitoring plugin; returns its exit code. Raises nothing: what fails is UNKNOWN."""
    from .rendering.plugin_line import Severity, check_line, write_text  # not for --help

    try:
        severity, line = check_line(take_snapshot(invocation.database()))
    except ConnmonError as error:
        severity, line = Severity.UNKNOWN, write_text(Severity.UNKNOWN, error.message)
    except Exception as error:
        severity, line = Severity.UNKNOWN, write_text(Severity.UNKNOWN, f"internal error: {error!r}")
    click.echo(line)
    return severity


def take_snapshot(database: Path) -> Snapshot:
    """The state as it is now. Raises StoreError; a database with nothing in it is an agent that never ran."""
    pid = find_agent(database.parent)
    try:
        with Reader(database) as reader:
            world, agent, latest = reader.world(), reader.agent(), reader.latest_round()
            events, size = reader.counts()
            traffic, errors = reader.latest_traffic(), reader.internal_errors()
            unverified, loss, notices = reader.unverified_api(), reader.log_loss(), tuple(reader.notices())
    except NothingRecorded:
        return Snapshot(time.time(), str(database), World(store=""), pid, None, None, 0, 0)
    world = world or World(store="")
    return Snapshot(
        time.time(), str(database), world, pid, agent, latest, events, size, traffic, errors, unverified, loss, notices
    )


def watch_status(
    take: Callable[[], Snapshot],
    *,
    show: Callable[[Snapshot], None],
    sleep: Callable[[float], None],
    clear: Callable[[], None] | None,
) -> None:
    """Show the state every INTERVAL after ``clear``; without one (None), only when it changed. Ends by an exception."""
    shown: object = None
    while True:
        snapshot = take()
        news = without_pulse(status_document(snapshot))
        if clear is not None:
            clear()
        if clear is not None or news != shown:
            show(snapshot)
            shown = news
        sleep(INTERVAL)


def _json_shower(*, compact: bool) -> Callable[[Snapshot], None]:
    indent = None if compact else 2
    return lambda snapshot: echo_json(status_document(snapshot), indent=indent)


def _text_shower(*, apart: bool) -> Callable[[Snapshot], None]:
    def show(snapshot: Snapshot) -> None:
        click.echo(_write_text(snapshot) + ("\n" if apart else ""))

    return show


def _write_text(snapshot: Snapshot) -> str:
    if snapshot.events == 0 and not snapshot.running:
        return _tell_never_run(snapshot.path)
    return render_status(snapshot, width=screens.width_of_output(), paint=screens.painter())


def _tell_never_run(path: str) -> str:
    """Where else a state directory is: often the agent runs as root and somebody else asks."""
    from ..loading.places import MACHINE_STATE_DIRS  # what a running agent's status does not need

    told = f"No agent has run with this state directory: there is no {path}."
    others = [folder for folder in MACHINE_STATE_DIRS if folder.is_dir() and folder != Path(path).parent]
    if not others:
        return f"{told}\nStart one: connmon-agent start"
    if sys.platform == "win32":
        return f"{told}\nThere is {', '.join(map(str, others))}. Name it with --state-dir"
    there = ", ".join(f"{folder} (of {name_owner(folder)})" for folder in others)
    return f"{told}\nThere is {there}. Run: sudo connmon-agent status, or name it with --state-dir"

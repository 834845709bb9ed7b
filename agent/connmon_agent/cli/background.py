"""Starting the agent in the background: a process that outlives the terminal, waited for until it is ready."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from ..errors import ConnmonError
from .invocations import Invocation

if TYPE_CHECKING:
    from ..runtime.starter_pipe import Failed

# What a service manager or the journal gave to the one who starts, and is not meant for an agent in the background.
NOT_INHERITED = (
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
    "LISTEN_PID",
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "JOURNAL_STREAM",
    "INVOCATION_ID",
)

# Lists of paths, of which relative ones start at the working directory; "HOME" and the like are lists of one.
PATHS = ("KUBECONFIG", "STATE_DIRECTORY", "LOGS_DIRECTORY", "HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")


def start_in_background(invocation: Invocation, mode: str) -> None:
    """Start an agent that lives on when this process ends, and return once it is ready.

    ``mode`` is the one that the agent runs in, "background" or "task". Its process id and its log are printed. Where it
    fails, its own reason is printed and its exit code is this command's; raises ConnmonError where it gave none.
    """
    from ..processes import spawn_detached  # not for --help
    from ..runtime.starter_pipe import Failed, wait_for_start

    process = spawn_detached(_command(invocation, mode), _environment(os.environ, Path.cwd()))
    try:
        outcome = wait_for_start(process)
    except KeyboardInterrupt:
        process.terminate()
        raise
    if isinstance(outcome, Failed):
        _explain(outcome, mode)
    process.returncode = 0  # it is not ours to wait for any more
    click.echo(f"connmon-agent is running in the background (pid {outcome.pid}). {outcome.status}")
    if outcome.log is not None:
        click.echo(f"Log: {outcome.log}")


def _command(invocation: Invocation, mode: str) -> list[str]:
    # -P: no module of the working directory is taken for one of ours. utf8: its words come in no code page of Windows.
    words = ["-X", "utf8"] if sys.platform == "win32" else []
    python = [sys.executable, *words, "-P", "-m", __package__.partition(".")[0]]
    return [*python, *invocation.arguments(), "start", "--mode", mode, "--detached"]


def _environment(environment: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The new process's, which works in another directory than ``folder``, this one."""
    kept = {name: value for name, value in environment.items() if name not in NOT_INHERITED}
    # Where the package was found beside or through a relative path, the new process must find it, too.
    source = Path(__file__).parents[2]
    given = [folder / entry for entry in kept.get("PYTHONPATH", "").split(os.pathsep) if entry]
    if given or source == folder:
        kept["PYTHONPATH"] = os.pathsep.join(map(str, [*given, *([source] if source == folder else [])]))
    for name in PATHS:
        if paths := kept.get(name):
            kept[name] = os.pathsep.join(str(folder / path) for path in paths.split(os.pathsep) if path)
    return kept


def _explain(failed: Failed, mode: str) -> NoReturn:
    """Pass on what the agent said, which is an error as the commands write it, else say what is known."""
    from click.exceptions import Exit  # not for --help

    from ..runtime.logs import LauncherLog  # not for --help

    if failed.words:
        click.echo(failed.words, err=True)
    error = _name_failure(failed)
    if error is None:
        raise Exit(failed.code or 1)
    if failed.logs is not None:  # the agent itself could not write it there
        LauncherLog(Path(failed.logs))(f"start --mode {mode}: {error}")
    raise error


def _name_failure(failed: Failed) -> ConnmonError | None:
    """What the agent did not say itself; None: it said why it failed."""
    if failed.code is None:
        return ConnmonError(
            "the agent was not ready in time and was killed",
            hint="Check the disk of the state directory, or run `connmon-agent start` to see where it stops",
        )
    if failed.code < 0:
        return ConnmonError(
            f"the agent was killed by signal {-failed.code} before it was ready",
            hint="Check the kernel log; signal 9 often means that the machine ran out of memory",
        )
    if not failed.words:
        return ConnmonError(
            f"the agent exited with code {failed.code} before it was ready, without a message",
            hint="Run `connmon-agent start` to see why",
        )
    return None

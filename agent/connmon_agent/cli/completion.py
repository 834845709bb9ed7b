"""``connmon-agent completion``: the script that makes a shell complete commands, options and names of services."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click
from click.shell_completion import ShellComplete, get_completion_class

from .examples import PROGRAM
from .invocations import Invocation
from .outputs import echo_data

if TYPE_CHECKING:
    from ..store.reading import Reader

T = TypeVar("T")

VARIABLE = "_CONNMON_AGENT_COMPLETE"  # the script sets it when it asks for completions
LONGEST = 3.0  # seconds for one completion; a shell waits for it

SHELLS = ("bash", "zsh", "fish")


@click.command(short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete commands, options and service names.

    Service names come from the state file; no running agent is needed.
    """
    echo_data(make_script(ctx.find_root().command, shell))


def make_script(root: click.Command, shell: str) -> str:
    """The script for ``shell``, one of SHELLS. Raises KeyError for another one."""
    kind = get_completion_class(shell)
    if kind is None:
        raise KeyError(shell)
    maker = kind(root, {}, PROGRAM, VARIABLE)
    script = ShellComplete.source(maker)  # not bash's own, which runs bash to learn its version
    # bash 4.3 and older, as on macOS, know no option nosort.
    return re.sub(r"(complete) -o nosort (-F .*)", r"\1 -o nosort \2 2>/dev/null || \1 \2", script)


def answer(root: click.Command) -> None:
    """Print the completions that a shell asks for. Whatever fails, or takes too long, prints nothing."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # a disk or a lock that hangs: the process just ends
        signal.setitimer(signal.ITIMER_REAL, LONGEST)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, contextlib.redirect_stderr(nowhere):
        try:
            root(prog_name=PROGRAM, complete_var=VARIABLE)
        except SystemExit:
            raise
        except BaseException:
            sys.exit(1)


def complete_services(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The services of the state file that are not named yet on this line."""
    given = ctx.params.get(param.name or "") or ()
    return [name for name in _read(ctx, _list_services) if name.startswith(incomplete) and name not in given]


def complete_outages(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """``latest``, and the numbers of the outages in the state file, the newest first."""
    numbers = [str(outage.id) for outage in reversed(_read(ctx, lambda reader: reader.outages()))]
    return [word for word in ("latest", *numbers) if word.startswith(incomplete)]


def complete_explained(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """``now``, and the services of the state file."""
    return [word for word in ("now", *_read(ctx, _list_services)) if word.startswith(incomplete)]


def complete_charts(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """The names of the statecharts."""
    from ..loading.charts import find_charts_folder  # not for --help

    with contextlib.suppress(Exception):
        names = sorted(path.stem for path in find_charts_folder().glob("*.yaml"))
        return [name for name in names if name.startswith(incomplete)]
    return []


def _list_services(reader: Reader) -> list[str]:
    world = reader.world()
    return [] if world is None else [plan.name for plan in world.plan.services]


def _read(ctx: click.Context, find: Callable[[Reader], list[T]]) -> list[T]:
    """What ``find`` finds in the state file that the line before the cursor means; nothing where there is none."""
    given = ctx.find_root().params
    with contextlib.suppress(Exception):
        from ..store.reading import Reader  # not for --help

        invocation = Invocation(given.get("config_path"), given.get("state_dir"))
        with Reader(invocation.database()) as reader:
            return find(reader)
    return []

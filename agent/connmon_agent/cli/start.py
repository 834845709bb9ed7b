"""``connmon-agent start``: the agent in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import click

from .invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..runtime.agent import Agent
    from ..runtime.build import Runner
    from ..runtime.logs import Log
    from ..settings import Settings

MODES = ("foreground", "ports")


@click.command(short_help="Run the agent.")
@click.option(
    "--mode",
    type=click.Choice(MODES, case_sensitive=False),
    default=MODES[0],
    show_default=True,
    help="foreground: run it here; ports: show the local ports, as `connmon-agent ports` does.",
)
@click.pass_context
def start(ctx: click.Context, mode: str) -> None:
    """Run the agent in the foreground, with one line on stderr for each decision.

    SIGTERM and Ctrl-C end it in order; whatever is under way then goes on at the next start. SIGHUP reads the
    configuration again and takes it over whole, or keeps the old one and says what is wrong.
    """
    if mode == "ports":
        from .ports import ports

        ctx.invoke(ports)
        return
    from ..runtime.logs import Log, log_folder

    invocation: Invocation = ctx.obj
    settings = invocation.settings_to_start()
    folder = partial(log_folder, state_dir=settings.state_dir, mode=mode)
    with closing(Log(settings.logging, beside=True, folder=folder)) as log:
        code = asyncio.run(_run(invocation, settings, log))
    ctx.exit(code)


async def _run(invocation: Invocation, settings: Settings, log: Log) -> int:
    """Run the agent to its end; returns the exit code."""
    from ..runtime.build import run_agent
    from ..runtime.ending import Ending
    from ..runtime.reloading import Reloads, warn
    from ..service_managers.joining import join_manager

    manager = join_manager(os.environ, os.getpid())
    endings: list[Ending] = []

    def on_ready(agent: Agent, runner: Runner) -> None:
        warn(log, settings, runner.now())
        runner.keep(log)
        ending, reloads = Ending(agent), Reloads(invocation.settings, runner, log)
        endings.append(ending)
        runner.handlers.update(stop=ending.answer, reload=reloads.answer)
        _listen_to_signals(ending.end, reloads.begin)

    await run_agent(
        settings,
        say=log,
        on_ready=on_ready,
        announcer=None if manager is None else manager.announcer,
        store=None if manager is None else manager.store,
    )
    return endings[0].exit_code


def _listen_to_signals(end: Callable[[str], None], reload: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for name in ("SIGTERM", "SIGINT"):
        number = getattr(signal, name)
        try:
            loop.add_signal_handler(number, end, name)
        except NotImplementedError:  # Windows: the loop takes no handlers, the interpreter does
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(end, signal.Signals(number).name))
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reload)

"""``connmon-agent start``: the agent in the foreground."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import closing
from typing import TYPE_CHECKING

import click

from .invocations import Invocation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.moments import Moment
    from ..runtime.agent import Agent
    from ..runtime.build import Runner
    from ..runtime.logs import Log
    from ..settings import Settings


GRACE = 2.0  # seconds after the agent's own time to end; only a mistake of ours takes them
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
    from ..runtime.logs import Log

    invocation: Invocation = ctx.obj
    settings = invocation.settings_to_start()
    with closing(Log(settings.logging, beside=True)) as log:
        asyncio.run(_run(invocation, settings, log))


async def _run(invocation: Invocation, settings: Settings, log: Log) -> None:
    from ..runtime.build import run_agent
    from ..service_managers.joining import join_manager

    manager = join_manager(os.environ, os.getpid())

    def on_ready(agent: Agent, runner: Runner) -> None:
        _warn(log, settings, runner.now())
        _listen_to_signals(agent, _Reloads(invocation, runner, log).begin)

    await run_agent(
        settings,
        say=log,
        on_ready=on_ready,
        announcer=None if manager is None else manager.announcer,
        store=None if manager is None else manager.store,
    )


def _listen_to_signals(agent: Agent, reload: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()

    def end(reason: str) -> None:
        agent.end(reason)
        _leave_at_last(agent.time_left + GRACE)

    for name in ("SIGTERM", "SIGINT"):
        number = getattr(signal, name)
        try:
            loop.add_signal_handler(number, end, name)
        except NotImplementedError:  # Windows: the loop takes no handlers, the interpreter does
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(end, signal.Signals(number).name))
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reload)


def _leave_at_last(seconds: float) -> None:
    """End the process if it still lives in so many seconds, whatever holds it: to the state file that is a kill."""
    timer = threading.Timer(seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


class _Reloads:
    """Takes the configuration over at each SIGHUP, one at a time; its files are read beside the event loop."""

    def __init__(self, invocation: Invocation, runner: Runner, log: Log) -> None:
        self._parts = (invocation, runner, log)
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> None:
        """Begin a reload, after those that are under way."""
        from ..supervision import supervise

        supervise("take the configuration over", self._reload, tasks=self._tasks, again=False)

    async def _reload(self) -> None:
        async with self._turn:
            await _reload(*self._parts)


async def _reload(invocation: Invocation, runner: Runner, log: Log) -> None:
    """Take the configuration over whole or not at all."""
    from ..errors import ConfigurationError, ConnmonError
    from ..runtime.sentences import Sentence

    now = runner.now()
    refusal: str | None = None
    runner.announcer.reloading()
    try:
        settings = await asyncio.to_thread(invocation.settings)
        with log.turning_to(await asyncio.to_thread(log.prepare, settings.logging)):
            await runner.reload(settings)
    except ConfigurationError as error:
        refusal = str(error)
        for problem in error.problems:
            log(Sentence(now, "error", "agent", f"the configuration is not taken over: {problem}"))
    except ConnmonError as error:
        refusal = str(error)
        log(Sentence(now, "error", "agent", f"the configuration is not taken over: {error}"))
    except Exception as error:  # a mistake of ours: the agent goes on with what it has
        text = f"the configuration is not taken over: internal error, please report it: {error!r}"
        refusal = text
        log(Sentence(now, "error", "agent", text))
    else:
        log(Sentence(now, "info", "agent", f"the configuration was read again from {settings.source}"))
        _warn(log, settings, now)
    runner.announcer.reloaded(refusal)


def _warn(log: Log, settings: Settings, at: Moment) -> None:
    """Name what the configuration probably does not mean as it is written."""
    from ..runtime.sentences import Sentence

    for warning in settings.warnings:
        log(Sentence(at, "warning", "agent", str(warning)))

"""``connmon-agent start``: the agent, in the mode that suits whoever starts it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import AlreadyRunning, ConnmonError
from ..settings import MODES
from .invocations import Invocation

if TYPE_CHECKING:
    from ..ports import Announcer, ListenerStore
    from ..runtime.agent import Agent
    from ..runtime.build import Runner
    from ..runtime.logs import LauncherLog, Log
    from ..runtime.modes import Mode
    from ..service_managers.windows_process import ServiceProcess
    from ..settings import Settings


@click.command(short_help="Run the agent.")
@click.option(
    "--mode",
    type=click.Choice(MODES, case_sensitive=False),
    default=MODES[0],
    show_default=True,
    help="foreground: run here; background: start it and return when it is ready; task: for a scheduler; service: "
    "for a service manager; ports: show the local ports, as `connmon-agent ports` does. Upper or lower case.",
)
@click.option("--detached", is_flag=True, hidden=True, help="This is the process that runs in the background.")
@click.option(
    "--service", metavar="NAME", hidden=True, help="Name under which the Windows service control manager started it."
)
@click.pass_context
def start(ctx: click.Context, mode: str, detached: bool, service: str | None) -> None:
    """Run the agent. In the foreground it prints one line on stderr for each decision.

    `stop`, Ctrl-C and SIGTERM shut it down cleanly; on Windows also closing the console, logging off and a shutdown.
    Work in progress continues at the next start. `reload` (or SIGHUP) reads the configuration again; if it has
    mistakes, the previous one stays in force.
    """
    if mode == "ports":
        from .ports import ports  # not for --help

        ctx.invoke(ports)
        return
    if service is not None:
        ctx.exit(_serve(ctx.obj, service))
    ctx.exit(start_in_mode(ctx.obj, mode, detached=detached))


def start_in_mode(invocation: Invocation, mode: str, *, detached: bool = False) -> int:
    """Run the agent to its end and return the exit code; in the background, return once it is ready.

    ``mode`` is one of ``settings.MODES`` but "ports". ``detached``: this is the process in the background. Raises
    ConfigurationError, Disabled where the configuration says not to start, AlreadyRunning and other ConnmonErrors.
    """
    from ..runtime.modes import Mode  # not for --help

    chosen = Mode(mode)
    if chosen is Mode.BACKGROUND and not detached:
        from .background import start_in_background  # not for --help

        start_in_background(invocation, mode)
        return 0
    if detached:
        invocation = invocation.pinned()
    try:
        return _run_here(invocation, chosen, detached=detached)
    except AlreadyRunning as error:
        if chosen is not Mode.TASK:
            raise
        # A scheduler starts it again and again, so that it runs: it does.
        click.echo(f"{error.message}: nothing to do")
        return 0


def _serve(invocation: Invocation, name: str) -> int:
    """Run the agent as the service ``name`` of Windows' service control manager."""
    from ..runtime.logs import LauncherLog  # not for --help
    from ..runtime.modes import Mode
    from ..service_managers.windows_process import serve

    with serve(name) as process:
        try:
            invocation.settings_to_start()
        except ConnmonError as error:  # what names the folder of the logs is not known, and there is no terminal
            with suppress(ConnmonError):
                LauncherLog(invocation.state_directory() / "logs")(f"start --mode service: {error}")
            raise
        code = _run_here(invocation, Mode.SERVICE, detached=False, process=process)
        process.stopped(code)
        return code


def _run_here(invocation: Invocation, mode: Mode, *, detached: bool, process: ServiceProcess | None = None) -> int:
    from ..runtime.build import make_state_dir  # not for --help
    from ..runtime.logs import LauncherLog, Log, log_folder
    from ..runtime.loops import run
    from ..runtime.modes import fit_logging

    silent = mode.silent or process is not None
    settings = fit_logging(invocation.settings_to_start(), silent=silent)
    place = partial(log_folder, state_dir=settings.state_dir, mode=mode)
    folder = place(settings.logging)
    if folder is not None and folder.is_relative_to(settings.state_dir):
        make_state_dir(settings.state_dir)  # before its logs, which make their folders for everybody to read
    launcher = LauncherLog(folder) if folder is not None and silent else None
    with _noting(launcher, mode):
        starter = _Starter(process) if process is not None else _find_starter(folder, detached=detached)
        if starter.announcer is not None and not detached:
            mode = type(mode).SERVICE  # whatever it was called in: a service manager waits for word of it
        if detached:
            os.chdir(Path.cwd().anchor)  # no file system is kept from being unmounted
        with closing(Log(settings.logging, beside=True, folder=place)) as log:
            return run(_run(invocation, settings, mode, log, starter))


@contextmanager
def _noting(launcher: LauncherLog | None, mode: Mode) -> Iterator[None]:
    """Note the start in the launcher's log, and why it failed: it may have no terminal."""
    note = launcher or (lambda text: None)
    note(f"start --mode {mode}")
    try:
        yield
    except ConnmonError as error:
        note(f"start --mode {mode}: {error}")
        raise


@dataclass(frozen=True, slots=True)
class _Starter:
    """Whoever waits for word of the agent, and keeps its sockets; None: no one does."""

    announcer: Announcer | None = None
    store: ListenerStore | None = None


def _find_starter(folder: Path | None, *, detached: bool) -> _Starter:
    """Whoever started this process. ``folder`` is the logs'."""
    if detached:
        from ..runtime.starter_pipe import StarterPipe  # not for --help

        return _Starter(StarterPipe(folder))
    from ..service_managers.joining import join_manager  # not for --help

    manager = join_manager(os.environ, os.getpid())
    return _Starter() if manager is None else _Starter(manager.announcer, manager.store)


async def _run(invocation: Invocation, settings: Settings, mode: Mode, log: Log, starter: _Starter) -> int:
    """Run the agent to its end; returns the exit code."""
    from ..runtime.build import run_agent  # not for --help
    from ..runtime.ending import Ending
    from ..runtime.modes import fit_logging, sign
    from ..runtime.reloading import Reloads, warn
    from ..runtime.signals import calling, listen_to_signals
    from ..service_managers.windows_process import ServiceProcess

    endings: list[Ending] = []
    announcer = starter.announcer
    process = announcer if isinstance(announcer, ServiceProcess) else None

    def read() -> Settings:
        return fit_logging(invocation.settings(), silent=mode.silent or process is not None)

    def on_ready(agent: Agent, runner: Runner) -> None:
        warn(log, settings, runner.now())
        runner.keep(log)
        ending, reloads = Ending(agent), Reloads(read, runner, log)
        endings.append(ending)
        runner.handlers.update(stop=ending.answer, ready=ending.answer_when_ready, reload=reloads.answer)
        listen_to_signals(ending.end, reloads.begin)
        if process is not None:
            process.listen(calling(ending.end), calling(reloads.begin))

    signature = sign(settings, mode)
    await run_agent(settings, say=log, on_ready=on_ready, announcer=announcer, store=starter.store, signature=signature)
    return endings[0].exit_code

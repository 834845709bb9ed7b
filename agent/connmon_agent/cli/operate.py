"""``pause``, ``resume``, ``recover``, ``rearm``: an operator's orders, durable once the command returns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ..errors import AlreadyRunning, NotRunning
from .completion import complete_services
from .invocations import Invocation

if TYPE_CHECKING:
    from pathlib import Path

    from ..core.events import Order

PATIENCE = 30.0  # seconds; an agent that starts listens well before, even on a busy machine
PAUSE = 0.05  # seconds between two attempts


@click.command(short_help="Pause restarts until resume.")
@click.pass_obj
def pause(invocation: Invocation) -> None:
    """Pause restarts until `resume`. The link and restarts in progress are still watched."""
    from ..core.events import Order  # not for --help

    running = _give(invocation, Order.PAUSE, ())
    _tell("Paused. Nothing is restarted until `connmon-agent resume`.", running=running)


@click.command(short_help="End pause.")
@click.pass_obj
def resume(invocation: Invocation) -> None:
    """End `pause`. A waiting recovery continues."""
    from ..core.events import Order  # not for --help

    running = _give(invocation, Order.RESUME, ())
    _tell("Resumed.", running=running)


@click.command(short_help="Restart services now.")
@click.argument("services", nargs=-1, metavar="[SERVICE]...", shell_complete=complete_services)
@click.pass_obj
def recover(invocation: Invocation, services: tuple[str, ...]) -> None:
    """Restart the named services, or all of them, in dependency order, without an outage.

    During a recovery it skips the rest of the hold. It is refused while the link is down.
    """
    from ..core.events import Order  # not for --help

    running = _give(invocation, Order.RECOVER, services)
    _tell("Recovery requested. Run `connmon-agent status --watch` to follow it.", running=running)


@click.command(short_help="Reset the restart attempts of services.")
@click.argument("services", nargs=-1, metavar="[SERVICE]...", shell_complete=complete_services)
@click.pass_obj
def rearm(invocation: Invocation, services: tuple[str, ...]) -> None:
    """Reset the restart attempts of the named services, or of all, including those that gave up. Fix the cause first.

    During a recovery they are restarted again; otherwise run `recover`.
    """
    from ..core.events import Order  # not for --help

    running = _give(invocation, Order.REARM, services)
    names = " ".join(services)
    recover_now = f"connmon-agent recover {names}".rstrip()
    _tell(f"Restart attempts reset. Run `{recover_now}` to restart now.", running=running)


def _give(invocation: Invocation, order: Order, services: tuple[str, ...]) -> bool:
    """Give the order to the running agent, or record it for the next start. Returns whether an agent runs."""
    folder, until = invocation.state_directory(), time.monotonic() + PATIENCE
    while True:
        try:
            return _give_now(folder, order, services)
        except (NotRunning, AlreadyRunning):  # an agent that starts or ends just now, or another order
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE)


def _give_now(folder: Path, order: Order, services: tuple[str, ...]) -> bool:
    from ..presence import find_agent  # not for --help

    if find_agent(folder) is not None:
        from ..runtime.control import send_order  # not for --help

        send_order(folder, order, services)
        return True
    from ..runtime.control_transports import name_sender  # not for --help
    from ..runtime.order_recording import record_order

    damage = record_order(folder, order, services, by=name_sender())
    if damage is not None:
        click.echo(f"Note: {damage}", err=True)
    return False


def _tell(text: str, *, running: bool) -> None:
    click.echo(text)
    if not running:
        click.echo("The agent is not running. This is recorded; it takes effect when the agent next starts.")

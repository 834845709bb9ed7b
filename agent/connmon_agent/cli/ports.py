"""``connmon-agent ports``: the local ports of the services, who has them, and which one each service gets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConnmonError
from ..presence import find_agent
from . import screens
from .invocations import Invocation
from .outputs import echo_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.plan import ForwardPlan
    from ..core.world import Forward
    from ..settings import Settings
    from .rendering.port_views import ServiceView


@click.command(short_help="Show the local ports and which programs use them.")
@click.option("--json", is_flag=True, help="One JSON document.")
@click.pass_context
def ports(ctx: click.Context, json: bool) -> None:
    """Show every local port of every service: free, ours, or in use by which program, and the port each service gets.

    It checks this machine and reads the state file; neither the agent nor the cluster has to run. Root sees all
    processes. It changes nothing. Exits with 1 if a service has no port.
    """
    from .rendering.port_tables import ports_document, render_ports  # not for --help

    invocation: Invocation = ctx.obj
    services = look_at_ports(invocation.settings())
    if json:
        echo_json(ports_document(services))
    else:
        click.echo(render_ports(services, width=screens.width_of_output(), paint=screens.painter()))
    if any(service.assigned is None for service in services):
        ctx.exit(1)


def look_at_ports(settings: Settings) -> list[ServiceView]:
    """The ports of every service that has some, as they are now."""
    from ..sockets.examining import find_obstacles  # not for --help
    from .rendering.port_views import view_services

    plans = _plans(settings)
    wanted = {port: plan.bind for plan in plans.values() for port in plan.candidates}
    agent, remembered = _find_agent(settings.state_dir), _recall(settings.state_dir)
    return view_services(plans, find_obstacles(wanted), agent=agent, remembered=remembered)


def _plans(settings: Settings) -> dict[str, ForwardPlan]:
    """What each service asks for, in the configuration's order. One without a local port is left out."""
    return {service.name: service.forward for service in settings.plan.services if service.forward is not None}


def _recall(state_dir: Path) -> Mapping[str, Forward] | None:
    """What the state file knows of the ports; None: there is none, or none that this user can read."""
    from ..store import DATABASE_FILE  # not for --help
    from ..store.reading import Reader

    try:
        with Reader(state_dir / DATABASE_FILE) as reader:
            world = reader.world()
    except ConnmonError:
        return None
    return None if world is None else world.forwards


def _find_agent(state_dir: Path) -> int | None:
    """The process id of our agent. None also where this user may not know: its ports are then told as somebody's."""
    try:
        return find_agent(state_dir)
    except ConnmonError:
        return None

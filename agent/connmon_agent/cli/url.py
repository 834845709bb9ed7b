"""``connmon-agent url``: where a service is reached now."""

from __future__ import annotations

import click

from ..core.ports.urls import url_of
from ..core.world import Forward
from ..errors import ConnmonError, NotRunning
from ..presence import find_agent
from ..store.reading import Reader
from .completion import complete_services
from .invocations import Invocation


@click.command(short_help="Print the local URL of a service.")
@click.argument("service", shell_complete=complete_services)
@click.pass_obj
def url(invocation: Invocation, service: str) -> None:
    """Print the URL of SERVICE on this machine, with the local port it has now.

    Exits with 1 if it has no port, and with 3 if no agent is running: the ports are only open while the agent runs.
    """
    database = invocation.database()
    pid = find_agent(database.parent)
    if pid is None:
        raise NotRunning("the agent is not running, so no local port is open", hint="Run `connmon-agent start`")
    with Reader(database) as reader:
        world, agent = reader.world(), reader.agent()
    plans = {} if world is None else {plan.name: plan.forward for plan in world.plan.services}
    if world is None or service not in plans:
        known = ", ".join(plans) or "none"
        raise click.BadParameter(f"no service {service!r}; the services are: {known}", param_hint="SERVICE")
    plan = plans[service]
    if plan is None:
        raise ConnmonError(f"{service} has no local port", hint=f"Set services.{service}.port")
    if agent is None or pid not in (0, agent.pid):
        # What is remembered are the ports of an earlier agent: somebody else may have them by now.
        raise ConnmonError("the agent is starting and has not opened its local ports yet", hint="Retry in a second")
    forward = world.forwards.get(service) or Forward(service)
    if forward.port is None:
        raise ConnmonError(
            f"{service} has no local port now: {forward.reason}", hint="Run `connmon-agent ports` for details"
        )
    click.echo(url_of(plan.bind, forward.port))

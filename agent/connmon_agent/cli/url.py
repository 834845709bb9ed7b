"""``connmon-agent url``: where a service is reached now."""

from __future__ import annotations

import click

from ..core.urls import url_of
from ..core.world import Forward
from ..errors import ConnmonError, NotRunning
from ..presence import find_agent
from ..store.reading import Reader
from .completion import complete_services
from .invocations import Invocation


@click.command(short_help="Where a service is reached now.")
@click.argument("service", shell_complete=complete_services)
@click.pass_obj
def url(invocation: Invocation, service: str) -> None:
    """Print the URL on which SERVICE is reached now, on whichever of its local ports that is.

    Ends with 1 when it has no port just now, and with 3 when the agent is not running: without it no port is open.
    """
    database = invocation.database()
    pid = find_agent(database.parent)
    if pid is None:
        raise NotRunning("the agent is not running, so no local port is open", hint="connmon-agent start runs it")
    with Reader(database) as reader:
        world, agent = reader.world(), reader.agent()
    plans = {} if world is None else {plan.name: plan.forward for plan in world.plan.services}
    if world is None or service not in plans:
        known = ", ".join(plans) or "none"
        raise click.BadParameter(f"there is no service {service!r}; there are {known}", param_hint="SERVICE")
    plan = plans[service]
    if plan is None:
        raise ConnmonError(f"{service} has no local port", hint=f"Give it one: services.{service}.port")
    if agent is None or pid not in (0, agent.pid):
        # What is remembered are the ports of an earlier agent: somebody else may have them by now.
        raise ConnmonError("the agent is just starting, and has opened no local port yet", hint="Try again in a second")
    forward = world.forwards.get(service) or Forward(service)
    if forward.port is None:
        raise ConnmonError(f"{service} has no local port now: {forward.reason}", hint="connmon-agent ports tells more")
    click.echo(url_of(plan.bind, forward.port))

"""``connmon-agent demo``: the whole story on this machine alone, with the real agent."""

from __future__ import annotations

import asyncio
import importlib.util
import tempfile
import textwrap
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import structs

from ..errors import ConnmonError
from ..store import DATABASE_FILE
from . import screens
from .invocations import Invocation

if TYPE_CHECKING:
    from connmon_lab.internet import LoopbackInternet
    from connmon_lab.kubernetes import EmbeddedKubernetes

    from ..core.plan import Plan
    from ..runtime.agent import Agent
    from ..runtime.build import Runner
    from ..runtime.log_records import LogRecord
    from ..settings import Settings

STUBBORN = "grafana"  # the service whose first restart does not help
HEALTHY_FOR = 60.0  # seconds; longer than the story, so that `status` at its end shows the attempts
GLANCE = 0.05  # seconds between two looks at how far the story is
SLOWEST_CHAPTER = 120.0  # seconds; a machine that needs longer for one is not worth waiting for

OPENING = (
    "A small site on this machine: an internet on loopback, a small Kubernetes API with the ERP's seven "
    "services, and the real agent, which forwards a local port to each of them. Open one in a browser while the demo "
    "runs. The internet fails and returns; "
    f"{STUBBORN} stays unready after its first restart."
)


@dataclass(frozen=True, slots=True)
class DemoTiming:
    """How long things take in the story, in seconds, and how often they are tried.

    Short against real life, long enough to read along.
    """

    check_interval: float = 1.0
    confirm_interval: float = 0.5
    timeout: float = 1.0
    dark: float = 3.0  # the internet stays away after the agent has seen it go
    hold: float = 4.0
    pod_start: float = 1.0
    ready_timeout: float = 6.0
    backoff: float = 4.0
    attempts: int = 3  # of each service
    refuse: bool = False  # the internet that is cut refuses, instead of leaving every probe to its timeout


@dataclass(slots=True)
class _Calendar:
    """The cluster's clock: its services were rolled out a day ago, or the agent would find them restarted just now."""

    behind: float = 86_400.0  # seconds

    def now(self) -> float:
        return time.time() - self.behind


@click.command(short_help="Run one outage on this machine.")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the state in this new directory.",
)
@click.pass_context
def demo(ctx: click.Context, keep: Path | None) -> None:
    """Run the real agent through one outage in about half a minute. No root, cluster or internet is needed.

    Probes use loopback sockets, restarts use HTTP to an embedded Kubernetes API, and the state is a real state file. At
    the end it prints `status` and `replay`.
    """
    if importlib.util.find_spec("aiohttp") is None:  # only the demo's Kubernetes API needs it
        raise ConnmonError("the demo needs aiohttp", hint="Run: pip install 'connmon-agent[demo]'")
    if keep is not None:
        if (keep / DATABASE_FILE).exists():  # the story needs a beginning, and a real agent's memory is no playground
            raise click.BadParameter(f"{keep} already has a state file; choose a new directory", param_hint="--keep")
        keep.mkdir(parents=True, exist_ok=True)
        run_demo(ctx, keep, DemoTiming())
        return
    with tempfile.TemporaryDirectory(prefix="connmon-demo-") as folder:
        run_demo(ctx, Path(folder), DemoTiming())


def run_demo(ctx: click.Context, folder: Path, pace: DemoTiming) -> None:
    """Tell the story at this pace; ``folder`` becomes the state directory. Raises what ``run_agent`` raises."""
    from connmon_lab import kubernetes  # not for --help

    from ..runtime.loops import run  # not for --help

    calendar = _Calendar()
    cluster = kubernetes.EmbeddedKubernetes(pace=kubernetes.Timing(ready_after=pace.pod_start), now=calendar.now)
    with kubernetes.ThreadedKubernetes(cluster) as api:
        run(_tell_story(ctx, api, calendar, folder, pace))


async def _tell_story(
    ctx: click.Context, api: EmbeddedKubernetes, calendar: _Calendar, folder: Path, pace: DemoTiming
) -> None:
    from connmon_lab.internet import Cut, LoopbackInternet  # not for --help

    internet = LoopbackInternet()
    async with AsyncExitStack() as ending:
        await internet.start()
        ending.push_async_callback(internet.stop)
        settings = _furnish(api, internet, folder, pace)
        _say(textwrap.fill(OPENING, screens.width_of_output()))
        await _wait_for_pods(api)
        calendar.behind = 0.0
        agent, running = await _start(settings)
        await _wait(running, lambda: agent.world.link.state == "ONLINE" and _all_in(agent, "READY"))
        _say("The internet is cut.")
        await internet.cut(Cut.REFUSE if pace.refuse else Cut.DROP)
        await _wait(running, lambda: agent.world.link.state == "OFFLINE")
        await asyncio.sleep(pace.dark)
        _say("The internet is back.")
        await internet.restore()
        await _wait(running, lambda: agent.world.link.state == "ONLINE")
        _say("The outage is over. `connmon-agent status` shows:")
        _show(ctx, folder, "status")
        agent.end("the demo is over")
        await running
    _say("`connmon-agent replay` shows:")
    _show(ctx, folder, "replay")


def _furnish(api: EmbeddedKubernetes, internet: LoopbackInternet, folder: Path, pace: DemoTiming) -> Settings:
    """Put the ERP's services into the cluster, and give the agent the times of the story."""
    from connmon_lab.kubernetes import manifests  # not for --help

    from ..loading.configuration import built_in_settings  # not for --help

    erp = built_in_settings(folder)
    for service in erp.plan.services:
        if api.get("Namespace", "", service.namespace) is None:
            api.create(manifests.namespace(service.namespace))
        api.create(manifests.deployment(service.workload, service.namespace))
        api.create(manifests.service(service.workload, service.namespace))
    api.workloads.fail_rollouts("Deployment", erp.plan.service(STUBBORN).namespace, STUBBORN, times=1)
    kubernetes = structs.replace(erp.kubernetes, kubeconfig=api.write_kubeconfig(folder / "kubeconfig"))
    plan = _with_ports_that_are_left(_at_pace(erp.plan, pace))
    return replace(erp, plan=plan, targets=internet.targets(), timeout=pace.timeout, kubernetes=kubernetes)


def _with_ports_that_are_left(plan: Plan) -> Plan:
    """On a machine where all ports of a service are taken the story goes on without its port."""
    from ..core.ports.allocation import allocate  # not for --help
    from ..sockets.examining import find_obstacles

    wishes = {service.name: service.forward for service in plan.services if service.forward is not None}
    taken = find_obstacles({port: wish.bind for wish in wishes.values() for port in wish.candidates})
    assigned = allocate(wishes, taken=taken, held={})
    services = [
        service if assigned.get(service.name) is not None else structs.replace(service, forward=None)
        for service in plan.services
    ]
    return structs.replace(plan, services=tuple(services))


async def _wait_for_pods(api: EmbeddedKubernetes) -> None:
    """Let the services run before the agent comes, as on a real site."""
    async with asyncio.timeout(SLOWEST_CHAPTER):
        while not all(workload["status"].get("availableReplicas") for workload in api.list_objects("Deployment")):
            await asyncio.sleep(GLANCE)


def _at_pace(plan: Plan, pace: DemoTiming) -> Plan:
    link = structs.replace(
        plan.link, check_interval=pace.check_interval, confirm_interval=pace.confirm_interval, hold=pace.hold
    )
    recovery = structs.replace(
        plan.recovery,
        max_restart_attempts=pace.attempts,
        ready_timeout=pace.ready_timeout,
        backoff_first=pace.backoff,
        healthy_for=HEALTHY_FOR,
    )
    return structs.replace(plan, link=link, recovery=recovery)


async def _start(settings: Settings) -> tuple[Agent, asyncio.Future[None]]:
    from ..runtime.build import run_agent  # not for --help

    ready: asyncio.Future[Agent] = asyncio.get_running_loop().create_future()

    def on_ready(agent: Agent, _: Runner) -> None:
        ready.set_result(agent)

    running = asyncio.ensure_future(run_agent(settings, say=_print_record, on_ready=on_ready))
    either: set[asyncio.Future[Any]] = {ready, running}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        await running
    return await ready, running


async def _wait(running: asyncio.Future[None], condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SLOWEST_CHAPTER):
        while not condition():
            if running.done():
                await running
            await asyncio.sleep(GLANCE)


def _all_in(agent: Agent, state: str) -> bool:
    return all(service.state == state for service in agent.world.services.values())


def _show(ctx: click.Context, folder: Path, command: str) -> None:
    """What the user would see of the same state."""
    from . import connmon_agent  # not for --help

    shown = connmon_agent.get_command(ctx, command)
    assert shown is not None
    with shown.make_context(command, [], parent=ctx) as inner:
        inner.obj = Invocation(state_dir=folder)
        shown.invoke(inner)


def _print_record(record: LogRecord) -> None:
    timestamp = _local_time(record.at.wall)
    click.echo(f"  {timestamp}  {record.about}: {record.text}")


def _local_time(wall: float) -> str:
    from ..wall_times import in_zone  # not for --help

    return f"{in_zone(wall):%H:%M:%S}"


def _say(text: str) -> None:
    click.echo(f"\n{text}\n")

"""``connmon-agent demo``: the whole story on this machine alone, with the real agent."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
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

STUBBORN = "grafana"  # the service that no restart helps, until its fault is repaired
CROWDED = "jaeger"  # the service whose port another program has
HEALTHY_FOR = 60.0  # seconds; longer than the story, so that `status` at its end shows the attempts
GLANCE = 0.05  # seconds between two looks at how far the story is
SLOWEST_CHAPTER = 120.0  # seconds; a machine that needs longer for one is not worth waiting for

OPENING = (
    "The address above is the live page: open it in a browser. This is a small site on this machine: an internet on "
    "loopback, a small Kubernetes API with the ERP's seven services, and the real agent, which forwards a local port "
    f"to each of them. Another program uses the port of {CROWDED}. The internet fails, returns, and fails again "
    f"at once; {STUBBORN} stays unready, whatever is restarted, until an operator repairs it."
)


@dataclass(frozen=True, slots=True)
class DemoTiming:
    """How long things take in the story, in seconds, and how often they are tried.

    Short against real life, long enough to read along.
    """

    check_interval: float = 1.0
    confirm_interval: float = 0.5
    timeout: float = 1.0
    calm: float = 4.0  # before the outage, for whoever opens the page
    dark: float = 3.0  # the internet stays away after the agent has seen it go
    relapse: float = 1.0  # after its return until it fails again
    hold: float = 4.0
    pod_start: float = 1.0
    patience: int = 4  # of the cluster with a rollout of the stubborn service (progressDeadlineSeconds)
    ready_timeout: float = 20.0
    backoff: float = 4.0
    attempts: int = 2  # of each service
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
@click.option("--open", "browse", is_flag=True, help="Open the live page in a browser.")
@click.pass_context
def demo(ctx: click.Context, keep: Path | None, browse: bool) -> None:
    """Run the real agent through one outage in about a minute. No root, cluster or internet is needed.

    The first line is the address of the live page. Probes use loopback sockets, restarts use HTTP to an embedded
    Kubernetes API, and the state is a real state file. At the end it prints `status` and `replay`; in a terminal, agent
    and page stay until Ctrl-C.
    """
    if importlib.util.find_spec("aiohttp") is None:  # only the demo's Kubernetes API needs it
        raise ConnmonError("the demo needs aiohttp", hint="Run: pip install 'connmon-agent[demo]'")
    if keep is not None:
        if (keep / DATABASE_FILE).exists():  # the story needs a beginning, and a real agent's memory is no playground
            raise click.BadParameter(f"{keep} already has a state file; choose a new directory", param_hint="--keep")
        keep.mkdir(parents=True, exist_ok=True)
        run_demo(ctx, keep, DemoTiming(), browse=browse, stay=_has_viewer())
        return
    with tempfile.TemporaryDirectory(prefix="connmon-demo-") as folder:
        run_demo(ctx, Path(folder), DemoTiming(), browse=browse, stay=_has_viewer())


def _has_viewer() -> bool:
    """Whether somebody sits at a terminal, who can press Ctrl-C."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def run_demo(ctx: click.Context, folder: Path, pace: DemoTiming, *, browse: bool = False, stay: bool = False) -> None:
    """Tell the story at this pace; ``folder`` becomes the state directory. Raises what ``run_agent`` raises.

    ``browse``: open the page in a browser; ``stay``: keep agent and page at the end, until Ctrl-C.
    """
    from connmon_lab import kubernetes  # not for --help

    from ..runtime.loops import run  # not for --help
    from .demo_programs import ended_as_by_ctrl_c, live_page, port_in_use

    calendar = _Calendar()
    with ExitStack() as ending:
        ending.enter_context(ended_as_by_ctrl_c())
        page = ending.enter_context(live_page(folder))
        cluster = kubernetes.EmbeddedKubernetes(pace=kubernetes.Timing(ready_after=pace.pod_start), now=calendar.now)
        api = ending.enter_context(kubernetes.ThreadedKubernetes(cluster))
        address = _announce(page.address(), browse=browse)
        ending.enter_context(port_in_use(_find_primary_port(folder, CROWDED)))
        site = _Site(ctx, api, calendar, folder, pace, address if stay else None)
        run(_tell_story(site))


def _announce(address: str | None, *, browse: bool) -> str | None:
    """The address alone in the first line; programs read it, too."""
    if address is None:
        click.echo("The live page is not served; the story goes on without it.")
        return None
    click.echo(address)
    sys.stdout.flush()
    if browse and click.launch(address) != 0:
        click.echo("No browser could be started.", err=True)
    return address


@dataclass(frozen=True, slots=True)
class _Site:
    """Where the story takes place. ``page`` is the address at which agent and page stay at its end; None: they end."""

    ctx: click.Context
    api: EmbeddedKubernetes
    calendar: _Calendar
    folder: Path
    pace: DemoTiming
    page: str | None


async def _tell_story(site: _Site) -> None:
    from connmon_lab.internet import LoopbackInternet  # not for --help

    internet = LoopbackInternet()
    async with AsyncExitStack() as ending:
        await internet.start()
        ending.push_async_callback(internet.stop)
        settings = _furnish(site.api, internet, site.folder, site.pace)
        _say(textwrap.fill(OPENING, screens.width_of_output()))
        await _wait_for_pods(site.api)
        site.calendar.behind = 0.0
        agent, running = await _start(settings)
        ending.push_async_callback(_end, agent, running)
        await _wait(running, lambda: agent.world.link.state == "ONLINE" and _all_in(agent, "READY"))
        await asyncio.sleep(site.pace.calm)
        await _tell_outage(site, internet, agent, running)
        await _tell_repair(site, agent, running)
        _say("All is well again. `connmon-agent status` shows:")
        _show(site, "status")
        _say("`connmon-agent replay 1` shows the outage:")
        _show(site, "replay", "1")
        if site.page is not None:
            await _stay(running, site.page)


async def _tell_outage(site: _Site, internet: LoopbackInternet, agent: Agent, running: asyncio.Future[None]) -> None:
    """The internet fails, and once more during the hold; then the services are restarted as far as that helps."""
    from connmon_lab.internet import Cut  # not for --help

    cut = Cut.REFUSE if site.pace.refuse else Cut.DROP
    for told, pause in (
        ("The internet is cut.", site.pace.relapse),
        ("The internet is cut again: a relapse.", 0.0),
    ):
        _say(told)
        await internet.cut(cut)
        await _wait(running, lambda: agent.world.link.state == "OFFLINE")
        await asyncio.sleep(site.pace.dark)
        _say("The internet is back.")
        await internet.restore()
        await _wait(running, lambda: agent.world.link.state != "OFFLINE")
        await asyncio.sleep(pause)
    await _wait(running, lambda: agent.world.link.state == "ONLINE")


async def _tell_repair(site: _Site, agent: Agent, running: asyncio.Future[None]) -> None:
    """What an operator does about a service that gave up."""
    from ..core.events import Order  # not for --help

    namespace = agent.world.plan.service(STUBBORN).namespace
    _say(
        f"The outage is over, but {STUBBORN} gave up. Its fault is repaired now. "
        f"`connmon-agent rearm {STUBBORN}` and `connmon-agent recover {STUBBORN}`:"
    )
    site.api.workloads.fail_rollouts("Deployment", namespace, STUBBORN, times=0)
    for order in (Order.REARM, Order.RECOVER):
        refusal = await agent.obey(order, (STUBBORN,), "the operator of the demo")
        if refusal is not None:
            raise ConnmonError(f"the agent refused to {order} {STUBBORN}: {refusal}")
    await _wait(running, lambda: agent.world.link.state == "ONLINE" and _all_in(agent, "READY"))


async def _stay(running: asyncio.Future[None], page: str) -> None:
    """Until Ctrl-C, or until the agent ends."""
    from ..runtime.signals import listen_to_signals  # not for --help

    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    listen_to_signals(lambda reason: None if ended.done() else ended.set_result(None), lambda: None)
    _say(f"The agent goes on, and so does the page: {page}\nPress Ctrl-C to end.")
    await asyncio.wait({ended, running}, return_when=asyncio.FIRST_COMPLETED)


def _find_primary_port(folder: Path, service: str) -> int:
    from ..loading.configuration import built_in_settings  # not for --help

    forward = built_in_settings(folder).plan.service(service).forward
    assert forward is not None
    return forward.port


def _furnish(api: EmbeddedKubernetes, internet: LoopbackInternet, folder: Path, pace: DemoTiming) -> Settings:
    """Put the ERP's services into the cluster, and give the agent the times of the story."""
    from connmon_lab.kubernetes import manifests  # not for --help

    from ..loading.configuration import built_in_settings  # not for --help

    erp = built_in_settings(folder)
    for service in erp.plan.services:
        if api.get("Namespace", "", service.namespace) is None:
            api.create(manifests.namespace(service.namespace))
        spec: dict[str, Any] = {"progressDeadlineSeconds": pace.patience} if service.name == STUBBORN else {}
        api.create(manifests.deployment(service.workload, service.namespace, **spec))
        api.create(manifests.service(service.workload, service.namespace))
    api.workloads.fail_rollouts("Deployment", erp.plan.service(STUBBORN).namespace, STUBBORN, times=None)
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
    # A machine that is busy answers slowly, which is no part of the story.
    patient = structs.replace(plan.link.quality, enter_latency=SLOWEST_CHAPTER, leave_latency=SLOWEST_CHAPTER)
    link = structs.replace(
        plan.link,
        check_interval=pace.check_interval,
        confirm_interval=pace.confirm_interval,
        hold=pace.hold,
        quality=patient,
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


async def _end(agent: Agent, running: asyncio.Future[None]) -> None:
    """At the end of the story, and of one that is broken off."""
    if not running.done():
        agent.end("the demo is over")
    await running


async def _wait(running: asyncio.Future[None], condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(SLOWEST_CHAPTER):
        while not condition():
            if running.done():
                await running
            await asyncio.sleep(GLANCE)


def _all_in(agent: Agent, state: str) -> bool:
    return all(service.state == state for service in agent.world.services.values())


def _show(site: _Site, command: str, *arguments: str) -> None:
    """What the user would see of the same state."""
    from . import connmon_agent  # not for --help

    shown = connmon_agent.get_command(site.ctx, command)
    assert shown is not None
    with shown.make_context(command, list(arguments), parent=site.ctx) as inner:
        inner.obj = Invocation(state_dir=site.folder)
        shown.invoke(inner)


def _print_record(record: LogRecord) -> None:
    timestamp = _local_time(record.at.wall)
    click.echo(f"  {timestamp}  {record.about}: {record.text}")


def _local_time(wall: float) -> str:
    from ..wall_times import in_zone  # not for --help

    return f"{in_zone(wall):%H:%M:%S}"


def _say(text: str) -> None:
    click.echo(f"\n{text}\n")

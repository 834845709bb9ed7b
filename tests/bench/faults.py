"""How soon a fault of each layer is known for certain, and how soon its end: one site a fault, all at the same time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.agents import AgentProcess, BenchError, Json, running_agent
from tests.bench.figures import Figure, Limit
from tests.bench.namespaces import NAMED_TARGETS, TARGETS, CableSite, cable_site, what_is_missing

from connmon_agent.core.plan import LinkPlan


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to break a site. ``limit`` None: no number was set for it."""

    name: str
    cut: Callable[[CableSite], None]
    limit: Limit | None = None
    targets: tuple[Json, ...] = tuple(TARGETS)


FAULTS = (
    Fault("black hole", CableSite.drop, Limit(3.0)),
    Fault("rejected", CableSite.reject),
    Fault("carrier lost", CableSite.unplug, Limit(0.5)),
    Fault("default route removed", CableSite.remove_route),
    Fault("DNS dead", CableSite.silence_dns, targets=tuple(NAMED_TARGETS)),
    Fault("captive portal", CableSite.log_in_first),
)


@dataclass(frozen=True, slots=True)
class Times:
    """Of one outage, in seconds: from the cut to OFFLINE, and from the end of the cut to RECOVERING."""

    found: float
    back: float


def configure_site(targets: tuple[Json, ...] = tuple(TARGETS), **link: object) -> Json:
    """A site that restarts nothing, with the link's default settings but for ``link``'s keys."""
    return {"link": {"targets": list(targets), **link}, "services": {}}


def measure_faults(folder: Path, *, runs: int) -> list[Figure]:
    """Every fault ``runs`` times, cut and mended at random instants."""
    if reason := what_is_missing():
        return [Figure("faults of every layer", "s", note=reason)]
    with ThreadPoolExecutor(len(FAULTS)) as pool, ExitStack() as stack:
        futures = []
        for number, fault in enumerate(FAULTS):
            site = stack.enter_context(cable_site())
            config = configure_site(fault.targets, hold="1s")
            agent = stack.enter_context(running_agent(folder / f"fault-{number}", config, site.enclose))
            futures.append(pool.submit(_time_outages, agent, site, fault, runs))
        measured = [future.result() for future in futures]
    found = [
        Figure(f"{fault.name} -> OFFLINE durable", "s", tuple(one.found for one in times), fault.limit, note=_HOW)
        for fault, times in zip(FAULTS, measured, strict=True)
    ]
    back = [
        Figure(f"{fault.name} ends -> RECOVERING", "s", tuple(one.back for one in times), note=_HOW)
        for fault, times in zip(FAULTS, measured, strict=True)
    ]
    return found + back


_HOW = (
    "default thresholds, in network namespaces, six sites at once; from before the link is cut, or mended, until the"
    " agent says so, which it does after the commit"
)


def _time_outages(agent: AgentProcess, site: CableSite, fault: Fault, runs: int) -> list[Times]:
    agent.wait_said(r"link: STARTING -> ONLINE")
    return [_time_outage(agent, site, fault) for _ in range(runs)]


def _time_outage(agent: AgentProcess, site: CableSite, fault: Fault) -> Times:
    """One outage; the link is whole and ONLINE again afterwards."""
    _wait_any_phase()
    mark, cut = agent.mark(), time.perf_counter()
    fault.cut(site)
    found = agent.wait_said(r"link: \w+ -> OFFLINE", after=mark)
    _require_durable(agent)
    _wait_any_phase()
    mark, mended = agent.mark(), time.perf_counter()
    site.mend()
    back = agent.wait_said(r"link: OFFLINE -> RECOVERING", after=mark)
    agent.wait_said(r"link: RECOVERING -> ONLINE", after=mark)
    return Times(found - cut, back - mended)


def _wait_any_phase() -> None:
    """Until an instant that is as likely to be in any phase of the rounds."""
    time.sleep(random.uniform(1.0, 1.0 + LinkPlan().check_interval))


def _require_durable(agent: AgentProcess) -> None:
    with agent.memory() as reader:
        world = reader.world()
    if world is None or world.link.state != "OFFLINE":
        raise BenchError("the agent said OFFLINE before it was durable")

"""How soon an outage is known for certain: durable in the state file, with the link's default settings."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.agents import AgentProcess, BenchError, running_agent
from tests.bench.figures import Figure, Limit
from tests.bench.lab_places import LabPlace
from tests.bench.places import Place, configure

from connmon_agent.core.plan import LinkPlan
from connmon_lab.internet import Cut

SETTLED = r"link: RECOVERING -> ONLINE"

# Known from what they ship, not run here.
MWAN3 = Figure("mwan3, its shipped configuration", "s", (15.0,), peer=True, note="from its configuration, not run")
MONIT = Figure("monit, its default cycle", "s", (120.0,), peer=True, note="from its configuration, not run")


def measure_detection(place: Place, folder: Path, *, runs: int) -> list[Figure]:
    """A silent black hole and, where the place has a carrier to lose, a lost one; cut at random instants."""
    figures = []
    # The hold comes after the detection and has no say in it; with the default one a run would take 10 s longer.
    with running_agent(folder / "detection", configure(place, hold="1s"), place.enclose) as agent:
        agent.wait_said(r"link: STARTING -> ONLINE")
        black_hole = _time_cuts(agent, lambda: place.cut(Cut.DROP), place, runs)
        figures.append(
            Figure(f"black hole -> OFFLINE durable ({place.name})", "s", black_hole, Limit(3.0), note=_TO_THE_LOG)
        )
        figures += [MWAN3, MONIT]
        if isinstance(place, LabPlace):
            lost = _time_cuts(agent, place.unplug, place, runs)
            figures.append(Figure(f"carrier lost -> OFFLINE durable ({place.name})", "s", lost, Limit(0.5)))
    return figures


_TO_THE_LOG = (
    "from before the link is cut until the agent says so, which it does after the commit;"
    " the state file is then read to make sure"
)


def _time_cuts(agent: AgentProcess, cut: Callable[[], None], place: Place, runs: int) -> tuple[float, ...]:
    return tuple(_time_cut(agent, cut, place) for _ in range(runs))


def _time_cut(agent: AgentProcess, cut: Callable[[], None], place: Place) -> float:
    """Seconds from a cut at a random instant; the link is whole and ONLINE again afterwards."""
    time.sleep(random.uniform(1.0, 1.0 + 2 * LinkPlan().check_interval))  # any phase of the rounds is as likely
    mark, started = agent.mark(), time.perf_counter()
    try:
        cut()
        seconds = agent.wait_said(r"link: DEGRADED -> OFFLINE", after=mark) - started
        _require_durable(agent)
    finally:
        place.mend()
    agent.wait_said(SETTLED, after=mark)
    return seconds


def _require_durable(agent: AgentProcess) -> None:
    with agent.memory() as reader:
        world = reader.world()
    if world is None or world.link.state != "OFFLINE":
        raise BenchError("the agent said OFFLINE before it was durable")

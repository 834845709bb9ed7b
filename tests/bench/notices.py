"""What notices cost the agent: its memory while a child sends one, beside an agent that has no channel."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psutil
from tests.bench.agents import AgentProcess, running_agent
from tests.bench.figures import Figure, Limit
from tests.bench.places import SEVEN, Place, configure
from tests.fakes.http_sinks import Reply, serve_http

from connmon_lab.internet import Cut

WARM_UP = 20.0  # seconds after the start


def measure_notices(place: Place, folder: Path, *, samples: int) -> list[Figure]:
    """Two agents at the same time in the same outages; a receiver lets the child of one of them wait."""
    place.deploy(SEVEN)
    without = configure(place, SEVEN)
    released = threading.Event()
    with serve_http(Reply(released=released)) as sink:
        channels = {"chat": {"webhook": {"url": sink.url()}, "works_offline": True}}
        told = {**without, "notify": {"channels": channels}, "recovery": {"act": False}}
        with (
            running_agent(folder / "without", {**without, "recovery": {"act": False}}, place.enclose) as plain,
            running_agent(folder / "told", told, place.enclose) as notified,
        ):
            for agent in (plain, notified):
                agent.wait_said(r"link: STARTING -> ONLINE")
            time.sleep(WARM_UP)
            idle = _resident(notified) - _resident(plain)
            _live_through(place, (plain, notified))
            sink.wait_for(1)
            children = psutil.Process(notified.pid).children(recursive=True)
            sizes = [child.memory_info().rss / 1e6 for child in children]
            more = []
            for _ in range(samples):
                time.sleep(1)
                more.append(_resident(notified) - _resident(plain))
            released.set()
    return [
        Figure(f"resident memory with a channel, at rest ({place.name})", "MB", (idle,), Limit(0.5)),
        Figure(f"resident memory while a child sends ({place.name})", "MB", tuple(more), Limit(0.5)),
        Figure(f"resident memory of the child ({place.name})", "MB", tuple(sizes)),
    ]


def _live_through(place: Place, agents: tuple[AgentProcess, ...]) -> None:
    """An outage, until it is OFFLINE: the channel works offline, and its child is waiting by then."""
    marks = [agent.mark() for agent in agents]
    place.cut(Cut.REFUSE)
    for agent, mark in zip(agents, marks, strict=True):
        agent.wait_said(r"-> OFFLINE", after=mark)
    place.mend()
    for agent, mark in zip(agents, marks, strict=True):
        agent.wait_said(r"RECOVERING -> ONLINE", after=mark)


def _resident(agent: AgentProcess) -> float:
    return float(psutil.Process(agent.pid).memory_info().rss) / 1e6

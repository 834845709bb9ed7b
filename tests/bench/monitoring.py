"""What metrics cost: a scrape of an agent with seven services, and the memory beside one that serves none."""

from __future__ import annotations

import http.client
import time
from pathlib import Path

import psutil
from tests.bench.agents import AgentProcess, BenchError, Json, running_agent
from tests.bench.figures import Figure, Limit
from tests.bench.places import SEVEN, Place, configure
from tests.sockets.holders import free_port

WARM_UP = 30.0  # seconds after the start
SCRAPES = 100  # of which the slowest but one is a sample
ACCEPT = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}  # Prometheus' wish


def measure_metrics(place: Place, folder: Path, *, samples: int) -> list[Figure]:
    """Two agents at the same time, one of which is scraped."""
    place.deploy(SEVEN)
    port = free_port()
    without = configure(place, SEVEN)
    serving = {**without, "metrics": {"listen": f"127.0.0.1:{port}"}}
    with (
        running_agent(folder / "without", _apart(without), place.enclose) as plain,
        running_agent(folder / "serving", _apart(serving), place.enclose) as served,
    ):
        for agent in (plain, served):
            agent.wait_said(r"link: STARTING -> ONLINE")
        time.sleep(WARM_UP)
        idle = _resident(served) - _resident(plain)
        slowest, more = [], []
        for _ in range(samples):
            slowest.append(sorted(scrape(port) for _ in range(SCRAPES))[-2])
            more.append(_resident(served) - _resident(plain))
    note = f"99th percentile of each {SCRAPES} scrapes, with the connection"
    return [
        Figure(f"scrape ({place.name})", "ms", tuple(slowest), Limit(5.0), note=note),
        Figure(f"resident memory of serving, not scraped ({place.name})", "MB", (idle,), Limit(0.5)),
        Figure(f"resident memory of serving, scraped ({place.name})", "MB", tuple(more), Limit(1.0)),
    ]


def _apart(config: Json) -> Json:
    """Two agents cannot have the same local ports."""
    return {**config, "services": {name: {"deployment": name, "port": free_port()} for name in SEVEN}}


def scrape(port: int) -> float:
    """Milliseconds from the connection to the last byte."""
    began = time.perf_counter()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics", headers=ACCEPT)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    taken = (time.perf_counter() - began) * 1000
    if answer.status != 200 or not body.endswith(b"# EOF\n"):
        raise BenchError(f"a scrape was answered with {answer.status}: {body[:100]!r}")
    return taken


def _resident(agent: AgentProcess) -> float:
    return float(psutil.Process(agent.pid).memory_info().rss) / 1e6

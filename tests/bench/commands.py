"""How long a person waits: ``status`` from a cold start, and the agent until its first round."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.bench.agents import BenchError, agent_command, environment, running_agent
from tests.bench.figures import Figure, Limit
from tests.bench.journals import simulate_days, write_journal
from tests.bench.places import SEVEN, Place, configure

from connmon_agent.core.events import AgentStarted, RoundFinished
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader

_COLD = "a new process each time; its files are in the page cache"


def measure_status(folder: Path, *, kubectl: str | None, runs: int) -> list[Figure]:
    """``status`` of a site with seven services and a history, and ``kubectl version --client`` in turn with it."""
    state = folder / "status"
    state.mkdir()
    write_journal(state / DATABASE_FILE, simulate_days(events=1000))
    config = folder / "status.yaml"
    config.write_text(f"state_dir: {state}\n", encoding="utf-8")
    ours, configured, checked, peers = [], [], [], []
    for _ in range(runs):
        ours.append(time_command(agent_command("--state-dir", str(state), "status"), codes=(0, 3)))
        configured.append(time_command(agent_command("--config", str(config), "status"), codes=(0, 3)))
        checked.append(time_command(agent_command("--state-dir", str(state), "status", "--check"), codes=(0, 1, 2)))
        if kubectl is not None:
            peers.append(time_command([kubectl, "version", "--client"]))
    return [
        Figure("status, cold", "ms", tuple(ours), Limit(150.0), note=_COLD),
        Figure("status, cold, state_dir in the configuration file", "ms", tuple(configured), Limit(150.0), note=_COLD),
        Figure("status --check, cold", "ms", tuple(checked), Limit(150.0), note=_COLD),
        Figure("kubectl version --client", "ms", tuple(peers), peer=True, note=_COLD if peers else "no kubectl here"),
    ]


def time_command(command: Sequence[str], codes: Sequence[int] = (0,)) -> float:
    """Milliseconds a command takes. Raises BenchError: it ended otherwise than expected."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
    taken = time.perf_counter() - started
    if done.returncode not in codes:
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[:300]}")
    return taken * 1000


def measure_start(place: Place, folder: Path, *, runs: int) -> list[Figure]:
    """From asking for the process to the agent's first event, and to its first round of probes."""
    started, probed = [], []
    for number in range(runs):
        with running_agent(folder / f"start-{number}", configure(place, SEVEN), place.enclose) as agent:
            agent.wait_said(r"link: STARTING -> ONLINE")
        with agent.memory() as reader:
            started.append(_first(reader, AgentStarted) - agent.spawned)
            probed.append(_first(reader, RoundFinished) - agent.spawned)
    return [
        Figure(f"start -> first event durable ({place.name})", "s", tuple(started)),
        Figure(f"start -> first round of probes ({place.name})", "s", tuple(probed)),
    ]


def _first(reader: Reader, kind: type) -> float:
    """When the first event of a kind was committed, in seconds since the machine booted."""
    return next(row.boottime for row in reader.recorded() if isinstance(row.event, kind))

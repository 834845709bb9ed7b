"""Questions to a record of 90 days with a round every 3 s: how long an answer takes, and how much memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.agents import agent_command
from tests.bench.figures import Figure, Limit
from tests.bench.replays import MEMORY
from tests.fakes.recorded_months import record_months

from connmon_agent.store.reading import Reader

INTERVAL = 3.0  # seconds between two rounds
RANGES = "link.fall=2..6,link.hold=0s..45s:5s,recovery.when=always|unhealthy"
COMBINATIONS = 100
LONGEST_SWEEP, MOST_MEGABYTES = 300.0, 64.0
# What one of the two processes of a sweep does; prints its CPU time in seconds and its peak of resident memory.
_PART = """
import sys, time
from pathlib import Path
from tests.bench.what_ifs import peak_megabytes
from connmon_agent.cli.what_if import sweep_part
from connmon_agent.loading.overrides import read_ranges
from connmon_agent.what_if.clusters import Model
combinations = list(enumerate(read_ranges(sys.argv[2], option="--sweep")))[::2]
sweep_part(Path(sys.argv[1]), combinations, Model.AS_RECORDED)
print(time.process_time(), peak_megabytes())
"""


def peak_megabytes() -> float:
    """The most memory that this process ever had resident."""
    import resource  # Unix alone has it

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_what_ifs(folder: Path, *, days: int) -> list[Figure]:
    """One what-if, the self-check, and a sweep of 100 combinations by two processes."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as made:
        path = record_months(Path(made), days=days, interval=INTERVAL)
        with Reader(path) as reader:
            rounds, events = sum(map(len, reader.round_patterns())), reader.newest()
        note = f"{days} days: {rounds} rounds {INTERVAL:g} s apart, {events} events"
        state = ("--state-dir", made, "replay")
        taken, memory = _measure_part(path)
        return [
            Figure("replay --what-if link.fall=5", "s", (_time(*state, "--what-if", "link.fall=5"),), note=note),
            Figure("replay --what-if, the self-check", "s", (_time(*state, "--what-if"),)),
            Figure(
                f"replay --sweep, {COMBINATIONS} combinations", "s", (_time(*state, "--sweep", RANGES),),
                Limit(LONGEST_SWEEP), note="two processes",
            ),
            Figure("  CPU time of one of them", "s", (taken,)),
            Figure("  memory of one of them", "MB", (memory,), Limit(MOST_MEGABYTES), note="the most ever resident"),
        ]  # fmt: skip


def _time(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run(agent_command(*arguments), check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _measure_part(path: Path) -> tuple[float, float]:
    command = [sys.executable, "-c", _PART, str(path), RANGES]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    taken, memory = told.split()
    return float(taken), float(memory)

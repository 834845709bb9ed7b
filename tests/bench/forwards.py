"""The agent's local ports beside ``kubectl port-forward``: what goes through them, how fast, and what it costs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from threading import Event

import psutil
from tests.bench.agents import BenchError, running_agent
from tests.bench.figures import Figure, Limit, percentile
from tests.bench.forward_clients import PATIENCE
from tests.bench.forward_returns import measure_returns
from tests.bench.forward_sites import (
    ECHO,
    SINK,
    SIZE,
    SOURCE,
    KubectlSide,
    Side,
    ask,
    client_command,
    configure_ports,
    deploy_pods,
    expose,
    running_sides,
    session,
    wait_until,
)
from tests.bench.idleness import SAMPLE, WARM_UP, Sample, sample_costs
from tests.bench.lab_places import LabPlace
from tests.bench.places import SEVEN, Place, configure

SPACED, AT_ONCE = 0.05, 0.0  # seconds between two connections
CONNECTIONS = 60  # a run
TRIPS, TRIP_SIZE = 200, 100
CROWD = 500
STALL, FILLED = 20.0, 5.0  # seconds without reading, and of them those in which every buffer is filled
BESIDE = 10.0  # seconds for which one client does not read, while others come
LOOK = 0.1  # seconds between looks at the memory
AFTERWARDS = 3.0  # seconds after the last connection was closed
IDLE_SAMPLES = 6
RETURNS = 3  # runs of what takes the longest

_SAME_OR_BETTER = Limit(1.0)
_NO_PEER = "kubectl is measured beside it at a real site only: --lab, --kubeconfig and --kubectl, as root"
_BUFFERS = f"some of it are buffers, and what Python keeps of them; the pod would send {SIZE / 1e6:.0f} MB"

Answers = dict[str, list[float]]  # by the side's name


def measure_forwards(place: Place, folder: Path, *, kubectl: str | None, runs: int) -> Iterator[list[Figure]]:
    """What goes through, in turn with kubectl; at a real site also how soon it is back, and what it costs at rest."""
    lab = place if isinstance(place, LabPlace) else None
    deploy_pods(place, folder)
    with running_sides(place, folder, kubectl if lab else None) as (agent, peer):
        sides: list[Side] = [agent] if peer is None else [agent, peer]
        yield _measure_throughput(place, sides, runs)
        yield _measure_latency(place, sides, runs)
        yield _measure_crowd(place, sides, min(runs, RETURNS))
        yield _measure_stall(place, sides)
        yield _measure_beside(place, sides, min(runs, RETURNS))
        if lab is not None and peer is not None:
            yield measure_returns(lab, agent, peer, runs=min(runs, RETURNS))
    if lab is not None:
        yield _measure_rest(lab, folder)


# What goes through.


def _measure_throughput(place: Place, sides: Sequence[Side], runs: int) -> list[Figure]:
    figures = []
    for role, service in (("download", SOURCE), ("upload", SINK)):

        def rate(side: Side, role: str = role, service: str = service) -> list[float]:
            return [ask(place, role, side.port(service), SIZE)]

        answers = _take_turns(sides, runs, rate)
        figures += _compare(f"{role} ({place.name})", "MB/s", answers, Limit(1.0, least=True))
    return figures


def _measure_latency(place: Place, sides: Sequence[Side], runs: int) -> list[Figure]:
    """A connection that brings nothing counts as the client's whole patience."""
    figures = []
    for how, pause in ((f"every {SPACED * 1e3:g} ms", SPACED), ("one after another", AT_ONCE)):

        def visit(side: Side, pause: float = pause) -> list[float]:
            taken = ask(place, "connect", side.port(ECHO), CONNECTIONS, pause)
            return [PATIENCE * 1e3 if one is None else one for one in taken]

        answers = _take_turns(sides, runs, visit)
        figures += _compare(f"new connection and 1 byte, {how} ({place.name})", "ms", answers, _SAME_OR_BETTER)
        figures += _compare(f"the same, p99 ({place.name})", "ms", _p99(answers), _SAME_OR_BETTER)
    answers = _take_turns(sides, runs, lambda side: ask(place, "trip", side.port(ECHO), TRIPS, TRIP_SIZE))
    figures += _compare(f"{TRIP_SIZE}-byte round trip ({place.name})", "ms", answers, None)
    return figures


def _p99(answers: Answers) -> Answers:
    return {name: [percentile(values, 99)] if values else [] for name, values in answers.items()}


def _take_turns(sides: Sequence[Side], runs: int, measure: Callable[[Side], Sequence[float]]) -> Answers:
    """What ``measure`` brings, one side after the other in each run. A peer may fail: that brings nothing."""
    answers: Answers = {side.name: [] for side in sides}
    for _ in range(runs):
        for side in sides:
            try:
                answers[side.name] += measure(side)
            except BenchError:
                if not isinstance(side, KubectlSide):
                    raise
    return answers


def _compare(what: str, unit: str, answers: Answers, hold: Limit | None) -> list[Figure]:
    """The agent's figure, the peer's below it, and the ratio of their medians, which ``hold`` is about."""
    ours, *peers = [tuple(values) for values in answers.values()]
    if not peers:
        return [Figure(what, unit, ours, note=_NO_PEER)]
    figures = [Figure(what, unit, ours), Figure("kubectl port-forward", unit, peers[0], peer=True)]
    if peers[0]:
        ratio = percentile(ours, 50) / percentile(peers[0], 50)
        figures.append(Figure(f"{what}: medians, times kubectl's", "x", (ratio,), hold))
    return figures


# How many at once, and what is kept in memory.


def _measure_crowd(place: Place, sides: Sequence[Side], runs: int) -> list[Figure]:
    seconds: Answers = {side.name: [] for side in sides}
    grown: Answers = {side.name: [] for side in sides}
    left: Answers = {side.name: [] for side in sides}

    def gather(side: Side) -> list[float]:
        port, process = side.port(ECHO), side.process(ECHO)
        with _watched(process) as growth:
            found = ask(place, "crowd", port, CROWD)
        if found["answered"] == CROWD:
            seconds[side.name].append(found["seconds"])
        grown[side.name].append(max(growth))
        left[side.name].append(growth[-1])
        return [found["answered"]]

    answered = _take_turns(sides, runs, gather)
    what = f"{CROWD} connections at once ({place.name})"
    return [
        *_show(f"{what}: answered while all were open", f"of {CROWD}", answered, Limit(CROWD, least=True)),
        *_show(f"{what}: until the last answer, if all came", "s", seconds),
        *_show(f"{what}: growth of memory, largest", "MB", grown),
        *_show(f"{what}: growth of memory, {AFTERWARDS:g} s after they were closed", "MB", left),
    ]


def _measure_stall(place: Place, sides: Sequence[Side]) -> list[Figure]:
    """A client of each that does not read, at the same time."""

    def stall(side: Side) -> tuple[float, float]:
        port = side.port(SOURCE)
        with _watched(side.process(SOURCE)) as growth:
            ask(place, "hold", port, STALL)
        return max(growth), max(growth) - max(growth[: int(FILLED / LOOK)])

    with ThreadPoolExecutor(len(sides)) as pool:
        grown = dict(zip([side.name for side in sides], pool.map(stall, sides), strict=True))
    what = f"a client that does not read for {STALL:g} s ({place.name}): growth of memory"
    whole = {name: [total] for name, (total, _) in grown.items()}
    later = {name: [late] for name, (_, late) in grown.items()}
    return [
        *_show(what, "MB", whole, Limit(4.0), note=_BUFFERS),
        *_show(f"of it after the first {FILLED:g} s ({place.name})", "MB", later, Limit(0.5)),
    ]


def _measure_beside(place: Place, sides: Sequence[Side], runs: int) -> list[Figure]:
    """Whoever comes while another client of the same port does not read."""

    def come(side: Side) -> list[float]:
        port = side.port(SOURCE)
        with session(client_command(place, "hold", port, BESIDE), stdout=subprocess.DEVNULL):
            time.sleep(1.0)
            return [ask(place, "first", port, BESIDE / 2)]

    answers = _take_turns(sides, runs, come)
    note = f"{runs} tries of each; one that is not counted had to wait for longer than {BESIDE / 2:g} s"
    return _show(f"first byte while another client does not read ({place.name})", "s", answers, note=note)


@contextmanager
def _watched(process: psutil.Process) -> Iterator[list[float]]:
    """By how many MB the process has grown since the block was entered, many times a second and after it was left."""
    before, growth, over = process.memory_info().rss, [0.0], Event()

    def watch() -> None:
        while not over.wait(LOOK):
            note()

    def note() -> None:
        try:
            growth.append((process.memory_info().rss - before) / 1e6)
        except psutil.NoSuchProcess:
            over.set()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(watch)
        try:
            yield growth
        finally:
            over.set()
    time.sleep(AFTERWARDS)  # what is left, once everything is closed
    note()


def _show(what: str, unit: str, answers: Answers, hold: Limit | None = None, note: str = "") -> list[Figure]:
    """The agent's figure and the peer's below it; ``hold`` is about the agent's own."""
    ours, *peers = [tuple(values) for values in answers.values()]
    shown = [Figure("kubectl port-forward", unit, values, peer=True, note=note) for values in peers]
    return [Figure(what, unit, ours, hold, note=note), *shown]


# What it costs at rest.


def _measure_rest(place: LabPlace, folder: Path) -> list[Figure]:
    """An agent with a port for each of seven services and one without ports, at the same time."""
    expose(place, SEVEN)
    ports = dict(zip(SEVEN, ask(place, "ports", len(SEVEN)), strict=True))
    configs = {"with 7 ports": configure_ports(place, ports), "without ports": configure(place, SEVEN)}
    with ExitStack() as stack:
        start = partial(running_agent, enclose=place.enclose)
        agents = [stack.enter_context(start(folder / name, config)) for name, config in configs.items()]
        for agent in agents:
            agent.wait_said(r"link: STARTING -> ONLINE")
        for port in ports.values():
            wait_until(partial(_answers, place, port), "the agent's port answers")
        time.sleep(WARM_UP)
        taken = sample_costs([psutil.Process(agent.pid) for agent in agents], IDLE_SAMPLES)
    return [
        figure
        for name, samples, held in zip(configs, taken, (True, False), strict=True)
        for figure in _tell(f"idle agent {name} ({place.name})", samples, held=held)
    ]


def _answers(place: Place, port: int) -> bool:
    return bool(ask(place, "page", port))


def _tell(what: str, samples: list[Sample], *, held: bool) -> list[Figure]:
    note = f"{len(samples)} samples of {SAMPLE:g} s, from {WARM_UP:g} s after the start on"
    memory, processor = [one.rss for one in samples], [one.cpu for one in samples]
    return [
        Figure(f"{what}: resident memory", "MB", tuple(memory), Limit(64.0) if held else None, note=note),
        Figure(f"{what}: processor", "% core", tuple(processor), Limit(0.5) if held else None, note=note),
    ]

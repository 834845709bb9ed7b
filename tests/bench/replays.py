"""How fast a long journal is decided again, beside ``transitions`` alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from tests.bench.agents import BenchError
from tests.bench.figures import Figure, Limit
from tests.bench.journals import simulate_days, write_journal
from transitions import EventData, Machine

from connmon_agent.cli.decisions import EngineShelf, verify_journal
from connmon_agent.explain.replay import first_difference
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader

EVENTS = 100_000
FIRINGS = 40_000  # of the peer's machine, a run
MEMORY = Path("/dev/shm")  # the journal is made where nobody waits for a disk; it is read from memory in any case

_CHAIN = "what `replay --verify` does: the chain of hashes, then all of the above"
_DECODED = "reading, decoding, deciding again and comparing"


def measure_replay(folder: Path, *, runs: int) -> list[Figure]:
    """Reading, decoding and deciding again; whole, and in its parts."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as made:
        path = Path(made) / DATABASE_FILE
        write_journal(path, simulate_days(events=EVENTS))
        with Reader(path) as reader:
            return [*_measure(reader, runs), _peer(runs)]


def _measure(reader: Reader, runs: int) -> list[Figure]:
    world = reader.world()
    assert world is not None
    rows = list(reader.recorded())
    engine_for = EngineShelf(reader).take

    def decide(recorded: Iterable[object]) -> None:
        difference = first_difference(recorded, store=world.store, engine_for=engine_for, final=world)  # type: ignore[arg-type]
        if difference is not None:
            raise BenchError(f"the replay decided otherwise: {difference}")

    def verify() -> None:
        with suppress(KeyError):
            verify_journal(reader).raise_if_failed()

    parts: list[tuple[str, Callable[[], object], Limit | None, str]] = [
        ("replay", lambda: decide(reader.recorded()), Limit(100_000, least=True), _DECODED),
        ("  reading and decoding alone", lambda: sum(1 for _ in reader.recorded()), None, ""),
        ("  deciding again and comparing alone", lambda: decide(rows), None, ""),
        ("replay --verify", verify, None, _CHAIN),
    ]
    return [
        Figure(what, "events/s", tuple(_rate(part, EVENTS) for _ in range(runs)), limit, note=note)
        for what, part, limit, note in parts
    ]


def _rate(work: Callable[[], object], amount: int) -> float:
    started = time.perf_counter()
    work()
    return amount / (time.perf_counter() - started)


def _peer(runs: int) -> Figure:
    """A machine of four states with one guard, as our charts are executed by it."""
    rates = tuple(_rate(_cycle, FIRINGS) for _ in range(runs))
    note = "four states in a circle, one guard each, send_event; no journal, no comparison"
    return Figure("transitions alone", "events/s", rates, peer=True, note=note)


def _cycle() -> None:
    class Subject:
        state: str
        trigger: Callable[..., bool]

    def holds(event: EventData) -> bool:
        return bool(event.kwargs["good"])

    states = ["ONLINE", "DEGRADED", "OFFLINE", "RECOVERING"]
    subject = Subject()
    machine = Machine(
        model=subject, states=states, initial=states[0], auto_transitions=False, queued=False, send_event=True
    )
    for source, dest in zip(states, states[1:] + states[:1], strict=True):
        machine.add_transition("round", source, dest, conditions=[holds])
    for _ in range(FIRINGS):
        subject.trigger("round", good=True)

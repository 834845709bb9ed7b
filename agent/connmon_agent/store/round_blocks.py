"""Rounds of probes, packed: some minutes of them in one block of about 4 bytes a round.

A block is columns, because values of one kind compress well beside each other: a JSON header that names the targets,
the time of each round, and for each target how it went in each round and how long that took. What is left out can be
computed or is told elsewhere: words are in the events of rounds that decided something.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise, repeat
from typing import Any, NamedTuple

from ..core.observations import Failure, ProbeResult
from ..core.timestamps import Timestamp

LONGEST_BODY = 16_000_000  # bytes of a block once it is unpacked; one of ours has some ten thousand
_LEVEL = 6  # of zlib; 9 saves nothing here
_VERSION = 1
# The numbers are in files: append only. None: it worked, or how it failed was not told.
_FAILURES: tuple[Failure | None, ...] = (
    None,
    Failure.SILENT,
    Failure.REFUSED,
    Failure.UNREACHABLE,
    Failure.WRONG,
    Failure.DECLINED,
    Failure.NXDOMAIN,
    Failure.SERVFAIL,
    Failure.NAME,
    Failure.DOWN,
    Failure.UNROUTED,
    Failure.BROKEN,
)
_NUMBERS = {failure: number for number, failure in enumerate(_FAILURES)}
MOST_ATTEMPTS = 4  # more are told as so many
# A latency is told to 5 %, from 0.1 ms up to 24 s: what it is good for is percentiles.
_SHORTEST, _STEP, _LONGEST_CODE = 0.1, math.log(1.05), 255
_WALL_STEP = 50  # milliseconds by which the wall clock must have been set before that is told

_Target = tuple[str, str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class RecordedRound:
    """One round, ended at ``at``, with what it asked. Results have neither ``reason`` nor ``bytes``."""

    at: Timestamp
    results: tuple[ProbeResult, ...]


def pack_rounds(rounds: Sequence[RecordedRound]) -> bytes:
    """The block of some rounds, oldest first, at least one."""
    targets = list(dict.fromkeys(_identify(result) for round in rounds for result in round.results))
    found = [{_identify(result): result for result in round.results} for round in rounds]
    times = [_milliseconds(round.at.steady) for round in rounds]
    header = {
        "version": _VERSION,
        "rounds": len(rounds),
        "targets": targets,
        "steady": times[0],
        "wall": list(_wall_steps(rounds, times)),
    }
    head = json.dumps(header, separators=(",", ":")).encode()
    states = chain.from_iterable((_code_state(by.get(target)) for by in found) for target in targets)
    latencies = (_code_latency(by[target].latency_ms) for target in targets for by in found if target in by)
    deltas = b"".join(_varint(after - before) for before, after in pairwise(times))
    body = b"".join((len(head).to_bytes(4), head, len(deltas).to_bytes(4), deltas, bytes(states), bytes(latencies)))
    return zlib.compress(body, _LEVEL)


def unpack_rounds(block: bytes) -> list[RecordedRound]:
    """What was packed: times to the millisecond, latencies to 5 %. Raises ValueError: it is no such block."""
    return _translated(lambda: list(_unpack(_inflate(block))))


def _translated(read: Callable[[], list[RecordedRound]]) -> list[RecordedRound]:
    try:
        return read()
    except (zlib.error, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no block of rounds: {error!r}") from error


def _inflate(block: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    body = unpacker.decompress(block, LONGEST_BODY)
    if not unpacker.eof or unpacker.unused_data:
        raise ValueError("no block of rounds: it is cut off, or longer than any")
    return body


def _unpack(body: bytes) -> Iterator[RecordedRound]:
    columns = _read_columns(body)
    asked = [iter(column) for column in columns.latencies]
    for index, at in enumerate(columns.times()):
        results = tuple(
            _read_result(target, column[index], next(asked[number]))
            for number, (target, column) in enumerate(zip(columns.targets, columns.states, strict=True))
            if column[index]
        )
        yield RecordedRound(at, results)


class _Block(NamedTuple):
    """What a block holds: by target a column of states, one a round, and of latencies, one a probe."""

    targets: list[tuple[Any, ...]]
    steady: list[int]  # milliseconds
    offsets: dict[int, int]  # from which round on the wall clock is how many milliseconds ahead
    states: list[bytes]
    latencies: list[bytes]

    def times(self) -> Iterator[Timestamp]:
        offset = self.offsets[0]
        for index, steady in enumerate(self.steady):
            offset = self.offsets.get(index, offset)
            yield Timestamp(steady / 1000, (steady + offset) / 1000)


def _read_columns(body: bytes) -> _Block:
    columns = _Columns(body)
    header: dict[str, Any] = json.loads(columns.take(columns.take_number()))
    count, targets = int(header["rounds"]), [tuple(target) for target in header["targets"]]
    if header["version"] != _VERSION or not 0 < count <= len(body):
        raise ValueError(f"no block of rounds: version {header['version']}, {count} rounds")
    times = list(_read_times(columns.take(columns.take_number()), int(header["steady"]), count))
    states = [columns.take(count) for _ in targets]
    latencies = [columns.take(count - column.count(0)) for column in states]
    columns.require_end()
    return _Block(targets, times, dict(header["wall"]), states, latencies)


class RoundPatterns:
    """Unpacks blocks for those who read very many of them: rounds that went alike share one tuple of results.

    The results have no latency: no decision on a round rests on it.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], tuple[ProbeResult, ...]] = {}

    def unpack(self, block: bytes) -> list[RecordedRound]:
        """As ``unpack_rounds``, but for the latencies. Raises ValueError: it is no such block."""
        return _translated(lambda: list(self._unpack(_read_columns(_inflate(block)))))

    def _unpack(self, block: _Block) -> Iterator[RecordedRound]:
        targets, known = tuple(block.targets), self._known
        columns = zip(*block.states, strict=True) if targets else repeat((), len(block.steady))
        for at, states in zip(block.times(), columns, strict=True):
            results = known.get((targets, states))
            if results is None:
                results = known[targets, states] = _read_pattern(targets, states)
            yield RecordedRound(at, results)


def _read_pattern(targets: tuple[tuple[Any, ...], ...], states: tuple[int, ...]) -> tuple[ProbeResult, ...]:
    return tuple(_read_result(target, state, 0) for target, state in zip(targets, states, strict=True) if state)


class _Columns:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def take(self, count: int) -> bytes:
        taken = self._body[self._at : self._at + count]
        if len(taken) != count:
            raise ValueError("no block of rounds: it is cut off")
        self._at += count
        return taken

    def take_number(self) -> int:
        return int.from_bytes(self.take(4))

    def require_end(self) -> None:
        if self._at != len(self._body):
            raise ValueError("no block of rounds: something follows it")


def _identify(result: ProbeResult) -> _Target:
    """What one column is about: a target by one way."""
    return result.name, result.kind, result.family, result.proxy


def _wall_steps(rounds: Sequence[RecordedRound], times: Sequence[int]) -> Iterator[tuple[int, int]]:
    """From which round on the wall clock is how many milliseconds ahead of the steady time."""
    told: int | None = None
    for index, (round, steady) in enumerate(zip(rounds, times, strict=True)):
        offset = _milliseconds(round.at.wall) - steady
        if told is None or abs(offset - told) > _WALL_STEP:
            yield index, offset
            told = offset


def _code_state(result: ProbeResult | None) -> int:
    """0: it was not asked in this round."""
    if result is None:
        return 0
    attempts = min(max(result.attempts, 1), MOST_ATTEMPTS)
    return 1 + (2 * _NUMBERS[result.failure] + result.ok) * MOST_ATTEMPTS + attempts - 1


def _read_result(target: tuple[Any, ...], state: int, latency: int) -> ProbeResult:
    name, kind, family, proxy = target
    rest, attempts = divmod(state - 1, MOST_ATTEMPTS)
    failure, ok = divmod(rest, 2)
    return ProbeResult(
        str(name),
        str(kind),
        bool(ok),
        _read_latency(latency),
        family=family,
        failure=_FAILURES[failure],
        attempts=attempts + 1,
        proxy=proxy,
    )


def _code_latency(milliseconds: float | None) -> int:
    if milliseconds is None:
        return 0
    return min(1 + round(math.log(max(milliseconds, _SHORTEST) / _SHORTEST) / _STEP), _LONGEST_CODE)


def _read_latency(code: int) -> float | None:
    return None if code == 0 else _SHORTEST * math.exp((code - 1) * _STEP)


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def _varint(number: int) -> bytes:
    """Zigzag and seven bits a byte, as Protocol Buffers write a sint64: times may run backwards after a fault."""
    rest = number << 1 if number >= 0 else ~(number << 1)
    written = bytearray()
    while rest > 0x7F:
        written.append(rest & 0x7F | 0x80)
        rest >>= 7
    written.append(rest)
    return bytes(written)


def _read_times(column: bytes, first: int, count: int) -> Iterator[int]:
    yield first
    time, number, shift, read = first, 0, 0, 1
    for byte in column:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte & 0x80:
            continue
        time += number >> 1 if not number & 1 else ~(number >> 1)
        yield time
        number, shift, read = 0, 0, read + 1
    if read != count:
        raise ValueError(f"no block of rounds: {read} times of {count} rounds")

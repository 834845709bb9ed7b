"""Rounds are packed and come back: times to the millisecond, latencies to 5 %, everything else as it was."""

from __future__ import annotations

import contextlib
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.store.round_blocks import MOST_ATTEMPTS, RecordedRound, RoundPatterns, pack_rounds, unpack_rounds

WALL = 1_790_000_000.0

names = st.sampled_from(["tcp 192.0.2.1:443", "dns 192.0.2.2 (ü.example)", "http://192.0.2.3/", "gateway"])
results = st.builds(
    ProbeResult,
    name=names,
    kind=st.sampled_from(["tcp", "dns", "http", "gateway"]),
    ok=st.booleans(),
    latency_ms=st.none() | st.floats(0.1, 20_000),
    family=st.sampled_from([None, "ipv4", "ipv6"]),
    failure=st.none() | st.sampled_from(Failure),
    attempts=st.integers(1, MOST_ATTEMPTS),
    proxy=st.sampled_from([None, "http://proxy.example:3128"]),
)


rounds = st.builds(
    lambda steady, wall, found: RecordedRound(Timestamp(steady, wall), tuple(found)),
    st.floats(0, 1e9).map(lambda seconds: round(seconds, 3)),
    st.floats(0, 4e9).map(lambda seconds: round(seconds, 3)),
    st.lists(results, max_size=5, unique_by=lambda one: (one.name, one.kind, one.family, one.proxy)),
)


def as_kept(found: RecordedRound) -> tuple[object, ...]:
    """A round without what is told only roughly, its results in an order of their own."""
    told = [(one.name, one.kind, one.ok, one.family, one.failure, one.attempts, one.proxy) for one in found.results]
    return round(found.at.steady, 3), sorted(told, key=repr)


@given(st.lists(rounds, min_size=1, max_size=8))
def test_what_was_packed_comes_back(packed: list[RecordedRound]) -> None:
    unpacked = unpack_rounds(pack_rounds(packed))
    assert [as_kept(found) for found in unpacked] == [as_kept(found) for found in packed]
    for before, after in zip(packed, unpacked, strict=True):
        assert after.at.wall == pytest.approx(before.at.wall, abs=0.052)
        latencies = {(one.name, one.kind, one.family, one.proxy): one.latency_ms for one in before.results}
        for one in after.results:
            expected = latencies[one.name, one.kind, one.family, one.proxy]
            assert one.latency_ms == (None if expected is None else pytest.approx(expected, rel=0.05))


@given(st.lists(rounds, min_size=1, max_size=8))
def test_patterns_are_the_rounds_without_latencies(packed: list[RecordedRound]) -> None:
    block = pack_rounds(packed)
    known = RoundPatterns()
    found, again = known.unpack(block), known.unpack(block)
    bare = [tuple(replace(one, latency_ms=None) for one in each.results) for each in unpack_rounds(block)]
    assert [each.results for each in found] == bare
    assert [each.at for each in found] == [each.at for each in unpack_rounds(block)]
    for one, other in zip(found, again, strict=True):
        assert one.results is other.results  # what went alike is one object, by which it is recognised


def test_every_failure_has_a_number_that_files_keep() -> None:
    for failure in Failure:
        lost = ProbeResult("dns", "dns", False, failure=failure)
        (found,) = unpack_rounds(pack_rounds([RecordedRound(Timestamp(1.0, WALL), (lost,))]))
        assert found.results == (lost,)


def test_what_is_beyond_the_scale_is_told_as_its_end() -> None:
    odd = (
        ProbeResult("a", "tcp", True, 0.0001),
        ProbeResult("b", "tcp", True, 3_600_000.0),
        ProbeResult("c", "tcp", False, attempts=99),
        ProbeResult("d", "tcp", False, attempts=0),
    )
    (found,) = unpack_rounds(pack_rounds([RecordedRound(Timestamp(0.0, 0.0), odd)]))
    short, long, many, none = found.results
    assert short.latency_ms == pytest.approx(0.1)
    assert long.latency_ms is not None and 20_000 < long.latency_ms < 30_000
    assert (many.attempts, none.attempts) == (MOST_ATTEMPTS, 1)


def test_a_wall_clock_that_is_set_is_told_and_one_that_drifts_is_not() -> None:
    walls = [WALL, WALL + 3.02, WALL + 6.0, WALL - 3600.0, WALL - 3597.0]
    packed = [RecordedRound(Timestamp(3.0 * number, wall), ()) for number, wall in enumerate(walls)]
    assert [found.at.wall for found in unpack_rounds(pack_rounds(packed))] == [
        WALL,
        WALL + 3.0,
        WALL + 6.0,
        WALL - 3600.0,
        WALL - 3597.0,
    ]


def test_ten_minutes_of_five_targets_take_less_than_five_bytes_a_round() -> None:
    chance = random.Random(7)
    steady, packed = 0.0, []
    usual = [5.0, 12.0, 18.0, 30.0, 45.0]
    for _ in range(200):
        steady += chance.gauss(3.0, 0.01)
        found = tuple(
            ProbeResult(f"tcp 192.0.2.{n}:443", "tcp", chance.random() > 0.01, latency * chance.lognormvariate(0, 0.03))
            for n, latency in enumerate(usual)
        )
        packed.append(RecordedRound(Timestamp(steady, WALL + steady), found))
    assert len(pack_rounds(packed)) / len(packed) < 5.0


@given(st.data())
def test_a_damaged_block_is_refused_and_never_read_as_another(data: st.DataObject) -> None:
    block = pack_rounds([RecordedRound(Timestamp(3.0, WALL), (ProbeResult("a", "tcp", True, 5.0),))])
    flipped = bytearray(block)
    flipped[data.draw(st.integers(0, len(block) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    for damaged in (bytes(flipped), block[:-1], block + b"x", b"", zlib.compress(b""), zlib.compress(b"\0" * 9)):
        with contextlib.suppress(ValueError):
            assert unpack_rounds(damaged) == unpack_rounds(block)  # a bit that means nothing to zlib


@pytest.mark.parametrize(
    "head",
    [b"[]", b"7", b"{}", b'{"version":1,"rounds":-1,"targets":[],"steady":0,"wall":[[0,0]]}', b"[" * 5000, b"\xff"],
)
def test_a_strange_header_is_refused(head: bytes) -> None:
    body = len(head).to_bytes(4) + head + (0).to_bytes(4)
    with pytest.raises(ValueError):
        unpack_rounds(zlib.compress(body))


def test_a_block_that_unpacks_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than any"):
        unpack_rounds(zlib.compress(bytes(17_000_000)))

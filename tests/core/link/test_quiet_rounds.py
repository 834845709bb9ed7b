"""Whom a round asks: one target while all is well, and all of them in any doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.fakes.sites import plan_of

from connmon_agent.core.demands import round_interval
from connmon_agent.core.link.metering import METERED_INTERVAL, is_metered
from connmon_agent.core.link.quiet_rounds import (
    EVERY_TARGET,
    EVERY_TARGET_METERED,
    Rounds,
    choose_target,
    find_cheapest,
    merge,
    tells_news,
)
from connmon_agent.core.observations import Evidence, MeasuredQuality, ProbeResult, Quality
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Link, LinkState, World

NOW = 5_000.0
WELL = Link(LinkState.ONLINE, good=3, confirmed=True)
LOSSY = MeasuredQuality(Quality.LOSSY, 0.3, 10.0, 10.0)
GONE = Evidence(default_route=False)


def answer(name: str, bytes: int, *, ok: bool = True, kind: str = "tcp", family: str | None = "ipv4") -> ProbeResult:
    return ProbeResult(name, kind, ok, family=family, bytes=bytes)


DNS, TCP, HTTP = answer("dns", 130, kind="dns"), answer("tcp", 160), answer("http", 900, kind="http")
THREE = Rounds((TCP, DNS, HTTP), complete=NOW - 10)


def world_of(link: Link, **plan: Any) -> World:
    whole = plan_of()
    return World(store="disk0001", plan=structs.replace(whole, link=structs.replace(whole.link, **plan)), link=link)


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(structs.replace(WELL, state=LinkState.STARTING), id="at the start"),
        pytest.param(structs.replace(WELL, state=LinkState.DEGRADED, good=1), id="in doubt"),
        pytest.param(structs.replace(WELL, state=LinkState.DEGRADED, measured_quality=LOSSY), id="slow or lossy"),
        pytest.param(structs.replace(WELL, state=LinkState.OFFLINE, good=0, bad=3), id="in an outage"),
        pytest.param(structs.replace(WELL, state=LinkState.RECOVERING), id="in a recovery"),
        pytest.param(structs.replace(WELL, good=2), id="after too few good rounds"),
        pytest.param(structs.replace(WELL, good=0, bad=1), id="after a bad round"),
        pytest.param(structs.replace(WELL, doubts={"http": 2}), id="while a kind is becoming suspect"),
        pytest.param(structs.replace(WELL, evidence=GONE), id="without a default route"),
        pytest.param(
            structs.replace(WELL, evidence_since=Timestamp(NOW - 5, 0.0)), id="after news of the operating system"
        ),
    ],
)
def test_all_targets_are_asked_unless_all_is_well(link: Link) -> None:
    assert choose_target(world_of(WELL), THREE, NOW) is not None
    assert choose_target(world_of(link), THREE, NOW) is None


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(structs.replace(WELL, doubts={"http": 3}, suspects=("http",)), id="a suspect kind"),
        pytest.param(structs.replace(WELL, doubts={"ipv6": 3}, cause="partial"), id="a dead IP version"),
        pytest.param(
            structs.replace(WELL, evidence=GONE, disproved=GONE), id="routed by a policy, without a default route"
        ),
        pytest.param(structs.replace(WELL, api="refused", cause="cluster-only"), id="an API server that is down"),
    ],
)
def test_a_lasting_blemish_does_not_cost_a_round_of_all_targets_every_time(link: Link) -> None:
    assert choose_target(world_of(link), THREE, NOW) is not None


@pytest.mark.parametrize(
    ("results", "quorum", "names"),
    [
        pytest.param((TCP, DNS, HTTP), 2, ("dns", "tcp"), id="the quorum's number, the cheapest first"),
        pytest.param((TCP, DNS, HTTP), 1, ("dns",), id="a quorum of one is proven by one"),
        pytest.param((TCP, DNS, HTTP), 3, ("dns", "tcp"), id="nobody who costs many times as much"),
        pytest.param((TCP, structs.replace(DNS, ok=False), HTTP), 2, ("tcp",), id="nobody who does not answer"),
        pytest.param((HTTP,), 1, ("http",), id="the only one"),
        pytest.param((answer("gateway", 1, kind="gateway"), TCP), 2, ("tcp",), id="nobody without a vote"),
        pytest.param((TCP, DNS, answer("tcp6", 200, family="ipv6")), 2, ("dns", "tcp6"), id="one of either IP version"),
        pytest.param((), 2, (), id="nothing is known yet"),
    ],
)
def test_the_cheapest_that_answer_take_turns(results: tuple[ProbeResult, ...], quorum: int, names: tuple[str]) -> None:
    world, rounds = world_of(WELL, quorum=quorum), replace(THREE, latest=results)
    assert find_cheapest(rounds, world) == names
    turns = [choose_target(world, replace(rounds, quiet=number), NOW) for number in range(len(names))]
    assert tuple(turns) == names


def test_a_suspect_kind_has_no_turn() -> None:
    assert find_cheapest(THREE, world_of(structs.replace(WELL, suspects=("dns",)))) == ("tcp",)


@given(
    st.floats(0.01, 3600.0), st.sampled_from([True, False]), st.lists(st.floats(-0.05, 0.05), min_size=5, max_size=200)
)
def test_every_target_is_asked_at_least_so_often(interval: float, metered: bool, spreads: list[float]) -> None:
    """Rounds begin a spread interval apart; those of all targets no farther than the limit, or than one round."""
    world = world_of(WELL, check_interval=interval, confirm_interval=min(0.35, interval), metered=metered)
    pace, limit = round_interval(world, NOW), EVERY_TARGET_METERED if metered else EVERY_TARGET
    rounds, at, gaps = replace(THREE, complete=NOW), NOW, [0.0]
    for spread in spreads:
        at += pace * (1 + spread)
        if choose_target(world, rounds, at) is None:
            gaps.append(at - (rounds.complete or 0.0))
            rounds = replace(rounds, complete=at)
        else:
            rounds = replace(rounds, quiet=rounds.quiet + 1)
    assert max(gaps) <= max(limit, 1.0501 * pace)


def test_a_target_that_looks_bad_is_looked_into_with_all_of_them_and_then_has_no_turn_for_itself() -> None:
    doubtful = replace(THREE, doubtful=frozenset({"dns"}), even=False)
    assert choose_target(world_of(WELL), doubtful, NOW) is None
    assert choose_target(world_of(WELL), replace(doubtful, even=True), NOW) == "tcp"
    everybody = replace(doubtful, doubtful=frozenset({"dns", "tcp", "http"}), even=True)
    assert choose_target(world_of(WELL), everybody, NOW) is None


@pytest.mark.parametrize(
    ("configured", "told", "metered"),
    [(None, None, False), (None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_a_connection_is_metered_as_configured_else_as_the_system_says(
    configured: bool | None, told: bool | None, metered: bool
) -> None:
    world = world_of(structs.replace(WELL, metered=told), metered=configured)
    assert is_metered(world) is metered
    assert round_interval(world, NOW) == (METERED_INTERVAL if metered else 2.0)


@pytest.mark.parametrize(
    ("link", "interval"),
    [
        (structs.replace(WELL, good=0, bad=1, state=LinkState.DEGRADED), 0.35),
        (structs.replace(WELL, state=LinkState.RECOVERING), 2.0),
        (structs.replace(WELL, state=LinkState.DEGRADED, measured_quality=LOSSY), METERED_INTERVAL),
    ],
)
def test_a_doubt_is_settled_as_fast_on_a_metered_connection(link: Link, interval: float) -> None:
    assert round_interval(world_of(link, metered=True), NOW) == interval


def test_a_metered_link_that_is_lossy_is_not_measured_with_all_targets() -> None:
    lossy = structs.replace(WELL, state=LinkState.DEGRADED, measured_quality=LOSSY)
    doubtful = replace(THREE, doubtful=frozenset({"dns"}), even=False)
    assert choose_target(world_of(lossy, metered=True), doubtful, NOW) == "tcp"


def test_what_is_asked_beside_a_quiet_round_is_news_only_when_the_world_does_not_know_it() -> None:
    down = ProbeResult("api 192.0.2.9:6443", "api", False, reason="refused")
    knows = world_of(structs.replace(WELL, api="192.0.2.9:6443: refused"))
    assert tells_news(world_of(WELL), (DNS, down)) and not tells_news(knows, (DNS, down))
    assert tells_news(knows, (DNS, structs.replace(down, ok=True))) and not tells_news(knows, (DNS,))


def test_what_a_quiet_round_found_is_shown_beside_what_is_known_of_the_others() -> None:
    found = structs.replace(DNS, latency_ms=7.0)
    assert merge((TCP, DNS, HTTP), (found,)) == (TCP, found, HTTP)
    assert merge((), (found,)) == (found,)

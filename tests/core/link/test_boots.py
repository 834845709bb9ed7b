"""After a boot: what the machine itself has not got yet is no outage; everything else is, at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.mornings import at
from tests.fakes.sites import plan_of

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, Configured, Event, EvidenceChanged, Inspected, RoundFinished
from connmon_agent.core.observations import Evidence, Failure, Observation, ProbeResult
from connmon_agent.core.plan import AfterGap, Plan
from connmon_agent.core.world import World

ENGINE = Engine(real_charts())
PLAN = plan_of("web")
GRACE = PLAN.link.boot_grace
HEALTHY = Inspected(at(4), "web", Observation(uid="uid-1", generation=1, desired=1, available=1))

NOTHING = Evidence(default_route=False, versions=())
UNPLUGGED = Evidence(False, False, "eth0", versions=())
NO_ADDRESS = Evidence(True, True, "eth0", "fe80::1", versions=("ipv6",))  # IPv6 is quicker than DHCP
ALL = Evidence(True, True, "eth0", "192.0.2.1", versions=("ipv4", "ipv6"))
KINDS = ("tcp", "dns", "http")


def shown(*failures: Failure | None) -> tuple[ProbeResult, ...]:
    pairs = zip(KINDS, failures, strict=True)
    return tuple(
        ProbeResult(f"{kind} 1", kind, failure is None, None, failure and failure.value, "ipv4", failure)
        for kind, failure in pairs
    )


UP = shown(None, None, None)
DARK = shown(*[Failure.SILENT] * 3)
NO_ROUTE = shown(*[Failure.UNREACHABLE] * 3)
NO_NAMES = shown(None, Failure.NAME, Failure.NAME)


def start(seconds: float, *, boot: str, heartbeat: float | None = None, plan: Plan = PLAN) -> list[Event]:
    began = None if heartbeat is None else at(heartbeat)
    charts = ENGINE.chart_hashes
    return [AgentStarted(at(seconds), 1, "1", boot, charts, began), Configured(at(seconds), plan, charts)]


def rounds(results: Sequence[ProbeResult], since: float, until: float) -> list[Event]:
    return [RoundFinished(at(since + 0.5 * n), tuple(results)) for n in range(int((until - since) / 0.5))]


def live(events: Iterable[Event]) -> tuple[World, list[str]]:
    """The world after the events, and the states that the link entered."""
    world, states = World(store="k7"), []
    for event in events:
        step = ENGINE.step(world, event)
        states += [one.dest for one in step.transitions if one.chart == "link" and one.source != one.dest]
        world = step.world
    return world, states


def seen(evidence: Evidence, seconds: float) -> Event:
    return EvidenceChanged(at(seconds), evidence)


ONLINE = [*start(0, boot="boot-1"), seen(ALL, 0), *rounds(UP, 1, 3), HEALTHY]
REBOOT = start(100, boot="boot-2", heartbeat=50)
BOOTS = [
    pytest.param(start(0, boot="boot-1"), 0, [], id="the first boot with an agent"),
    pytest.param([*ONLINE, *REBOOT], 100, ["ONLINE", "STARTING"], id="a reboot"),
    pytest.param(
        [*ONLINE, *rounds(DARK, 20, 20.5), *REBOOT], 100, ["ONLINE", "DEGRADED", "STARTING"], id="a reboot in a doubt"
    ),
]
LACKS = [
    pytest.param(NOTHING, NO_ROUTE, "no default route", id="no default route"),
    pytest.param(UNPLUGGED, NO_ROUTE, "eth0 has no carrier", id="no carrier"),
    pytest.param(NO_ADDRESS, NO_ROUTE, "this machine has no IPv4 default route", id="no IPv4 yet"),
    pytest.param(ALL, NO_NAMES, "dns 1: name; http 1: name", id="no name server yet"),
]


@pytest.mark.parametrize(("evidence", "results", "words"), LACKS)
@pytest.mark.parametrize(("before", "boot", "states"), BOOTS)
def test_what_the_machine_has_not_got_yet_after_a_boot_is_no_outage(
    before: list[Event],
    boot: float,
    states: list[str],
    evidence: Evidence,
    results: tuple[ProbeResult, ...],
    words: str,
) -> None:
    waits = [*before, seen(evidence, boot), *rounds(results, boot + 1, boot + GRACE - 1)]
    world, entered = live(waits)
    assert (entered, world.link.state, world.outages) == (states, "STARTING", 0)
    assert world.link.reason == f"waiting up to 1 min after boot for this machine's network: {words}"
    quiet = ENGINE.step(world, RoundFinished(at(boot + GRACE - 0.5), results))
    assert not quiet.changes(world), "nothing is written while nothing changes"

    came = [*waits, seen(ALL, boot + GRACE - 1), *rounds(UP, boot + GRACE, boot + GRACE + 2)]
    world, entered = live(came)
    assert (entered, world.outages) == ([*states, "ONLINE"], 0)


@pytest.mark.parametrize(("evidence", "results", "words"), LACKS)
@pytest.mark.parametrize(("before", "boot", "states"), BOOTS)
def test_the_grace_is_bounded_and_an_outage_has_begun_with_the_boot(
    before: list[Event],
    boot: float,
    states: list[str],
    evidence: Evidence,
    results: tuple[ProbeResult, ...],
    words: str,
) -> None:
    world, entered = live([*before, seen(evidence, boot), *rounds(results, boot + 1, boot + GRACE + 2)])
    assert entered == [*states, "DEGRADED", "OFFLINE"]
    assert world.outage is not None and world.outage.started == at(boot + 1)
    world, entered = live(
        [*before, seen(evidence, boot), *rounds(results, boot + 1, boot + GRACE + 2), *rounds(UP, 300, 302)]
    )
    assert entered[-1] == "RECOVERING"


def test_other_agents_of_the_same_boot_do_not_begin_the_grace_anew() -> None:
    again = [event for n in range(1, 12) for event in start(10 * n, boot="boot-1", heartbeat=10 * n - 1)]
    events = [*start(0, boot="boot-1"), seen(NOTHING, 0), *rounds(NO_ROUTE, 1, 110), *again]
    _, entered = live(sorted(events, key=lambda event: event.at.steady))
    assert entered[:2] == ["DEGRADED", "OFFLINE"]


@pytest.mark.parametrize(
    "results", [DARK, shown(Failure.SILENT, None, Failure.SILENT), shown(Failure.NAME, Failure.SILENT, Failure.SILENT)]
)
@pytest.mark.parametrize(("before", "boot", "states"), BOOTS)
def test_what_the_machine_does_not_lack_is_judged_at_once(
    before: list[Event], boot: float, states: list[str], results: tuple[ProbeResult, ...]
) -> None:
    _, entered = live([*before, seen(ALL, boot), *rounds(results, boot + 1, boot + 4)])
    assert entered == [*states, "DEGRADED", "OFFLINE"]


def test_once_the_link_has_worked_the_grace_is_over() -> None:
    lost = [seen(UNPLUGGED, 10), *rounds(NO_ROUTE, 10.5, 11)]
    assert live([*ONLINE, *lost])[1] == ["ONLINE", "DEGRADED", "OFFLINE"]


@pytest.mark.parametrize("gap", [1.0, 600.0], ids=["at once", "later"])
def test_an_agent_that_is_restarted_in_the_middle_of_its_life_has_no_grace(gap: float) -> None:
    """The cable was pulled while no agent ran."""
    again = start(50 + gap, boot="boot-1", heartbeat=50)
    lost = [seen(UNPLUGGED, 50 + gap), *rounds(NO_ROUTE, 51 + gap, 52 + gap)]
    assert live([*ONLINE, *again, *lost])[1] == ["ONLINE", "DEGRADED", "OFFLINE"]


@pytest.mark.parametrize("boot", ["boot-1", "boot-2"], ids=["the agent restarted", "the machine restarted"])
def test_an_outage_goes_on_over_a_restart_and_its_end_is_a_recovery(boot: str) -> None:
    outage = [*ONLINE, seen(UNPLUGGED, 10), *rounds(NO_ROUTE, 10.5, 15)]
    again = [*start(60, boot=boot, heartbeat=50), *rounds(NO_ROUTE, 61, 65), seen(ALL, 70), *rounds(UP, 71, 73)]
    world, entered = live([*outage, *again])
    assert entered == ["ONLINE", "DEGRADED", "OFFLINE", "RECOVERING"]
    assert world.services["web"].state == "WAITING"


def test_a_boot_in_the_hold_begins_the_hold_anew_and_is_no_relapse() -> None:
    outage = [*ONLINE, seen(UNPLUGGED, 10), *rounds(NO_ROUTE, 10.5, 15), seen(ALL, 20), *rounds(UP, 21, 23)]
    boot = [*start(60, boot="boot-2", heartbeat=22), seen(NOTHING, 60), *rounds(NO_ROUTE, 61, 70)]
    world, entered = live([*outage, *boot])
    assert entered == ["ONLINE", "DEGRADED", "OFFLINE", "RECOVERING"]
    assert world.outage is not None and world.outage.relapses == 0
    assert world.timers["hold"] == at(69.5).plus(PLAN.link.hold)


@pytest.mark.parametrize(
    ("changes", "states"),
    [
        pytest.param({"boot_grace": 0.0}, ["ONLINE", "STARTING", "DEGRADED", "OFFLINE"], id="no grace"),
        pytest.param({"after_gap": AfterGap.RESTART}, ["ONLINE", "DEGRADED", "OFFLINE"], id="after_gap"),
    ],
)
def test_who_wants_no_grace_has_none(changes: dict[str, object], states: list[str]) -> None:
    plan = replace(PLAN, link=replace(PLAN.link, **changes))  # type: ignore[arg-type]  # names are tested
    first = [*start(0, boot="boot-1", plan=plan), seen(ALL, 0), *rounds(UP, 1, 3)]
    boot = [*start(100, boot="boot-2", heartbeat=50, plan=plan), seen(NOTHING, 100), *rounds(NO_ROUTE, 101, 103)]
    assert live([*first, *boot])[1] == states


def test_a_round_that_was_under_way_when_the_network_came_is_of_before() -> None:
    came = [*start(0, boot="boot-1"), seen(NOTHING, 0), *rounds(NO_ROUTE, 1, 10), seen(ALL, 10)]
    late = RoundFinished(at(10.01), NO_ROUTE)
    world, entered = live([*came, late])
    assert (entered, world.link.lacks) == ([], "no default route")
    assert live([*came, late, *rounds(DARK, 13, 16)])[1] == ["DEGRADED", "OFFLINE"], "the network is there by then"

"""What a round of probes and a look at the cluster leave behind in the world, and what becomes of the link."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.sites import plan_of

from connmon_agent.core.demands import is_sure
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, Configured, Event, EvidenceChanged, Inspected, RoundFinished
from connmon_agent.core.observations import Evidence, Failure, Observation, ProbeResult, Unobserved
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World

ENGINE = Engine(real_charts(), fast=True)
START = Timestamp(1_000.0, 1_795_000_000.0)
STEP = 3.0  # seconds between two events here: longer than any round
UNPLUGGED = Evidence(carrier=False, default_route=False, interface="eth0")
PLUGGED = Evidence(carrier=True, default_route=True, interface="eth0")
GONE = Unobserved("timeout", "the Kubernetes API did not answer within 5 s")


def results(words: str) -> tuple[ProbeResult, ...]:
    """``tcp+ dns- http!``: what answers, is silent, answers wrongly, as a portal does; ``?`` answers 404, say; ``*`` a
    probe that failed in itself; 6: IPv6.
    """
    failures = {"-": Failure.SILENT, "!": Failure.WRONG, "?": Failure.DECLINED, "*": Failure.BROKEN}
    return tuple(
        ProbeResult(
            f"{word[:-1]} {number}",
            word[:-1].removesuffix("6"),
            word[-1] == "+",
            10.0 if word[-1] == "+" else None,
            None if word[-1] == "+" else "it fails",
            "ipv6" if word[:-1].endswith("6") else "ipv4",
            failures.get(word[-1]),
        )
        for number, word in enumerate(words.split())
    )


ROUTER_GONE = ProbeResult("gateway 1", "gateway", False, failure=Failure.UNREACHABLE)
GOOD, BAD, PORTAL, BROKEN = "tcp+ dns+ http+", "tcp- dns- http-", "tcp+ dns+ http!", "tcp* dns* http*"


def live(
    story: Iterable[str | Evidence | Observation | Unobserved | Configured], **link: Any
) -> tuple[World, list[str]]:
    """The world after the story, and the states that the link entered. ``link`` changes the plan."""
    plan = plan_of("web")
    world, states, at = World(store="disk0001"), [], START
    plan = replace(plan, link=replace(plan.link, **link))
    events: list[Any] = [Configured(START, plan, ENGINE.chart_hashes), *story]
    for told in events:
        at = at.plus(STEP)
        step = ENGINE.step(world, event_of(told, at))
        states += [one.dest for one in step.transitions if one.chart == "link" and one.source != one.dest]
        world = step.world
    return world, states


def event_of(told: Any, at: Timestamp) -> Event:
    match told:
        case str():
            return RoundFinished(at, results(told))
        case tuple():
            return RoundFinished(at, told)
        case Evidence():
            return EvidenceChanged(at, told)
        case Observation() | Unobserved():
            return Inspected(at, "web", told)
    return replace(told, at=at)


@pytest.mark.parametrize(
    ("story", "states"),
    [
        pytest.param([GOOD] * 3, ["ONLINE"], id="three good rounds"),
        pytest.param([GOOD] * 3 + [BAD], ["ONLINE", "DEGRADED"], id="one bad round is a doubt"),
        pytest.param([GOOD] * 3 + [BAD] * 2 + [GOOD] * 3, ["ONLINE", "DEGRADED", "ONLINE"], id="two are no outage"),
        pytest.param([GOOD] * 3 + [BAD] * 3, ["ONLINE", "DEGRADED", "OFFLINE"], id="three are one"),
        pytest.param([BAD] * 3, ["DEGRADED", "OFFLINE"], id="from the start"),
        pytest.param([GOOD] * 3 + [PORTAL] * 3, ["ONLINE", "DEGRADED", "OFFLINE"], id="a portal is an outage"),
        pytest.param([PORTAL] * 20, ["DEGRADED", "OFFLINE"], id="a portal is never ONLINE"),
        pytest.param([BAD] * 3 + [PORTAL] * 20, ["DEGRADED", "OFFLINE"], id="a portal ends no outage"),
        pytest.param(["tcp+ dns+ http?"] * 3, ["ONLINE"], id="a target that says 404 since the start is misconfigured"),
        pytest.param([GOOD] * 3 + ["tcp+ dns+ http?"] * 9, ["ONLINE"], id="one that begins to say 503 is in trouble"),
        pytest.param(["tcp+ dns+ http? http+"] * 3, ["ONLINE"], id="another one shows that there is no portal"),
        pytest.param(
            ["tcp+ http? http?"] * 3, ["DEGRADED", "OFFLINE"], id="one answer of three is none, whatever they say"
        ),
        pytest.param([GOOD] * 3 + [UNPLUGGED], ["ONLINE"], id="evidence alone moves nothing"),
        pytest.param(
            [GOOD] * 3 + [UNPLUGGED, BAD], ["ONLINE", "DEGRADED", "OFFLINE"], id="hard evidence and one bad round"
        ),
        pytest.param(
            [GOOD] * 3 + [BAD, UNPLUGGED], ["ONLINE", "DEGRADED"], id="evidence after the round waits for one"
        ),
        pytest.param(
            [GOOD] * 3 + [BAD, UNPLUGGED, BAD], ["ONLINE", "DEGRADED", "OFFLINE"], id="evidence after a first bad round"
        ),
        pytest.param([GOOD] * 3 + [UNPLUGGED, PLUGGED, BAD], ["ONLINE", "DEGRADED"], id="evidence that went away"),
        pytest.param([GOOD] * 3 + [UNPLUGGED, GOOD, BAD], ["ONLINE", "DEGRADED"], id="evidence that a round disproved"),
        pytest.param(
            [GOOD] * 3 + [UNPLUGGED, GOOD, PLUGGED, GOOD, UNPLUGGED, BAD],
            ["ONLINE", "DEGRADED", "OFFLINE"],
            id="evidence that was disproved once, and came again",
        ),
        pytest.param([UNPLUGGED, BAD], ["DEGRADED", "OFFLINE"], id="unplugged at the start"),
        pytest.param([GOOD] * 3 + [BROKEN] * 2, ["ONLINE"], id="two rounds of broken probes are no doubt"),
        pytest.param([GOOD] * 3 + [BROKEN] * 9, ["ONLINE", "DEGRADED"], id="broken probes make no outage, but a doubt"),
        pytest.param([BROKEN] * 3, ["DEGRADED"], id="from the start too"),
        pytest.param([""] * 3, ["DEGRADED"], id="no target is as good as broken ones"),
        pytest.param(
            [GOOD] * 3 + [BROKEN] * 9 + [GOOD] * 2, ["ONLINE", "DEGRADED"], id="after it all is judged afresh"
        ),
        pytest.param(
            [GOOD] * 3 + [BROKEN] * 9 + [GOOD] * 3, ["ONLINE", "DEGRADED", "ONLINE"], id="three good rounds end that"
        ),
        pytest.param(
            [GOOD] * 3 + [BROKEN] * 9 + [BAD] * 3, ["ONLINE", "DEGRADED", "OFFLINE"], id="and three bad ones do"
        ),
        pytest.param([BAD] * 3 + [BROKEN] * 9, ["DEGRADED", "OFFLINE"], id="broken probes end none"),
        pytest.param(
            [GOOD] * 3 + [BAD, BROKEN, BAD, BROKEN, BAD],
            ["ONLINE", "DEGRADED", "OFFLINE"],
            id="nor do they interrupt it",
        ),
        pytest.param(
            ["tcp+ http+"] * 3 + ["tcp- http+"] * 9, ["ONLINE", "DEGRADED", "ONLINE"], id="a suspect makes no outage"
        ),
        pytest.param(
            ["tcp+ http+"] * 3 + ["tcp- http+"] * 9 + ["tcp- http-"] * 3,
            ["ONLINE", "DEGRADED", "ONLINE", "DEGRADED", "OFFLINE"],
            id="a suspect hides none",
        ),
        pytest.param(["tcp+ tcp-"] * 3, ["ONLINE"], id="a target that never answered"),
        pytest.param(["tcp+ tcp+"] + ["tcp+ tcp-"] * 3, ["DEGRADED", "OFFLINE"], id="a target that answers no more"),
        pytest.param(["dns+ tcp- tcp-"] * 9, ["DEGRADED", "OFFLINE"], id="one answer of three, from the start"),
        pytest.param(["tcp+ tcp+ tcp6+ tcp6+"] * 3 + ["tcp+ tcp+ tcp6- tcp6-"] * 9, ["ONLINE"], id="IPv6 is lost"),
        pytest.param(["tcp+ tcp+ tcp6+ tcp6+"] * 3 + ["tcp- tcp- tcp6+ tcp6+"] * 9, ["ONLINE"], id="IPv4 is lost"),
        pytest.param(
            ["tcp+ tcp+ tcp6+ tcp6+"] * 3 + ["tcp- tcp- tcp6- tcp6-"] * 3,
            ["ONLINE", "DEGRADED", "OFFLINE"],
            id="both are",
        ),
        pytest.param([GOOD] * 3 + [GONE] * 9 + [GOOD], ["ONLINE"], id="only the cluster is lost"),
    ],
)
def test_the_states_that_rounds_lead_through(story: list[Any], states: list[str]) -> None:
    assert live(story)[1] == states


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        pytest.param([GOOD], None, id="nothing"),
        pytest.param([GOOD, UNPLUGGED, BAD], "no-carrier", id="unplugged"),
        pytest.param([GOOD, UNPLUGGED, GOOD, BAD], "unreachable", id="disproved evidence is no cause"),
        pytest.param([GOOD, BAD, GOOD], None, id="over"),
        pytest.param(["tcp+ dns+ http+"] + ["tcp- dns+ http+"] * 2, None, id="two rounds raise no suspicion"),
        pytest.param(["tcp+ dns+ http+"] + ["tcp- dns+ http+"] * 3, "probe-suspect", id="three do"),
        pytest.param(["tcp- dns+ http+"] * 3 + [GOOD], None, id="an answer clears it at once"),
        pytest.param(["tcp+ dns- http+"] * 3, "dns", id="dead names"),
        pytest.param(["tcp- dns+ http+"] * 3 + ["dns+ http+"], None, id="what is not asked any more is no suspect"),
        pytest.param(["tcp+ tcp+ tcp6-"], None, id="one lost packet is no lost IP version"),
        pytest.param(["tcp+ tcp+ tcp6+"] + ["tcp+ tcp+ tcp6-"] * 3, "partial", id="three are"),
        pytest.param(["tcp+ tcp+ tcp6-"] * 3 + ["tcp+ tcp+ tcp6+"], None, id="until it answers"),
        pytest.param(
            ["tcp+ tcp+ tcp6+ tcp6+"] + ["tcp+ tcp+ tcp6+ tcp6-"] * 3, "partial", id="an IP version below its quorum"
        ),
        pytest.param(
            ["tcp+ tcp+ tcp6+ tcp6+"] + ["tcp+ tcp+ tcp6+ tcp6-"] * 3 + ["tcp+ tcp+ tcp6+ tcp6+"],
            None,
            id="until it has its quorum again",
        ),
        pytest.param([GOOD, BROKEN], "no-probe", id="broken probes"),
        pytest.param([BAD, GOOD] * 8 + [BAD], "unreachable", id="every other round, for a while"),
        pytest.param([BAD, GOOD] * 9, "lossy", id="for too long, ending with a good one"),
        pytest.param([BAD, GOOD] * 9 + [BAD], "lossy", id="for too long, ending with a bad one"),
        pytest.param([BAD, BAD, GOOD, GOOD] * 5, "lossy", id="two bad and two good ones, for too long"),
        pytest.param([BAD, GOOD] * 20 + [GOOD] * 2, None, id="until three good rounds in a row"),
        pytest.param([BAD, GOOD] * 20 + [BAD] * 3, "unreachable", id="or three bad ones"),
        pytest.param([GOOD, f"{GOOD} api-"], "cluster-only", id="the API's address does not answer"),
        pytest.param([f"{GOOD} api-", GOOD], "cluster-only", id="nor was it asked since"),
        pytest.param([f"{GOOD} api-", f"{GOOD} api+"], None, id="until it answers"),
        pytest.param([f"{GOOD} api*"], None, id="a broken probe says nothing of the API"),
        pytest.param([GOOD, GONE, f"{GOOD} api+"], "cluster-only", id="an open port is no answer to a request"),
        pytest.param([f"{BAD} api-"], "unreachable", id="in a bad round the API is not the cause"),
        pytest.param([GOOD, GONE, GOOD], "cluster-only", id="the API is unreachable"),
        pytest.param([GOOD, GONE, Observation(), GOOD], None, id="until it can"),
        pytest.param([GOOD, Unobserved("forbidden", "forbidden"), GOOD], None, id="somebody there said no"),
        pytest.param([GOOD, GONE, Unobserved("forbidden", "forbidden"), GOOD], None, id="a no is an answer"),
    ],
)
def test_the_cause_is_kept(story: list[Any], cause: str | None) -> None:
    assert live(story)[0].link.cause == cause


@pytest.mark.parametrize(
    ("story", "counters"),
    [
        pytest.param([GOOD] * 2, (2, 0), id="good ones"),
        pytest.param([GOOD] * 9, (3, 0), id="not beyond rise"),
        pytest.param([GOOD] * 9 + [BAD], (0, 1), id="a bad one"),
        pytest.param([BAD] * 9, (0, 3), id="not beyond fall"),
        pytest.param([BAD] * 2 + [BROKEN], (0, 2), id="broken ones do not count"),
    ],
)
def test_rounds_are_counted(story: list[str], counters: tuple[int, int]) -> None:
    link = live(story)[0].link
    assert (link.good, link.bad) == counters


@pytest.mark.parametrize(
    "turns", [[BAD, GOOD], [BAD, BAD, GOOD, GOOD], [GOOD, BAD, BAD], ["tcp* dns* http*", BAD, GOOD]]
)
def test_a_doubt_that_nothing_ends_is_a_verdict_and_says_so(turns: list[str]) -> None:
    world, states = live(turns * 18)
    reason = "lossy: flapping: 18 rounds without 3 good or 3 bad ones in a row"
    assert (states[-1], world.link.reason, is_sure(world)) == ("DEGRADED", reason, True)
    assert world.outage is None


def test_an_outage_that_follows_such_a_doubt_has_a_cause_of_its_own() -> None:
    world, states = live([BAD, GOOD] * 20 + [BAD] * 3)
    assert (states[-1], world.outage and world.outage.cause) == ("OFFLINE", "unreachable")


def test_that_nobody_can_look_is_told_in_the_targets_own_words() -> None:
    link = live([GOOD] * 3 + [BROKEN] * 3)[0].link
    assert link.reason == "no target can be probed: tcp 0, dns 1, http 2: it fails"


def notes_of(story: list[Any]) -> list[str]:
    """What is told besides the transitions of the link."""
    world, at, told = World(store="disk0001"), START, []
    for one in [Configured(START, plan_of("web"), ENGINE.chart_hashes), *story]:
        at = at.plus(STEP)
        step = ENGINE.step(world, event_of(one, at))
        told += [sentence for about, sentence in step.notes if about == "link"]
        world = step.world
    return told


@pytest.mark.parametrize(
    ("story", "notes"),
    [
        pytest.param([GOOD] * 9, [], id="nothing to tell"),
        pytest.param([GOOD] * 3 + [BAD] * 3 + [GOOD] * 3, [], id="what a transition tells is not told twice"),
        pytest.param([BAD] * 3 + ["tcp+ dns- http-", BAD] * 3, [], id="nor who answers in an outage"),
        pytest.param(
            [GOOD] * 3 + ["tcp+ dns- http+"] * 3 + [GOOD] * 2,
            ["ONLINE, dns: dns 1: it fails", "ONLINE, no longer dns"],
            id="dead names",
        ),
        pytest.param(
            [GOOD] * 3 + ["tcp- dns+ http+"] * 9 + [GOOD],
            ["ONLINE, probe-suspect: tcp 0: it fails", "ONLINE, no longer probe-suspect"],
            id="a suspect kind",
        ),
        pytest.param(
            [GOOD] * 3 + [f"{GOOD} api-"] * 3 + [f"{GOOD} api+"],
            ["ONLINE, cluster-only: 3: it fails", "ONLINE, no longer cluster-only"],
            id="the cluster",
        ),
        pytest.param(
            ["tcp+ tcp+ tcp6+"] * 3 + ["tcp+ tcp+ tcp6-"] * 3,
            ["ONLINE, partial: no ipv6: tcp6 2: it fails"],
            id="an IP version",
        ),
        pytest.param(
            [GOOD] * 3 + [BAD] * 3 + [(*results(BAD), ROUTER_GONE)],
            ["OFFLINE, gateway: gateway 1: no answer"],
            id="another cause of an outage",
        ),
        pytest.param(
            ["icmp+ tcp+ http+ dns+"] * 3 + ["icmp- tcp+ http+ dns+"] * 3 + ["icmp- tcp- http+ dns+"] * 9,
            [
                "ONLINE, probe-suspect: icmp 0: it fails",
                "suspect probes, not counted: icmp, tcp",
            ],
            id="one more suspect",
        ),
    ],
)
def test_what_changes_without_a_change_of_state_is_told_once(story: list[Any], notes: list[str]) -> None:
    assert [one for one in notes_of(story) if "default route" not in one] == notes


@pytest.mark.parametrize(("last", "confirmed"), [(GOOD, True), (BAD, False), (BROKEN, False)])
def test_only_a_good_round_lets_anything_be_done(last: str, confirmed: bool) -> None:
    assert live([GOOD] * 3 + [last])[0].link.confirmed is confirmed


def test_an_outage_begins_with_its_first_bad_round() -> None:
    world, _ = live([GOOD] * 3 + [BAD, BROKEN, BAD, BAD])
    assert world.outage is not None
    assert world.outage.started == START.plus(STEP * 5)


def test_targets_that_have_answered_are_known_until_they_are_not_asked_any_more() -> None:
    assert live(["tcp+ dns-", "tcp- dns-"])[0].link.heard == ("tcp 0",)
    assert live(["tcp+ dns+", "tcp-"])[0].link.heard == ("tcp 0",)


BY_ROUTER = Evidence(carrier=True, default_route=True, interface="eth0", gateway="192.0.2.254")


def asked_gateway(ok: bool) -> ProbeResult:
    failure = None if ok else Failure.SILENT
    return ProbeResult("gateway 192.0.2.254", "gateway", ok, reason=None if ok else "silent", failure=failure)


@pytest.mark.parametrize(
    ("known", "then", "cause"),
    [
        pytest.param(True, BY_ROUTER, "gateway", id="one that once answered"),
        pytest.param(False, BY_ROUTER, "unreachable", id="one that never does"),
        pytest.param(
            True, replace(BY_ROUTER, gateway="192.0.2.1"), "unreachable", id="one that is the gateway no more"
        ),
    ],
)
def test_a_gateway_is_known_though_it_is_asked_only_in_doubt(known: bool, then: Evidence, cause: str) -> None:
    good, bad = results(GOOD), results(BAD)
    silent = (*bad, asked_gateway(False))
    story: list[Any] = [BY_ROUTER, (*good, asked_gateway(known)), GOOD, GOOD, then, BAD, silent, silent]
    world, _ = live(story)
    assert (world.link.state, world.link.cause) == ("OFFLINE", cause)


@pytest.mark.parametrize(
    ("rounds", "news"),
    [
        pytest.param(["tcp- dns- http-"], False, id="nothing answers"),
        pytest.param(["tcp+ dns- http-"], True, id="one begins to answer"),
        pytest.param(["tcp+ dns- http-"] * 4, False, id="and goes on"),
        pytest.param(["tcp+ dns- http-", "tcp- dns+ http-"], True, id="another one begins"),
    ],
)
def test_a_target_that_begins_to_answer_is_news_in_an_outage(rounds: list[str], news: bool) -> None:
    world, _ = live([GOOD] * 3 + [BAD] * 3 + rounds)
    answered = world.link.answered_since
    last = START.plus(STEP * (7 + len(rounds)))
    assert (answered is not None and answered.steady == last.steady) is news


def test_the_api_server_has_no_vote() -> None:
    assert live([f"{GOOD} api-"] * 3)[1] == ["ONLINE"]
    assert live(["tcp+ dns- http- api+"] * 3)[1] == ["DEGRADED", "OFFLINE"]


def test_another_configuration_forgets_what_the_cluster_was() -> None:
    again = Configured(START, plan_of("web"), ENGINE.chart_hashes)
    assert live([GOOD, GONE, GOOD, again])[0].link.cluster is None


V4, BOTH, NO_V4 = ("ipv4",), ("ipv4", "ipv6"), ("ipv6",)
DEFAULTS = "tcp{0} dns{0} http6+"  # the shape of the default targets at a site with both: two addresses, one name


def dual(*versions: str) -> Evidence:
    return Evidence(True, True, "eth0", "192.0.2.1", versions=versions)


def unreachable(words: str) -> tuple[ProbeResult, ...]:
    """As ``results``, and what fails does so for want of a route."""
    told = results(words)
    return tuple(one if one.ok else replace(one, failure=Failure.UNREACHABLE) for one in told)


@pytest.mark.parametrize(
    "targets",
    [
        "tcp{0} dns{0} http6+",
        "tcp{0} tcp{0} http6+",
        "icmp{0} icmp{0} tcp6+",
        "tcp{0} tcp{0} tcp{0} http6+",
        "http{0} http{0} tcp6+",
    ],
)
@pytest.mark.parametrize("how", [results, unreachable], ids=["black hole", "no route"])
def test_the_death_of_one_ip_version_is_not_hidden_by_a_single_target_of_the_other(targets: str, how: Any) -> None:
    alive, dead = how(targets.format("+")), how(targets.format("-"))
    routes = dual(*NO_V4) if how is unreachable else dual(*BOTH)
    world, states = live([dual(*BOTH), *[alive] * 3, routes, *[dead] * 9])
    assert states == ["ONLINE", "DEGRADED", "OFFLINE"]
    assert world.link.cause == "partial" and world.link.detail.startswith("no ipv4")
    _, states = live([dual(*BOTH), *[alive] * 3, routes, *[dead] * 9, dual(*BOTH), *[alive] * 3])
    assert states[-1] == "RECOVERING"


def test_a_machine_that_never_had_ipv4_is_judged_by_what_it_can_ask() -> None:
    world, states = live([dual(*NO_V4), *[unreachable(DEFAULTS.format("-"))] * 9])
    assert states == ["ONLINE"] and world.link.suspects == ()
    assert (world.link.cause, world.link.detail) == (
        "partial",
        "this machine has no IPv4 default route; not counted: tcp 0, dns 1",
    )
    dead = unreachable("tcp- dns- http6-")
    assert live([dual(*NO_V4), *[unreachable(DEFAULTS.format("-"))] * 3, *[dead] * 3])[1][-1] == "OFFLINE"


def test_an_agent_that_starts_in_the_outage_of_one_ip_version_goes_on_with_it() -> None:
    alive, dead = unreachable(DEFAULTS.format("+")), unreachable(DEFAULTS.format("-"))
    start = AgentStarted(START, 2, "1", "boot", ENGINE.chart_hashes)
    world, states = live([dual(*BOTH), *[alive] * 3, dual(*NO_V4), *[dead] * 3, start, *[dead] * 9])
    assert (states[-1], world.link.state) == ("OFFLINE", "OFFLINE")


def test_a_lost_carrier_is_the_cause_though_another_route_is_left() -> None:
    dummy = Evidence(True, True, "dummy0", "203.0.113.255", "eth0", V4)
    world, _ = live([PLUGGED, *[GOOD] * 3, dummy, *[BAD] * 3])
    assert (world.link.state, world.link.cause) == ("OFFLINE", "no-carrier")
    spare = replace(dummy, interface="wwan0")
    world, _ = live([PLUGGED, *[GOOD] * 3, spare, *[GOOD] * 3, *[BAD] * 3])
    assert (world.link.state, world.link.cause) == ("OFFLINE", "unreachable"), "the spare one worked without it"

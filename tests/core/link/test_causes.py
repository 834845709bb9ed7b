"""Of which one cause a round of probes speaks, from named evidence."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from connmon_agent.core.link.causes import (
    ADVICE,
    Background,
    Cause,
    Diagnosis,
    count_results,
    count_votes,
    describe_failures,
    describe_quality,
    diagnose,
    find_doubtful,
    find_lost_families,
    find_portal,
    find_unheard,
)
from connmon_agent.core.observations import Evidence, Failure, MeasuredQuality, ProbeResult, Quality


def answer(name: str, *, family: str | None = "ipv4") -> ProbeResult:
    """``tcp 1`` answers; its kind is the first word."""
    return ProbeResult(name, name.split()[0], True, 10.0, family=family)


def fail(name: str, failure: Failure = Failure.SILENT, *, family: str | None = "ipv4") -> ProbeResult:
    return ProbeResult(name, name.split()[0], False, None, failure.value, family=family, failure=failure)


def stranded(name: str) -> ProbeResult:
    """A target of IPv4 on a machine without it."""
    return fail(name, Failure.UNREACHABLE)


TWO = Background(quorum=2)
THREE_ANSWER = (answer("tcp 1"), answer("dns 1"), answer("http 1"))
THREE_SILENT = (fail("tcp 1"), fail("dns 1"), fail("http 1"))
TCP_ALONE = (answer("tcp 1"), fail("dns 1"), fail("http 1", Failure.NAME))
GATEWAY_DEAD = (*THREE_SILENT, fail("gateway 1"))
PORTAL = (answer("tcp 1"), answer("dns 1"), fail("http 1", Failure.WRONG))
IPV6_ONLY = Evidence(True, True, "eth0", "fe80::1", versions=("ipv6",))
BOTH_FAMILIES = tuple(answer(f"tcp {n}", family=family) for n, family in enumerate(("ipv4", "ipv4", "ipv6", "ipv6")))
SLOW = MeasuredQuality(Quality.SLOW, 0.0, 410.0, 900.0)
LOSSY = MeasuredQuality(Quality.LOSSY, 0.23, 12.0, 20.0)
NO_CARRIER = Evidence(carrier=False, default_route=False, interface="eth0")
NO_ROUTE = Evidence(carrier=True, default_route=False, interface="eth0")

CASES = [
    pytest.param(THREE_ANSWER, TWO, True, None, id="all answer"),
    pytest.param((*THREE_ANSWER[:2], fail("http 1")), TWO, True, None, id="the quorum answers"),
    pytest.param(THREE_SILENT, replace(TWO, evidence=NO_CARRIER), False, Cause.NO_CARRIER, id="no carrier"),
    pytest.param(THREE_SILENT, replace(TWO, evidence=NO_ROUTE), False, Cause.NO_ROUTE, id="no default route"),
    pytest.param(
        THREE_SILENT,
        replace(TWO, evidence=Evidence(carrier=True, default_route=True)),
        False,
        Cause.UNREACHABLE,
        id="a cable and a route are no internet",
    ),
    pytest.param(THREE_ANSWER, replace(TWO, evidence=NO_CARRIER), True, None, id="probes are believed, not the system"),
    pytest.param(GATEWAY_DEAD, TWO, False, Cause.GATEWAY, id="the gateway is silent"),
    pytest.param(GATEWAY_DEAD, replace(TWO, evidence=NO_ROUTE), False, Cause.NO_ROUTE, id="the lowest layer is told"),
    pytest.param((*TCP_ALONE, fail("gateway 1")), TWO, False, Cause.DNS, id="a silent gateway that lets through"),
    pytest.param(
        GATEWAY_DEAD,
        replace(TWO, heard=frozenset({"tcp 1"})),
        False,
        Cause.UNREACHABLE,
        id="a gateway that never answers is no cause",
    ),
    pytest.param(
        (*THREE_SILENT, fail("gateway 1", Failure.UNREACHABLE)),
        replace(TWO, heard=frozenset({"tcp 1"})),
        False,
        Cause.GATEWAY,
        id="a gateway that nobody has the address of is",
    ),
    pytest.param((*THREE_SILENT, answer("gateway 1")), TWO, False, Cause.UNREACHABLE, id="only the gateway answers"),
    pytest.param(
        (*GATEWAY_DEAD, fail("interface 1", Failure.DOWN)), TWO, False, Cause.NO_CARRIER, id="a dead interface"
    ),
    pytest.param(
        (*GATEWAY_DEAD, fail("interface 1", Failure.UNROUTED)), TWO, False, Cause.NO_ROUTE, id="one that leads nowhere"
    ),
    pytest.param(
        (*THREE_SILENT, fail("gateway 1", Failure.UNROUTED)),
        TWO,
        False,
        Cause.NO_ROUTE,
        id="no gateway without a route",
    ),
    pytest.param(
        (*TCP_ALONE, fail("interface 1", Failure.DOWN)), TWO, False, Cause.DNS, id="what lets through is not dead"
    ),
    pytest.param((*THREE_ANSWER, fail("interface 1", Failure.DOWN)), TWO, True, None, id="nor is it in a good round"),
    pytest.param((*THREE_SILENT, answer("interface 1")), TWO, False, Cause.UNREACHABLE, id="an interface has no vote"),
    pytest.param(TCP_ALONE, TWO, False, Cause.DNS, id="names do not resolve"),
    pytest.param(
        (answer("tcp 1"), fail("dns 1", Failure.SERVFAIL), fail("dns 2", Failure.NXDOMAIN)),
        TWO,
        False,
        Cause.DNS,
        id="name servers answer with errors",
    ),
    pytest.param(
        (answer("tcp 1"), fail("dns 1"), fail("http 1")), TWO, False, Cause.PARTIAL, id="names and more are missing"
    ),
    pytest.param(PORTAL, TWO, False, Cause.PORTAL, id="a portal, though tcp and dns answer"),
    pytest.param(PORTAL, replace(TWO, quorum=1), False, Cause.PORTAL, id="a portal, though one is enough"),
    pytest.param(
        PORTAL, replace(TWO, suspects=frozenset({"http"})), False, Cause.PORTAL, id="a portal, though http is suspect"
    ),
    pytest.param(
        (answer("tcp 1"), fail("http 1", Failure.WRONG), answer("http 2")),
        TWO,
        True,
        None,
        id="one of two http targets is wrong",
    ),
    pytest.param(
        (*THREE_ANSWER, fail("dns 2", Failure.WRONG)),
        TWO,
        True,
        None,
        id="a wrong answer of a name server is no portal",
    ),
    pytest.param(BOTH_FAMILIES, TWO, True, None, id="both IP versions answer"),
    pytest.param(
        (*BOTH_FAMILIES[:2], *(fail(f"tcp {n}", family="ipv6") for n in (2, 3))),
        replace(TWO, lost=frozenset({"ipv6"})),
        True,
        Cause.PARTIAL,
        id="IPv6 is lost",
    ),
    pytest.param(
        (fail("tcp 0"), fail("tcp 1"), answer("tcp 2", family="ipv6")),
        replace(TWO, lost=frozenset({"ipv4"})),
        False,
        Cause.PARTIAL,
        id="a single target of IPv6 does not hide that IPv4 is gone",
    ),
    pytest.param(
        (stranded("tcp 0"), stranded("dns 1"), answer("http 2", family="ipv6")),
        replace(TWO, evidence=IPV6_ONLY, heard=frozenset({"http 2"})),
        True,
        Cause.PARTIAL,
        id="a machine that never had IPv4",
    ),
    pytest.param(
        (stranded("tcp 0"), stranded("dns 1"), answer("http 2", family="ipv6")),
        replace(TWO, evidence=IPV6_ONLY, heard=frozenset({"tcp 0", "dns 1", "http 2"})),
        False,
        Cause.PARTIAL,
        id="a machine that has lost IPv4",
    ),
    pytest.param(
        (stranded("tcp 0"), stranded("dns 1"), stranded("http 2")),
        replace(TWO, evidence=IPV6_ONLY, heard=frozenset()),
        False,
        Cause.UNREACHABLE,
        id="no target at all of the IP version that there is",
    ),
    pytest.param(
        THREE_SILENT,
        replace(TWO, evidence=Evidence(True, True, "dummy0", "203.0.113.255", "eth0")),
        False,
        Cause.NO_CARRIER,
        id="a better interface has no carrier, and the route that is left does not help",
    ),
    pytest.param(
        THREE_ANSWER,
        replace(TWO, evidence=Evidence(True, True, "wwan0", None, "eth0")),
        True,
        None,
        id="a better interface has no carrier, and the spare one works",
    ),
    pytest.param(
        (fail("tcp 0"), answer("tcp 1"), fail("tcp 2", family="ipv6"), answer("tcp 3", family="ipv6")),
        TWO,
        True,
        None,
        id="the quorum over both IP versions",
    ),
    pytest.param(
        (fail("tcp 0"), fail("tcp 1"), fail("tcp 2", family="ipv6"), answer("tcp 3", family="ipv6")),
        TWO,
        False,
        Cause.PARTIAL,
        id="neither IP version has its quorum",
    ),
    pytest.param(
        (answer("tcp 1"), fail("http 1", family=None), answer("tcp 2")), TWO, True, None, id="no IP version is chosen"
    ),
    pytest.param(THREE_ANSWER, replace(TWO, measured_quality=SLOW), True, Cause.SLOW, id="slow"),
    pytest.param(THREE_ANSWER, replace(TWO, measured_quality=LOSSY), True, Cause.LOSSY, id="lossy"),
    pytest.param(
        THREE_SILENT, replace(TWO, measured_quality=LOSSY), False, Cause.UNREACHABLE, id="an outage is more than a loss"
    ),
    pytest.param(THREE_ANSWER, replace(TWO, cluster="refused"), True, Cause.CLUSTER_ONLY, id="only the API is lost"),
    pytest.param(THREE_SILENT, replace(TWO, cluster="refused"), False, Cause.UNREACHABLE, id="the API is lost too"),
    pytest.param((*THREE_ANSWER, fail("api 1")), TWO, True, None, id="the API has no vote"),
    pytest.param(
        (fail("tcp 1"), *THREE_ANSWER[1:]),
        replace(TWO, suspects=frozenset({"tcp"})),
        True,
        Cause.PROBE_SUSPECT,
        id="a suspect kind",
    ),
    pytest.param(
        (fail("tcp 1"), fail("tcp 2"), answer("http 1")),
        replace(TWO, suspects=frozenset({"tcp"})),
        True,
        Cause.PROBE_SUSPECT,
        id="suspects do not count",
    ),
    pytest.param(
        (fail("tcp 1"), fail("tcp 2"), fail("http 1")),
        replace(TWO, suspects=frozenset({"tcp"})),
        False,
        Cause.UNREACHABLE,
        id="a suspect hides no outage",
    ),
    pytest.param(
        (answer("tcp 1"), fail("dns 1"), answer("http 1")),
        replace(TWO, suspects=frozenset({"dns"})),
        True,
        Cause.DNS,
        id="a dead name server, while the rest works",
    ),
    pytest.param(
        (answer("tcp 1"), answer("tcp 2")),
        replace(TWO, suspects=frozenset({"tcp"})),
        True,
        Cause.PROBE_SUSPECT,
        id="the only kind there is counts",
    ),
    pytest.param(
        (answer("tcp 1"), fail("tcp 2")),
        replace(TWO, heard=frozenset({"tcp 1"})),
        True,
        None,
        id="a target that never answered does not keep the link bad alone",
    ),
    pytest.param(
        (answer("tcp 1"), fail("tcp 2")),
        replace(TWO, heard=frozenset({"tcp 1", "tcp 2"})),
        False,
        Cause.PARTIAL,
        id="a target that has answered before counts",
    ),
    pytest.param(
        (answer("dns 1"), fail("tcp 1"), fail("tcp 2")),
        replace(TWO, heard=frozenset({"dns 1"})),
        False,
        Cause.PARTIAL,
        id="one answer out of three is no quorum, though the others never answered",
    ),
    pytest.param(
        tuple(fail(name, Failure.BROKEN) for name in ("tcp 1", "dns 1", "http 1")),
        TWO,
        None,
        Cause.NO_PROBE,
        id="probes that fail in themselves say nothing",
    ),
    pytest.param(
        (answer("tcp 1"), fail("dns 1", Failure.BROKEN), fail("http 1", Failure.BROKEN)),
        TWO,
        None,
        Cause.NO_PROBE,
        id="one answer is no quorum when most probes fail in themselves",
    ),
    pytest.param(
        (answer("tcp 1"), fail("dns 1", Failure.BROKEN), answer("http 1")), TWO, True, None, id="one is broken"
    ),
    pytest.param(
        (fail("tcp 1"), fail("dns 1", Failure.BROKEN), fail("http 1")),
        TWO,
        False,
        Cause.UNREACHABLE,
        id="one is broken, the others are silent",
    ),
    pytest.param((), TWO, None, Cause.NO_PROBE, id="no target at all"),
]


@pytest.mark.parametrize(("results", "background", "good", "cause"), CASES)
def test_the_verdict_on_a_round(
    results: tuple[ProbeResult, ...], background: Background, good: bool | None, cause: Cause | None
) -> None:
    diagnosis = diagnose(results, background)
    assert (diagnosis.good, diagnosis.cause) == (good, cause)


def test_every_cause_is_shown_by_a_case_and_has_an_advice() -> None:
    assert {case.values[3] for case in CASES} - {None} == set(Cause) == set(ADVICE)


@pytest.mark.parametrize(
    ("results", "background", "detail"),
    [
        pytest.param(THREE_SILENT, replace(TWO, evidence=NO_CARRIER), "eth0 has no carrier", id="no carrier"),
        pytest.param(
            THREE_SILENT,
            replace(TWO, evidence=Evidence(carrier=False)),
            "the interface to the internet has no carrier",
            id="of an unknown interface",
        ),
        pytest.param(THREE_SILENT, TWO, "tcp 1, dns 1, http 1: silent", id="one reason, told once"),
        pytest.param(TCP_ALONE, TWO, "dns 1: silent; http 1: name", id="two reasons"),
        pytest.param(GATEWAY_DEAD, TWO, "gateway 1: silent", id="only the gateway"),
        pytest.param(PORTAL, TWO, "http 1: wrong", id="portal"),
        pytest.param(THREE_ANSWER, replace(TWO, cluster="refused"), "refused", id="the API's own words"),
        pytest.param(
            (answer("tcp 1"), fail("tcp 2", family="ipv6")),
            replace(TWO, lost=frozenset({"ipv6"})),
            "no ipv6: tcp 2: silent",
            id="a lost IP version",
        ),
        pytest.param(
            (answer("tcp 1"), answer("tcp 2"), answer("tcp 3", family="ipv6"), fail("tcp 4", family="ipv6")),
            replace(TWO, lost=frozenset({"ipv6"})),
            "ipv6 below quorum: 1 of 2 answered, quorum is 2: tcp 4: silent",
            id="the lost IP version",
        ),
    ],
)
def test_the_evidence_is_told(results: tuple[ProbeResult, ...], background: Background, detail: str) -> None:
    assert diagnose(results, background).detail == detail


def test_a_good_round_has_no_detail() -> None:
    assert diagnose(THREE_ANSWER, TWO) == Diagnosis(True, None, "")


@pytest.mark.parametrize(
    ("results", "names"),
    [
        pytest.param(
            (answer("tcp 1"), answer("gateway 1"), answer("interface 1"), answer("api 1")), ["tcp 1"], id="kinds"
        ),
        pytest.param((answer("tcp 1"), fail("icmp 1")), ["tcp 1", "icmp 1"], id="failures count"),
        pytest.param((answer("tcp 1"), fail("icmp 1", Failure.BROKEN)), ["tcp 1"], id="broken ones do not"),
        pytest.param((fail("tcp 1", Failure.BROKEN), fail("tcp 2", Failure.BROKEN)), [], id="nothing is left"),
    ],
)
def test_what_counts(results: tuple[ProbeResult, ...], names: list[str]) -> None:
    assert [result.name for result in count_results(results, TWO)] == names


@pytest.mark.parametrize(
    ("results", "portal"),
    [
        pytest.param((fail("http 1", Failure.WRONG),), True, id="wrong"),
        pytest.param((fail("http 1", Failure.WRONG), fail("http 2")), True, id="wrong and silent"),
        pytest.param((fail("http 1", Failure.WRONG), answer("http 2")), False, id="wrong and right"),
        pytest.param((fail("http 1"), fail("http 2", Failure.REFUSED)), False, id="silent and refused"),
        pytest.param((fail("dns 1", Failure.WRONG), answer("tcp 1")), False, id="no http"),
        pytest.param((fail("http 1", Failure.DECLINED), answer("tcp 1")), False, id="a server's own trouble"),
        pytest.param((fail("http 2", Failure.WRONG), answer("tcp 1")), True, id="wrong, whatever answers"),
        pytest.param((fail("http 2", Failure.WRONG), answer("http 1")), False, id="wrong, and another right"),
    ],
)
def test_what_a_portal_is(results: tuple[ProbeResult, ...], portal: bool) -> None:
    assert bool(find_portal(results)) is portal


@pytest.mark.parametrize("heard", [frozenset(), frozenset({"tcp 1", "dns 1", "http 1"}), None], ids=["new", "old", "-"])
@pytest.mark.parametrize("failure", [failure for failure in Failure if failure is not Failure.WRONG])
@pytest.mark.parametrize("failing", ["tcp 1", "dns 1", "http 1"])
def test_one_target_in_trouble_never_outvotes_the_quorum(
    failing: str, failure: Failure, heard: frozenset[str] | None
) -> None:
    results = tuple(fail(name, failure) if name == failing else answer(name) for name in ("tcp 1", "dns 1", "http 1"))
    found = diagnose(results, replace(TWO, heard=heard))
    assert (found.good, found.cause) == (True, None)


@pytest.mark.parametrize("failure", [Failure.SILENT, Failure.DECLINED])
def test_a_server_that_declines_is_reached(failure: Failure) -> None:
    found = diagnose((fail("tcp 1"), fail("dns 1"), fail("http 1", failure)), TWO)
    assert found.cause is (Cause.PARTIAL if failure is Failure.DECLINED else Cause.UNREACHABLE)


@pytest.mark.parametrize(
    ("results", "heard", "names"),
    [
        pytest.param((answer("tcp 1"), fail("http 1")), {"tcp 1"}, ["http 1"], id="one that never answered"),
        pytest.param((fail("tcp 1"), fail("http 1")), {"tcp 1"}, ["http 1"], id="not one that once did"),
        pytest.param((fail("tcp 1"), fail("http 1")), set(), [], id="in an outage since the start nobody knows"),
        pytest.param(
            (fail("tcp 1"), fail("http 1", Failure.DECLINED)), set(), ["http 1"], id="but who declines is there"
        ),
        pytest.param((answer("tcp 1"), fail("gateway 1")), {"tcp 1"}, [], id="a gateway may keep silent"),
    ],
)
def test_which_targets_have_never_answered(results: tuple[ProbeResult, ...], heard: set[str], names: list[str]) -> None:
    assert [result.name for result in find_unheard(results, heard)] == names


@pytest.mark.parametrize(
    ("results", "good", "doubtful"),
    [
        pytest.param(THREE_ANSWER, True, set(), id="all answer"),
        pytest.param(THREE_SILENT, False, set(), id="nothing answers"),
        pytest.param((fail("tcp 1"), answer("dns 1"), answer("http 1")), True, {"tcp"}, id="one kind fails"),
        pytest.param((fail("tcp 1"), answer("tcp 2"), answer("http 1")), True, set(), id="one of a kind fails"),
        pytest.param(
            (fail("icmp 1"), fail("tcp 1"), answer("http 1")), False, {"icmp", "tcp"}, id="a higher layer works"
        ),
        pytest.param((answer("icmp 1"), fail("tcp 1"), fail("http 1")), False, set(), id="only a lower layer works"),
        pytest.param((fail("tcp 1"), answer("dns 1"), fail("icmp 1")), False, set(), id="names may come from a cache"),
        pytest.param((fail("dns 1"), fail("dns 2"), answer("http 1")), False, set(), id="dead names are a cause"),
        pytest.param((fail("gateway 1"), *THREE_ANSWER), True, set(), id="evidence is no kind to doubt"),
    ],
)
def test_which_kinds_a_round_speaks_against(results: tuple[ProbeResult, ...], good: bool, doubtful: set[str]) -> None:
    assert find_doubtful(results, good=good) == doubtful


@pytest.mark.parametrize(
    ("answering", "lost"),
    [
        pytest.param((True, True, True, True), set(), id="all answer"),
        pytest.param((True, True, False, False), {"ipv6"}, id="no IPv6"),
        pytest.param((False, False, True, True), {"ipv4"}, id="no IPv4"),
        pytest.param((True, True, True, False), {"ipv6"}, id="one of two is below the quorum"),
        pytest.param((True, False, False, False), set(), id="the other one does not work either"),
        pytest.param((False, False, False, False), set(), id="nothing answers"),
    ],
)
def test_which_ip_version_is_lost(answering: tuple[bool, ...], lost: set[str]) -> None:
    results = [
        answer(f"tcp {n}", family=family) if ok else fail(f"tcp {n}", family=family)
        for n, (ok, family) in enumerate(zip(answering, ("ipv4", "ipv4", "ipv6", "ipv6"), strict=True))
    ]
    assert find_lost_families(results, quorum=2) == lost


def test_one_ip_version_alone_is_never_lost() -> None:
    assert find_lost_families([answer("tcp 1"), fail("tcp 2")], quorum=1) == frozenset()


def test_the_quality_is_told_in_words() -> None:
    assert describe_quality(SLOW) == "loss 0 %, median 410 ms, p95 900 ms"
    assert describe_quality(MeasuredQuality(Quality.LOSSY, 0.5, None, None)) == "loss 50 %"


def test_a_failure_without_a_reason_is_told_too() -> None:
    assert describe_failures([ProbeResult("tcp 1", "tcp", False)]) == "tcp 1: no answer"


@pytest.mark.parametrize(
    ("results", "good", "doubtful"),
    [
        pytest.param((fail("tcp 1"), answer("http 1")), False, {"tcp"}, id="the same IP version"),
        pytest.param((fail("tcp 1"), answer("http 1", family="ipv6")), False, set(), id="the other IP version"),
        pytest.param((fail("tcp 1"), answer("http 1", family="ipv6")), True, set(), id="the other one, good"),
        pytest.param((fail("tcp 1"), answer("http 1", family=None)), False, {"tcp"}, id="through a proxy"),
        pytest.param((fail("tcp 1", family=None), answer("http 1")), False, {"tcp"}, id="none was chosen"),
        pytest.param(
            (fail("tcp 1"), fail("tcp 2", family="ipv6"), answer("http 1", family="ipv6")),
            False,
            set(),
            id="one of both",
        ),
        pytest.param(
            (fail("tcp 1"), fail("tcp 2", family="ipv6"), answer("http 1"), answer("http 2", family="ipv6")),
            False,
            {"tcp"},
            id="both",
        ),
    ],
)
def test_what_answers_over_one_ip_version_does_not_speak_against_the_other(
    results: tuple[ProbeResult, ...], good: bool, doubtful: set[str]
) -> None:
    assert find_doubtful(results, good=good) == doubtful


@pytest.mark.parametrize("quorum", [1, 2, 3])
@pytest.mark.parametrize("heard", [frozenset(), frozenset({"tcp 0", "tcp 1"})], ids=["new", "old"])
@pytest.mark.parametrize("evidence", [Evidence(), IPV6_ONLY], ids=["not told", "IPv6 only"])
def test_the_verdict_and_the_votes_never_contradict_each_other(
    evidence: Evidence, heard: frozenset[str], quorum: int
) -> None:
    background = Background(quorum, evidence=evidence, heard=heard)
    one = [(family, ok) for family in ("ipv4", "ipv6", None) for ok in (True, False)]
    for shown in product(one, repeat=3):
        results = tuple(
            answer(f"tcp {n}", family=family) if ok else fail(f"tcp {n}", Failure.UNREACHABLE, family=family)
            for n, (family, ok) in enumerate(shown)
        )
        votes = count_votes(results, background)
        assert diagnose(results, background).good is (votes.answered >= votes.needed), results

"""What doctor says of the targets and of the link: what the agent itself would say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.fakes.loopback import PATIENT
from tests.fakes.memories import remember, start
from tests.fakes.mornings import at
from tests.fakes.wine import on_wine

from connmon_agent.core.events import RoundFinished
from connmon_agent.core.link.causes import ADVICE, Cause
from connmon_agent.core.observations import Evidence, Failure, ProbeResult
from connmon_agent.core.world import Link
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.loading.defaults import icmp_target, interface_target, tcp_target
from connmon_agent.presence import AgentLock
from connmon_agent.probes.echoes import find_obstacle
from connmon_agent.runtime.findings import Finding
from connmon_agent.runtime.target_examinations import examine_targets, judge_round, recall_link
from connmon_agent.settings import Target
from connmon_lab.internet import Cut, LoopbackInternet

NOTHING_TOLD = Evidence()
not_told = pytest.mark.skipif(on_wine(), reason="Wine tells nobody that a UDP port is closed")
ALL = "good round: 3 of 3 counted targets answered, quorum is 2"


def test_targets_that_answer_are_good_each_and_together(tmp_path: Path) -> None:
    findings = asyncio.run(look_at_targets(tmp_path, cut=None))
    assert {finding.health for finding in findings.values()} == {"good"}
    assert findings["link"].text == ALL


def test_a_portal_is_a_problem_though_the_quorum_answers(tmp_path: Path) -> None:
    findings = asyncio.run(look_at_targets(tmp_path, cut=Cut.PORTAL))
    (silent,) = (finding for finding in findings.values() if finding.health == "warning")
    assert silent.about.startswith("target http://")
    link = findings["link"]
    assert (link.health, link.remedy) == ("problem", ADVICE[Cause.PORTAL])
    assert link.text.startswith("bad round: 2 of 2 counted targets answered, quorum is 2; portal: http://")


@not_told
def test_a_bad_round_is_a_problem_with_its_cause(tmp_path: Path) -> None:
    findings = asyncio.run(look_at_targets(tmp_path, cut=Cut.REFUSE))
    link = findings["link"]
    assert (link.health, link.remedy) == ("problem", ADVICE[Cause.UNREACHABLE])
    assert link.text.startswith("bad round: 0 of 3 counted targets answered, quorum is 2; unreachable: ")


@not_told
def test_the_evidence_of_the_operating_system_names_the_cause(tmp_path: Path) -> None:
    unplugged = Evidence(carrier=False, default_route=False, interface="wan0")
    link = asyncio.run(look_at_targets(tmp_path, cut=Cut.REFUSE, evidence=unplugged))["link"]
    assert (link.text.endswith("; no-carrier: wan0 has no carrier"), link.remedy) == (True, ADVICE[Cause.NO_CARRIER])


@pytest.mark.skipif(find_obstacle(None) is None, reason="this user may open ping sockets")
def test_a_target_that_cannot_be_probed_here_is_left_out_with_a_warning(tmp_path: Path) -> None:
    findings = asyncio.run(look_at_targets(tmp_path, cut=None, more=(icmp_target("127.0.0.1"),)))
    assert findings["target icmp 127.0.0.1"].health == "warning"
    assert findings["target icmp 127.0.0.1"].text.startswith(
        "skipped: the kernel does not allow this user ping sockets"
    )
    assert findings["link"].text == ALL


def test_evidence_has_no_vote(tmp_path: Path) -> None:
    findings = asyncio.run(look_at_targets(tmp_path, cut=None, more=(interface_target("no-such0"),)))
    assert findings["target interface no-such0"].health == "warning"
    assert findings["link"].text == ALL


def test_a_target_of_an_ip_version_that_this_machine_lacks_does_not_count_and_doctor_says_why(tmp_path: Path) -> None:
    ipv6_only = Evidence(True, True, "eth0", "fe80::1", versions=("ipv6",))
    unroutable = tcp_target("255.255.255.255", 443)  # refused by every kernel at once, and never sent
    findings = asyncio.run(look_at_targets(tmp_path, cut=None, more=(unroutable,), evidence=ipv6_only))
    text = findings[f"target {unroutable.name}"].text
    assert text.endswith(": this machine has no IPv4 default route, so it is not counted")
    assert findings["link"].text.startswith("good round: 3 of 3 counted targets answered, quorum is 2; partial: ")


def test_a_round_of_which_nothing_can_be_said_is_a_problem(tmp_path: Path) -> None:
    broken = ProbeResult("icmp 192.0.2.1", "icmp", False, reason="not allowed", failure=Failure.BROKEN)
    finding = judge_round((broken,), built_in_settings(tmp_path), Link())
    assert finding.health == "problem"
    assert finding.text.startswith("inconclusive round: no target can be probed on this machine")


ANSWERS = (ProbeResult("tcp 1", "tcp", True), ProbeResult("dns 1", "dns", True))
STRANGE = ProbeResult("http 1", "http", False, reason="answered HTTP 404", failure=Failure.DECLINED)


def test_what_a_running_agent_has_heard_is_known(tmp_path: Path) -> None:
    assert recall_link(tmp_path) == Link()
    remember(tmp_path, [*start(0), RoundFinished(at(1), (*ANSWERS, STRANGE))])
    assert recall_link(tmp_path) == Link(), "no agent runs"
    with AgentLock(tmp_path):
        assert recall_link(tmp_path).heard == ("dns 1", "tcp 1")


def test_a_target_that_has_never_answered_the_running_agent_is_named(tmp_path: Path) -> None:
    remember(tmp_path, [*start(0), RoundFinished(at(1), (*ANSWERS, STRANGE))])
    with AgentLock(tmp_path):
        findings = asyncio.run(look_at_targets(tmp_path, cut=Cut.PORTAL))
    (silent,) = (finding for finding in findings.values() if finding.about.startswith("target http://"))
    assert silent.text.endswith("; not counted: no expected answer since the agent started")


async def look_at_targets(
    folder: Path, *, cut: Cut | None, more: tuple[Target, ...] = (), evidence: Evidence = NOTHING_TOLD
) -> dict[str, Finding]:
    internet = LoopbackInternet()
    await internet.start()
    try:
        if cut is not None:
            await internet.cut(cut)
        settings = replace(built_in_settings(folder), targets=(*internet.targets(), *more), timeout=PATIENT)
        return await gather(examine_targets(settings, look=lambda: evidence))
    finally:
        await internet.stop()


async def gather(findings: AsyncIterator[Finding]) -> dict[str, Finding]:
    return {finding.about: finding async for finding in findings}


def test_the_gateway_that_the_system_names_is_asked_too(tmp_path: Path) -> None:
    by_loopback = Evidence(carrier=True, default_route=True, interface="lo", gateway="127.0.0.1")
    findings = asyncio.run(look_at_targets(tmp_path, cut=None, evidence=by_loopback))
    assert (findings["target gateway 127.0.0.1"].health, findings["link"].text) == ("good", ALL)


@pytest.mark.skipif(find_obstacle(None) is None, reason="this user may open ping sockets")
def test_why_nothing_can_be_probed_is_told_once(tmp_path: Path) -> None:
    settings = replace(built_in_settings(tmp_path), targets=(icmp_target("127.0.0.1"),))

    async def look() -> list[Finding]:
        return [finding async for finding in examine_targets(settings, look=lambda: NOTHING_TOLD)]

    assert [finding.about for finding in asyncio.run(look())] == ["target icmp 127.0.0.1", "link"]

"""The checks of ``doctor`` on the link's targets: one round, judged as the agent judges it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

from msgspec.structs import replace

from ..core.link.causes import ADVICE, find_stranded, find_unheard, tell_no_way, tell_verdict
from ..core.link.rounds import judge_alone
from ..core.observations import Evidence, Failure, ProbeResult
from ..core.world import Link
from ..errors import ConnmonError
from ..presence import find_agent
from ..probes.prober import TargetProber
from ..routes import open_link_watch
from ..settings import GatewayTarget, Settings
from ..store import DATABASE_FILE
from ..store.reading import Reader
from .findings import Finding, good, note, problem, warning

REMEDIES: dict[Failure | None, str] = {
    Failure.NXDOMAIN: "Correct the name under link.targets, or allow it in the DNS filter",
    Failure.SERVFAIL: "Check the name server's upstream, or use another name server under link.targets",
    Failure.NAME: "Check the name under link.targets, and the name servers of this machine",
    Failure.DECLINED: "Check the URL and the expected status under link.targets, or use another server",
    Failure.WRONG: "Log in on the portal's page, or correct the expected answer under link.targets",
    Failure.DOWN: "Check the cable and `ip link`, or correct the name under link.targets",
    Failure.UNROUTED: "Check DHCP, `ip address` and `ip route`",
}
GATEWAY_PATIENCE = 1.0  # seconds; a router is a wire away


async def read_evidence() -> Evidence:
    """What the operating system says of the way out now."""
    watch = open_link_watch()
    try:
        return watch.read()
    finally:
        await watch.close()


async def examine_targets(settings: Settings, *, look: Callable[[], Evidence] | None = None) -> AsyncIterator[Finding]:
    """One round of probes, told target by target, and the verdict on it.

    ``look`` gives the operating system's evidence (None: the operating system is asked).
    """
    link = recall_link(settings.state_dir)
    evidence = await read_evidence() if look is None else look()
    prober = TargetProber(settings.targets, settings.timeout)
    # A router that keeps silent, as many do, is not waited for as a target is: it has no vote.
    gateway = TargetProber(tuple(_gateway_of(settings, evidence)), min(settings.timeout, GATEWAY_PATIENCE))
    try:
        found = await asyncio.gather(prober.probe_all(), gateway.probe_all())
    finally:
        await prober.close()
        await gateway.close()
    results = (*found[0], *found[1])
    unheard = {result.name for result in find_unheard(results, link.heard)}
    stranded = find_stranded(results, evidence, link.heard)
    for result in (result for result in results if result.name not in prober.left_out):
        yield _judge_stranded(result) if result in stranded else _judge_probe(result, unheard=result.name in unheard)
    for name, obstacle in prober.left_out.items():
        yield warning(
            f"target {name}", f"skipped: {obstacle}", "Remove that obstacle, or remove the target under link.targets"
        )
    for name, proxy in prober.proxies.items():
        yield note(f"target {name}", f"uses the proxy {proxy}")
    yield judge_round(results, settings, replace(link, evidence=evidence))


def _gateway_of(settings: Settings, evidence: Evidence) -> Iterator[GatewayTarget]:
    """The gateway that the operating system names, where it is no target anyway: the agent asks it in doubt."""
    address = evidence.gateway_address
    if address is not None and not any(isinstance(target, GatewayTarget) for target in settings.targets):
        yield GatewayTarget(f"gateway {address}", address)


def recall_link(folder: Path) -> Link:
    """What a running agent knows of the targets since its start; without one nothing is known."""
    try:
        if find_agent(folder) is None:
            return Link()
        with Reader(folder / DATABASE_FILE) as reader:
            world = reader.world()
    except ConnmonError:
        return Link()  # another check says what is wrong with the state file
    return Link() if world is None else world.link


def judge_round(results: Sequence[ProbeResult], settings: Settings, link: Link) -> Finding:
    """The verdict on a round, by the agent's own rules, with its cause and what to do about it."""
    diagnosis, votes = judge_alone(results, settings.plan.link, link)
    told = tell_verdict(diagnosis, votes)
    if diagnosis.cause is None:
        return good("link", told)
    say = warning if diagnosis.good else problem
    return say("link", told, ADVICE[diagnosis.cause])


def _judge_stranded(result: ProbeResult) -> Finding:
    told = f"{result.reason}: {tell_no_way(result.family or '')}, so it is not counted"
    return warning(f"target {result.name}", told, "Use addresses of the available IP version under link.targets")


def _judge_probe(result: ProbeResult, *, unheard: bool) -> Finding:
    about = f"target {result.name}"
    if result.ok:
        return good(about, "answers" if result.latency_ms is None else f"answered in {result.latency_ms:.1f} ms")
    reason = result.reason or "no answer"
    if result.kind == "gateway" and result.failure is Failure.SILENT:
        return note(about, f"{reason} (many routers never answer)")  # the verdict says where it matters
    if unheard:
        told = f"{reason}; not counted: no expected answer since the agent started"
        return warning(about, told, "Check its address and expected answer, or remove it under link.targets")
    return warning(about, reason, REMEDIES.get(result.failure, "Check the address and any firewall in between"))

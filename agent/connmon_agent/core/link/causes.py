"""What a round of probes says of the link: good or bad, and of which one cause.

The layers are asked from the cable up, as Windows' NCSI and every network engineer do: the lowest one that fails is the
cause, for whatever stands on it fails with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import StrEnum

from msgspec import Struct, field

from ...texts import LONGEST_MESSAGE, shorten
from ..observations import Evidence, Failure, MeasuredQuality, ProbeResult, Quality

# The kinds whose answer proves that the internet can be used, each with how much of the way it proves: what answers on
# a higher layer has used the lower ones. The others are evidence for the cause, and never make or end an outage.
LAYERS = {"icmp": 1, "tcp": 2, "http": 3, "dns": 2}
FAMILIES = ("ipv4", "ipv6")
_NAMES = {"ipv4": "IPv4", "ipv6": "IPv6"}


class Cause(StrEnum):
    """What is wrong with the link, in one word for programs."""

    NO_CARRIER = "no-carrier"
    NO_ROUTE = "no-route"
    GATEWAY = "gateway"
    DNS = "dns"
    PORTAL = "portal"
    UNREACHABLE = "unreachable"
    PARTIAL = "partial"
    LOSSY = "lossy"
    SLOW = "slow"
    CLUSTER_ONLY = "cluster-only"
    PROBE_SUSPECT = "probe-suspect"
    NO_PROBE = "no-probe"


ADVICE = {
    Cause.NO_CARRIER: "Check the cable, the switch and the router's power.",
    Cause.NO_ROUTE: "This machine has no default route. Check DHCP and its network configuration.",
    Cause.GATEWAY: "The router does not answer. Check or restart it.",
    Cause.DNS: "The line works, but names do not resolve. Check the DNS servers of this machine and of the targets.",
    Cause.PORTAL: "A captive portal or middlebox is answering. Log in on its page, or call the provider.",
    Cause.UNREACHABLE: "The router is reachable (or could not be checked), the internet is not. Call the provider.",
    Cause.PARTIAL: "Only some targets answer. Check for a fault of the provider, of one IP version or of the targets.",
    Cause.LOSSY: "Packets are being lost. Check for a saturated line, a weak radio signal or a bad cable.",
    Cause.SLOW: "Latency is high. Check what is using the line.",
    Cause.CLUSTER_ONLY: "The internet works. Check the node, k3s or minikube, and the network path to the API server.",
    Cause.PROBE_SUSPECT: (
        "Other kinds of probes succeed. Check these targets, and firewalls or DNS filters that may block them."
    ),
    Cause.NO_PROBE: "No target can be probed from this machine. Fix the reasons shown, or configure other targets.",
}


# What an interface or gateway target says of this machine itself, the lowest layer first.
_LOCAL_FAULTS = {Failure.DOWN: Cause.NO_CARRIER, Failure.UNROUTED: Cause.NO_ROUTE}


class Diagnosis(Struct, frozen=True):
    """A verdict on one round.

    ``good`` None: the probes themselves failed, and the round says nothing. ``cause`` None: nothing is wrong;
    ``detail`` is the evidence for it, in words.
    """

    good: bool | None
    cause: Cause | None
    detail: str


class Votes(Struct, frozen=True):
    """How many of the counted targets have answered, of how many, and the quorum."""

    answered: int
    counted: int
    needed: int

    def __str__(self) -> str:
        return f"{self.answered} of {self.counted} counted targets answered, quorum is {self.needed}"


class Background(Struct, frozen=True):
    """What is known besides the round itself.

    ``heard`` are the names of the targets that have answered as expected since the start (None: this is not looked at);
    ``suspects`` the kinds that do not count; ``lost`` the IP versions that have not answered for long enough;
    ``cluster`` says why the Kubernetes API cannot be reached (None: it can, or nobody knows).
    """

    quorum: int
    evidence: Evidence = field(default_factory=Evidence)
    suspects: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    heard: frozenset[str] | None = None
    measured_quality: MeasuredQuality | None = None
    cluster: str | None = None


def diagnose(results: Sequence[ProbeResult], background: Background) -> Diagnosis:
    """The verdict on one round of probes."""
    if portal := find_portal(results):
        return Diagnosis(False, Cause.PORTAL, describe_failures(portal))
    counted = count_results(results, background)
    if not counted:
        return Diagnosis(None, Cause.NO_PROBE, describe_failures(results) or "no target is configured")
    if not _answers(counted, background.quorum):
        return Diagnosis(False, *_find_cause(results, counted, background))
    return Diagnosis(True, *_find_blemish(results, background))


def count_results(results: Sequence[ProbeResult], background: Background) -> list[ProbeResult]:
    """The results that say something of the internet; none where most of the probes themselves failed.

    Left out are kinds that only are evidence, suspects, probes that failed in themselves, targets of an IP version that
    this machine does not have, and targets that have never answered since the start. Those may be too few to judge by,
    and then a single answer, which may come from a cache in the house, would be a quorum: where more than half have
    never answered, they count.
    """
    stranded = find_stranded(results, background.evidence, background.heard)
    able = [result for result in results if result.kind in LAYERS and result not in stranded]
    able = able or [result for result in results if result.kind in LAYERS]
    asked = [result for result in able if result.kind not in background.suspects] or able
    counted = [result for result in asked if result.failure is not Failure.BROKEN]
    if 2 * len(counted) < len(asked):
        return []
    if background.heard is None:
        return counted
    known = [result for result in counted if result.ok or result.name in background.heard]
    return known if 2 * len(known) >= len(asked) else counted


def count_votes(results: Sequence[ProbeResult], background: Background) -> Votes:
    """The votes of a round by its quorum."""
    counted = count_results(results, background)
    return Votes(sum(result.ok for result in counted), len(counted), min(background.quorum, len(counted)))


def tell_verdict(diagnosis: Diagnosis, votes: Votes) -> str:
    """``bad round: 1 of 3 counted targets answered, quorum is 2; partial: tcp 1: no answer within 1 s``."""
    if diagnosis.good is None:
        told = "inconclusive round: no target can be probed on this machine"
    else:
        told = f"{'good' if diagnosis.good else 'bad'} round: {votes}"
    return told if diagnosis.cause is None else f"{told}; {diagnosis.cause}: {diagnosis.detail}"


def find_portal(results: Sequence[ProbeResult]) -> list[ProbeResult]:
    """The answers given in the internet's place; none where an HTTP target answers as expected.

    A web server's own trouble (503, say) is none of them: it costs that target its vote, and no more.
    """
    http = [result for result in results if result.kind == "http"]
    return [] if any(result.ok for result in http) else _of(http, Failure.WRONG)


def find_unheard(results: Iterable[ProbeResult], heard: Collection[str]) -> list[ProbeResult]:
    """The targets that have never answered as expected since the start, while others have: not the link is at fault.

    A web server that declines is there, so that its target is named even where nothing else has answered yet.
    """
    failed = [result for result in results if result.kind in LAYERS and not result.ok]
    unheard = [one for one in failed if one.name not in heard and one.failure is not Failure.BROKEN]
    return unheard if heard else _of(unheard, Failure.DECLINED)


def find_stranded(
    results: Iterable[ProbeResult], evidence: Evidence, heard: Collection[str] | None
) -> list[ProbeResult]:
    """The targets of an IP version that this machine has no way out for, none of which has answered since the start.

    A machine without IPv4 is none that has lost it: what has answered before still counts.
    """
    if not evidence.versions or heard is None:
        return []
    missing = set(FAMILIES) - set(evidence.versions)
    unreachable = _of(results, Failure.UNREACHABLE)
    return [one for one in unreachable if one.kind in LAYERS and one.family in missing and one.name not in heard]


def find_lost_families(counted: Sequence[ProbeResult], quorum: int) -> frozenset[str]:
    """The IP versions below their own quorum while the other one works."""
    families = _split_families(counted)
    working = find_working_families(counted, quorum)
    return frozenset(families) - working if working else frozenset()


def find_working_families(counted: Sequence[ProbeResult], quorum: int) -> frozenset[str]:
    """The IP versions that have their own quorum; none where not both are asked."""
    return frozenset(family for family, some in _split_families(counted).items() if _answers(some, quorum))


def _split_families(counted: Sequence[ProbeResult]) -> dict[str, list[ProbeResult]]:
    """The results by IP version, where both are asked. What did not get so far as to have one would be of either."""
    if not all(any(result.family == family for result in counted) for family in FAMILIES):
        return {}
    return {family: [result for result in counted if result.family in (family, None)] for family in FAMILIES}


def _answers(counted: Sequence[ProbeResult], quorum: int) -> bool:
    return sum(result.ok for result in counted) >= min(quorum, len(counted))


def _find_cause(
    results: Sequence[ProbeResult], counted: Sequence[ProbeResult], background: Background
) -> tuple[Cause, str]:
    failing, evidence = describe_failures(counted), background.evidence
    if evidence.carrier is False:
        return Cause.NO_CARRIER, _about(evidence, "has no carrier")
    if evidence.default_route is False:
        return Cause.NO_ROUTE, "no default route"
    answered = [result for result in counted if result.ok]
    if not answered and (nearby := _find_nearby(results, background.heard)):
        return nearby
    if not answered and evidence.dark is not None:
        return Cause.NO_CARRIER, f"{evidence.dark} has no carrier, {_tell_other_transition(evidence)}"
    if answered and all(_is_dns(result) for result in counted if not result.ok):
        return Cause.DNS, failing
    if gone := _find_gone(counted):
        return Cause.PARTIAL, "; ".join(_tell_lost(family, counted, background) for family in sorted(gone))
    spoke = answered or _of(counted, Failure.DECLINED)  # a server that declines is reached
    return (Cause.PARTIAL if spoke else Cause.UNREACHABLE), failing


def _find_nearby(results: Sequence[ProbeResult], heard: frozenset[str] | None) -> tuple[Cause, str] | None:
    """What the targets on this side of the line say of the fault; None: nothing.

    An interface that is a target is the way out, whatever else the machine has.
    """
    for failure, cause in _LOCAL_FAULTS.items():
        local = [result for result in _of(results, failure) if result.kind not in LAYERS]
        if local:
            return cause, describe_failures(local)
    gateway = [result for result in results if _speaks_of_gateway(result, heard)]
    return (Cause.GATEWAY, describe_failures(gateway)) if gateway else None


def _speaks_of_gateway(result: ProbeResult, heard: frozenset[str] | None) -> bool:
    """Many routers never answer: the silence of one that never has says nothing, unless nobody has its address."""
    known = not heard or result.name in heard or result.failure is Failure.UNREACHABLE
    return result.kind == "gateway" and not result.ok and result.failure is not Failure.BROKEN and known


def _find_blemish(results: Sequence[ProbeResult], background: Background) -> tuple[Cause | None, str]:
    """What is wrong with a link that works, the worst first."""
    if background.lost:
        return Cause.PARTIAL, "; ".join(_tell_lost(family, results, background) for family in sorted(background.lost))
    measured_quality = background.measured_quality
    if measured_quality is not None and measured_quality.quality is not Quality.GOOD:
        return Cause(measured_quality.quality.value), describe_quality(measured_quality)
    if background.cluster is not None:
        return Cause.CLUSTER_ONLY, background.cluster
    if background.suspects:
        failing = [result for result in results if result.kind in background.suspects]
        names = background.suspects == {"dns"}  # who asks a dead name server is not at fault
        return Cause.DNS if names else Cause.PROBE_SUSPECT, describe_failures(failing)
    if stranded := find_stranded(results, background.evidence, background.heard):
        names_of = {family: [one.name for one in stranded if one.family == family] for family in FAMILIES}
        told = [f"{tell_no_way(family)}; not counted: {', '.join(some)}" for family, some in names_of.items() if some]
        return Cause.PARTIAL, "; ".join(told)
    return None, ""


def _find_gone(counted: Sequence[ProbeResult]) -> frozenset[str]:
    """The IP versions of which nothing answers, while the other one does."""
    families = _split_families(counted)
    silent = {family for family, some in families.items() if not any(one.ok and one.family for one in some)}
    return frozenset(silent if len(silent) < len(families) else ())


def tell_no_way(family: str) -> str:
    """``this machine has no IPv4 default route``."""
    return f"this machine has no {_NAMES[family]} default route"


def _tell_other_transition(evidence: Evidence) -> str:
    return f"and nothing answers over {evidence.interface} either" if evidence.interface else "nothing answers"


def _tell_lost(family: str, results: Sequence[ProbeResult], background: Background) -> str:
    """``no ipv6: ...``, or where some of it answers: ``ipv6 below quorum: 1 of 3 answered, quorum is 2: ...``."""
    some = [result for result in results if result.kind in LAYERS and result.family in (family, None)]
    answered, failing = sum(result.ok for result in some), describe_failures(some)
    if not answered:
        versions = background.evidence.versions
        why = f" ({tell_no_way(family)})" if versions and family not in versions else ""
        return f"no {family}{why}: {failing}"
    needed = min(background.quorum, len(some))
    return f"{family} below quorum: {answered} of {len(some)} answered, quorum is {needed}: {failing}"


def _is_dns(result: ProbeResult) -> bool:
    return result.kind == "dns" or result.failure is Failure.NAME


def find_doubtful(results: Sequence[ProbeResult], *, good: bool) -> frozenset[str]:
    """The kinds that this round speaks against: all of their targets failed, while a higher layer answered throughout.

    In a good round every other kind speaks against the one that fails; in a bad one only a layer above it, which could
    not have answered without it. Names are a layer of their own: a dead name server is no suspicion, but a cause.
    What answers over one IP version says nothing of a kind that was asked over the other: that version may be dead.
    """
    kinds = {result.kind for result in results if result.kind in LAYERS}
    failed = {kind for kind in kinds if not any(result.ok for result in results if result.kind == kind)}
    whole = {kind for kind in kinds if all(result.ok for result in results if result.kind == kind)}
    if not whole:
        return frozenset()
    if good:
        return frozenset(kind for kind in failed if _is_contradicted(kind, whole, results))
    above = whole - {"dns"}
    return frozenset(
        kind
        for kind in failed - {"dns"}
        if _is_contradicted(kind, {one for one in above if LAYERS[one] > LAYERS[kind]}, results)
    )


def _is_contradicted(kind: str, whole: Collection[str], results: Iterable[ProbeResult]) -> bool:
    """Whether the kinds ``whole`` answered over every IP version that ``kind`` was asked over, as far as is known."""
    asked, answered = set(), set()
    for result in results:
        if result.kind == kind:
            asked.add(result.family)
        elif result.kind in whole:
            answered.add(result.family)
    return bool(answered) and (None in answered or asked - {None} <= answered)


def describe_quality(measured_quality: MeasuredQuality) -> str:
    """``loss 23 %, median 410 ms, p95 900 ms``."""
    parts = [f"loss {measured_quality.loss:.0%}".replace("%", " %")]
    if measured_quality.median_ms is not None and measured_quality.p95_ms is not None:
        parts += [f"median {measured_quality.median_ms:.0f} ms", f"p95 {measured_quality.p95_ms:.0f} ms"]
    return ", ".join(parts)


def describe_failures(results: Iterable[ProbeResult]) -> str:
    """The targets that did not answer, in words; those with one reason are told together. Cut where it grows long."""
    reasons: dict[str, list[str]] = {}
    for result in results:
        if not result.ok:
            reasons.setdefault(result.reason or "no answer", []).append(result.name)
    told = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())
    return shorten(told, LONGEST_MESSAGE)


def _of(results: Iterable[ProbeResult], failure: Failure) -> list[ProbeResult]:
    return [result for result in results if result.failure is failure]


def _about(evidence: Evidence, what: str) -> str:
    return f"{evidence.interface} {what}" if evidence.interface else f"the interface to the internet {what}"

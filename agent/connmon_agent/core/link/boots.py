"""The time after a boot: an agent that starts before the machine's own network is there must not call that an outage.

DHCP, a switch port, a modem or the local resolver may need many seconds more than the agent. Without a grace each boot
would be an outage, and its end would restart services that the boot has just started.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..observations import Failure, ProbeResult
from ..plan import LinkPlan
from ..timestamps import Timestamp
from ..world import Link
from .causes import Background, Diagnosis, count_results, tell_no_way


def find_lack(
    link: Link, plan: LinkPlan, at: Timestamp, results: Sequence[ProbeResult], background: Background, found: Diagnosis
) -> str:
    """What this machine itself has not got yet, in words, where that alone made the round bad; empty: nothing.

    Only within ``boot_grace`` of the first start of an agent in this boot, and until the link has worked since. What a
    machine has not got yet is a carrier, a default route, an IP version, or a name server that answers.
    """
    if link.booted is None or found.good is not False or at.steady - link.booted.steady >= plan.boot_grace:
        return ""
    if background.evidence.hard:
        return found.detail
    told = link.evidence_since
    if link.lacks and told is not None and at.steady - told.steady <= plan.check_interval:
        return link.lacks  # the round was under way when the network came: none takes longer than check_interval
    counted = count_results(results, background)
    lacking = [result for result in counted if _lacks_version(result, background) or result.failure is Failure.NAME]
    answered = sum(result.ok for result in counted)
    if not lacking or answered + len(lacking) < min(background.quorum, len(counted)):
        return ""  # without it the round would be bad all the same
    return "; ".join(dict.fromkeys(_tell(result, background) for result in lacking))


def _lacks_version(result: ProbeResult, background: Background) -> bool:
    versions = background.evidence.versions
    if not versions or result.family is None or result.failure is not Failure.UNREACHABLE:
        return False
    return result.family not in versions


def _tell(result: ProbeResult, background: Background) -> str:
    if _lacks_version(result, background):
        return tell_no_way(result.family or "")
    return f"{result.name}: {result.reason or 'name does not resolve'}"

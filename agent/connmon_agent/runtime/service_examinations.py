"""The checks of ``doctor`` for services: whether each workload is there, and could be restarted."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ..core.observations import Observation, Unobserved
from ..core.plan import Kind, ServicePlan
from ..core.services.preflight import find_forbidding
from ..core.wording import tell_reach
from ..errors import ClusterError
from ..kube.calls import Calls
from ..kube.requests import PLURALS, ApiRequest
from ..ports import Cluster, Registries
from .findings import Finding, good, note, problem, warning
from .observers import ask_registries

MOST_SEARCHED = 500  # workloads of the whole cluster that are looked through for those that a namespace lacks


@dataclass(frozen=True, slots=True)
class ServiceFindings:
    """What was found, and the names of the services whose workload does not exist."""

    findings: tuple[Finding, ...]
    missing: frozenset[str]


async def examine_services(
    services: Sequence[ServicePlan], cluster: Cluster, calls: Calls, *, registries: Registries
) -> ServiceFindings:
    """Every service's finding. Where a namespace has none of several workloads, one finding stands for them all."""
    seen = await asyncio.gather(*(_look(service, cluster, registries) for service in services))
    missing = {
        service.name
        for service, measured_quality in zip(services, seen, strict=True)
        if isinstance(measured_quality, Observation) and not measured_quality.exists
    }
    together = _group_missing(services, missing)
    findings = [await _tell_group(group, calls) for group in together]
    told = {service.name for group in together for service in group}
    findings += [
        _judge_service(service, measured_quality)
        for service, measured_quality in zip(services, seen, strict=True)
        if service.name not in told
    ]
    return ServiceFindings(tuple(findings), frozenset(missing))


async def _look(service: ServicePlan, cluster: Cluster, registries: Registries) -> Observation | Unobserved:
    seen = await cluster.inspect(service, closely=True)
    return await ask_registries(seen, registries) if isinstance(seen, Observation) else seen


def _group_missing(services: Sequence[ServicePlan], missing: Collection[str]) -> list[list[ServicePlan]]:
    """The groups of at least two workloads of one kind in one namespace of which none is there."""
    groups: dict[tuple[Kind, str], list[ServicePlan]] = defaultdict(list)
    for service in services:
        groups[service.kind, service.namespace].append(service)
    return [group for group in groups.values() if len(group) > 1 and all(service.name in missing for service in group)]


async def _tell_group(group: Sequence[ServicePlan], calls: Calls) -> Finding:
    first, wanted = group[0], sorted({service.workload for service in group})
    elsewhere = await _search(first.kind, set(wanted), calls)
    hint = "; ".join(f"{namespace} has {', '.join(names)}" for namespace, names in sorted(elsewhere.items()))
    text = f"namespace {first.namespace} has none of the {len(group)} {first.kind}s ({', '.join(wanted)})"
    remedy = "Set kubernetes.namespace to their namespace, or correct their names"
    return problem("services", f"{text}; {hint}" if hint else text, remedy)


async def _search(kind: Kind, wanted: Collection[str], calls: Calls) -> dict[str, list[str]]:
    """Which namespaces have workloads of these names. Empty where the role may not look there, or none has."""
    path = f"/apis/apps/v1/{PLURALS[kind]}"
    request = ApiRequest("GET", path, f"{kind}List", query=(("limit", str(MOST_SEARCHED)),))
    found: dict[str, list[str]] = defaultdict(list)
    try:
        for item in (await calls.send(request)).get("items") or ():
            metadata = item["metadata"]
            if metadata["name"] in wanted:
                found[str(metadata["namespace"])].append(str(metadata["name"]))
    except (ClusterError, AttributeError, KeyError, TypeError):
        return {}  # it is a hint only
    return {namespace: sorted(names) for namespace, names in found.items()}


def _judge_service(service: ServicePlan, seen: Observation | Unobserved) -> Finding:
    about, what = f"service {service.name}", f"{service.kind} {service.namespace}/{service.workload}"
    if isinstance(seen, Unobserved):
        return problem(about, f"{what}: {seen.reason}", "Check the API server")
    if not seen.exists:
        return problem(
            about, f"{what} does not exist", "Correct the name or the namespace, or remove the service from services"
        )
    if seen.paused:
        return warning(about, f"{what} is paused and will not be restarted", "Run `kubectl rollout resume`")
    if seen.restartable is not None:
        return warning(about, f"{what}: {seen.restartable}", "Set the update strategy to RollingUpdate")
    if seen.gated is not None:
        remedy = "Remove the gate, or remove the service from services"
        return warning(about, f"{what} will not be restarted: {seen.gated}", remedy)
    if seen.desired == 0:
        return note(about, f"{what} is scaled to 0 and will not be restarted")
    if not seen.healthy:
        return warning(about, f"{what}: {seen.trouble or seen.progress}", "Run `kubectl describe` for details")
    if seen.blocked_by is not None:
        return warning(
            about,
            f"{what} is available, but PodDisruptionBudget {seen.blocked_by} allows no disruption, "
            "and a restart stops a pod before its replacement is available",
            "Allow one disruption, run one more replica, or set maxUnavailable to 0 for a Deployment",
        )
    if (pull := find_forbidding(seen)) is not None and pull.answer is not None:
        return warning(
            about,
            f"{what} is available, but registry {pull.registry} {tell_reach(pull.answer)}, and a restart would "
            f"stop working pods before new ones can pull {pull.image} ({pull.why})",
            "Check the registry. If nodes pull from a mirror, set it under kubernetes.registries",
        )
    return good(about, f"{what}, {seen.available} of {seen.desired} available")

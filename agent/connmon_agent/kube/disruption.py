"""Whether a rollout disrupts a workload: how many working pods it takes away, and which budget allows none now.

How many it takes away before their successors run is decided by the controllers: kubernetes
pkg/controller/deployment/util/deployment_util.go (ResolveFenceposts), pkg/controller/daemon/update.go; a StatefulSet
deletes a pod before it makes the next one. A rollout that takes none away has no budget to ask. Controllers are not
bound by PodDisruptionBudgets when they roll out a new template, so the agent asks before it restarts:
https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..core.plan import Kind
from .object_fields import labels_of, metadata_of, number_of
from .requests import ApiRequest, Json, get, list_by_selector, list_path
from .rollouts import read_template
from .selectors import match_labels

# policy/v1 exists since Kubernetes 1.21, policy/v1beta1 ended with 1.25.
VERSIONS = ("v1", "v1beta1")
_DEPLOYMENT_DEFAULT = "25%"  # of maxSurge and of maxUnavailable, by the API


def discover_policy() -> ApiRequest:
    """The request that tells which versions of the policy API the server has."""
    return get("/apis/policy", "APIGroup")


def choose_version(group: Json) -> str | None:
    """The newest version of the policy API that is known here; None: the server has none of them."""
    served = {version.get("version") for version in group.get("versions") or ()}
    return next((version for version in VERSIONS if version in served), None)


def list_budgets(namespace: str, version: str) -> ApiRequest:
    """The request for the namespace's budgets."""
    return list_by_selector(
        list_path(f"apis/policy/{version}", namespace, "poddisruptionbudgets"), "PodDisruptionBudgetList"
    )


def find_blocking(workload: Json, budgets: Iterable[Json], *, version: str) -> str | None:
    """The name of a budget that matches the workload's pods and allows no disruption; None: none does."""
    labels = labels_of(read_template(workload))
    for budget in budgets:
        if _selects(budget.get("spec", {}).get("selector"), labels, version) and not _allows_disruption(budget):
            return str(budget.get("metadata", {}).get("name"))
    return None


def _selects(selector: Json | None, labels: dict[str, str], version: str) -> bool:
    """An empty selector means every pod of the namespace in policy/v1, and no pod in policy/v1beta1."""
    if selector is None or (version == "v1beta1" and not any(selector.values())):
        return False
    return match_labels(selector, labels)


def _allows_disruption(budget: Json) -> bool:
    """A status older than the budget's spec says nothing, and then the API server too allows none."""
    status = budget.get("status") or {}
    current = number_of(status, "observedGeneration") >= number_of(metadata_of(budget), "generation")
    return current and number_of(status, "disruptionsAllowed") > 0


def most_unavailable(kind: Kind, workload: Json, desired: int) -> int:
    """Of ``desired`` pods, how many the rollout may take away before others are available in their place.

    0: it never goes below what is available, so that a restart disrupts nothing. ``desired`` is as in ``Observation``.
    """
    spec = workload.get("spec") or {}
    if kind is Kind.DEPLOYMENT:
        return _of_deployment(spec.get("strategy") or {}, desired)
    rolling = (spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    if kind is Kind.DAEMON_SET and _scale(rolling.get("maxSurge"), desired, default=0, up=True) > 0:
        return 0  # with a surge the API demands maxUnavailable 0
    up = kind is Kind.DAEMON_SET  # a percentage of a StatefulSet's pods is rounded down, and is one at least
    return min(desired, max(1, _scale(rolling.get("maxUnavailable"), desired, default=1, up=up)))


def replaces_first(kind: Kind, workload: Json, desired: int) -> bool:
    """Whether a rollout whose new pods do not start takes away what works.

    It does where a Deployment may take all of its pods away first. A StatefulSet or a DaemonSet that replaces pods in
    place is left with one fewer, or with none where it has one.
    """
    taken = most_unavailable(kind, workload, desired)
    return taken >= desired if kind is Kind.DEPLOYMENT else taken > 0


def _of_deployment(strategy: Json, desired: int) -> int:
    if strategy.get("type") == "Recreate":
        return desired
    rolling = strategy.get("rollingUpdate") or {}
    surge = _scale(rolling.get("maxSurge"), desired, default=_DEPLOYMENT_DEFAULT, up=True)
    unavailable = _scale(rolling.get("maxUnavailable"), desired, default=_DEPLOYMENT_DEFAULT, up=False)
    return min(desired, unavailable) if surge or unavailable else 1  # with neither, the controller would stand still


def _scale(value: int | str | None, total: int, *, default: int | str, up: bool) -> int:
    """A number, or a percentage of ``total`` such as "25%". Raises ValueError for what is neither."""
    value = default if value is None else value
    if isinstance(value, int):
        return value
    exact = int(value.removesuffix("%")) * total / 100
    return math.ceil(exact) if up else math.floor(exact)

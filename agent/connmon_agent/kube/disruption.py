"""PodDisruptionBudgets: which one allows no disruption of a workload's pods now.

Controllers are not bound by these budgets when they roll out a new template, so the agent asks before it restarts:
https://kubernetes.io/docs/concepts/workloads/pods/disruptions/
Only a rollout that takes working pods away (``strategies``) has to be asked about.
"""

from __future__ import annotations

from collections.abc import Iterable

from .requests import Json, Request, get, list_by_selector, list_path
from .rollouts import read_template
from .selectors import match_labels

# policy/v1 exists since Kubernetes 1.21, policy/v1beta1 ended with 1.25.
VERSIONS = ("v1", "v1beta1")


def discover_policy() -> Request:
    """The request that tells which versions of the policy API the server has."""
    return get("/apis/policy", "APIGroup")


def choose_version(group: Json) -> str | None:
    """The newest version of the policy API that is known here; None: the server has none of them."""
    served = {version.get("version") for version in group.get("versions") or ()}
    return next((version for version in VERSIONS if version in served), None)


def list_budgets(namespace: str, version: str) -> Request:
    """The request for the namespace's budgets."""
    return list_by_selector(
        list_path(f"apis/policy/{version}", namespace, "poddisruptionbudgets"), "PodDisruptionBudgetList"
    )


def find_blocking(workload: Json, budgets: Iterable[Json], *, version: str) -> str | None:
    """The name of a budget that matches the workload's pods and allows no disruption; None: none does."""
    labels = (read_template(workload).get("metadata") or {}).get("labels") or {}
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
    current = int(status.get("observedGeneration") or 0) >= int(budget.get("metadata", {}).get("generation") or 0)
    return current and int(status.get("disruptionsAllowed") or 0) > 0

"""The disruption controller: how many pods a PodDisruptionBudget lets go now.

Source: kubernetes pkg/controller/disruption/disruption.go.
"""

from __future__ import annotations

from ..objects import Key, Manifest, labels_of
from ..selectors import Selector, read_selector
from ..versions import Trait
from .context import Context, is_ready
from .rolling import scale_value


class BudgetController:
    """Keeps the status of PodDisruptionBudgets."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._empty_selects_all = context.version.has(Trait.POLICY_V1)  # what an empty selector means

    def reconcile(self, budget: Manifest) -> None:
        """Count the pods and tell how many may go."""
        pods = self._pods(budget)
        expected, desired = self._expect(budget["spec"], pods)
        healthy = sum(is_ready(pod) and "deletionTimestamp" not in pod["metadata"] for pod in pods)
        status = {
            "observedGeneration": budget["metadata"]["generation"],
            "disruptionsAllowed": max(0, healthy - desired) if expected > 0 else 0,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
        }
        self._context.store.update_status(budget, status)

    def _pods(self, budget: Manifest) -> list[Manifest]:
        given = budget["spec"].get("selector")
        if given is None or (not given and not self._empty_selects_all):
            return []
        selector: Selector = read_selector(given)
        pods = self._context.store.list_objects("Pod", budget["metadata"]["namespace"])
        return [pod for pod in pods if selector.matches(labels_of(pod))]

    def _expect(self, spec: Manifest, pods: list[Manifest]) -> tuple[int, int]:
        """(pods that should be there, pods that must be healthy)."""
        if "maxUnavailable" in spec:
            scale = self._scale_of(pods)
            return scale, max(0, scale - scale_value(spec["maxUnavailable"], scale, round_up=True))
        least = spec.get("minAvailable", 0)
        if isinstance(least, int):
            return len(pods), least
        scale = self._scale_of(pods)
        return scale, scale_value(least, scale, round_up=True)

    def _scale_of(self, pods: list[Manifest]) -> int:
        """The replicas that the controllers of these pods want, together."""
        workloads = {key for pod in pods if (key := self._context.workload_of(pod)) is not None}
        return sum(self._replicas_of(key) for key in workloads)

    def _replicas_of(self, key: Key) -> int:
        workload = self._context.store.find(key)
        if workload is None:
            return 0
        return int(workload["spec"].get("replicas", workload["status"].get("desiredNumberScheduled", 0)))

"""The scheduler's part: whether a pod may run now, and where.

Source: kubernetes pkg/scheduler (the plugins SchedulingGates and NodePorts), with the node that pods choose here: the
one that their spec names, else the first.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..objects import Manifest
from .context import Context, has_ended

UNSCHEDULABLE = "unschedulable"  # the ailment of a pod that fits on no node


def find_obstacle(context: Context, pod: Manifest, ailment: str | None) -> tuple[str, str] | None:
    """Why the pod stays Pending, as reason and message of its condition PodScheduled; None: it may run."""
    if "nodeName" in pod["spec"]:
        return None
    if pod["spec"].get("schedulingGates"):
        return "SchedulingGated", "Scheduling is blocked due to non-empty scheduling gates"
    if ailment == UNSCHEDULABLE:
        return "Unschedulable", _refuse_nodes(context, "Insufficient cpu")
    if not set(_list_host_ports(pod)).isdisjoint(_list_taken_ports(context)):
        return "Unschedulable", _refuse_nodes(context, "node(s) didn't have free ports for the requested pod ports")
    return None


def _refuse_nodes(context: Context, why: str) -> str:
    """As the scheduler says it, which also looked for pods that could be evicted."""
    number = len(context.nodes)
    head = f"0/{number} nodes are available"
    return f"{head}: {number} {why}. preemption: {head}: {number} No preemption victims found for incoming pod."


def _list_taken_ports(context: Context) -> Iterator[tuple[int, str]]:
    """The host ports of the first node; those of a pod that is being deleted too, until it is gone."""
    for pod in context.store.list_objects("Pod"):
        if pod["spec"].get("nodeName") == context.nodes[0] and not has_ended(pod):
            yield from _list_host_ports(pod)


def _list_host_ports(pod: Manifest) -> Iterator[tuple[int, str]]:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("hostPort"):
                yield int(port["hostPort"]), str(port.get("protocol") or "TCP")

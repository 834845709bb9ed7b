"""A local port as JSON values, for `status --json`."""

from __future__ import annotations

from typing import Any

from ...core.observations import Traffic
from ...core.plan import ServicePlan
from ...core.ports.assignments import explain_staying
from ...core.ports.urls import url_of
from ...core.world import Forward, ForwardState
from ...wall_times import in_utc
from .snapshots import Snapshot

NOT_RUNNING = "the agent is not running"
JUST_STARTED = "the agent is just starting"


def forward_document(plan: ServicePlan, snapshot: Snapshot) -> dict[str, Any] | None:
    """Where the service is reached now; None: it has no local port. Nothing is listened on without a running agent
    that has begun, whatever the last one remembered.
    """
    if plan.forward is None:
        return None
    forward = snapshot.world.forwards.get(plan.name) or Forward(plan.name)
    current = snapshot.running and not snapshot.fresh
    port = forward.port if current else None
    return {
        "state": str(forward.state if current else ForwardState.CLOSED),
        "port": port,
        "primary": plan.forward.port,
        "url": None if port is None else url_of(plan.forward.bind, port),
        "reason": _reason(forward, snapshot) if current else JUST_STARTED if snapshot.running else NOT_RUNNING,
        "listening": port is not None,
        "open": current and forward.state == ForwardState.OPEN,
        **_flow(snapshot.traffic_of(plan.name) or Traffic(plan.name), running=current),
    }


def without_flow(document: dict[str, Any] | None) -> dict[str, Any] | None:
    """The document without what every connection changes."""
    if document is None:
        return None
    return {key: value for key, value in document.items() if key not in _FLOW}


_FLOW = ("connections", "served", "failed", "bytes_received", "bytes_sent", "last_error", "last_error_at")


def _reason(forward: Forward, snapshot: Snapshot) -> str | None:
    """Why it is not proven to lead to its service, or not on its primary port; None: there is nothing to tell."""
    if forward.state != ForwardState.OPEN:
        return forward.reason
    return explain_staying(snapshot.world, forward.name) or None


def _flow(flow: Traffic, *, running: bool) -> dict[str, Any]:
    at = None if flow.error_at is None else in_utc(flow.error_at)
    return {
        "connections": flow.open if running else 0,
        "served": flow.served,
        "failed": flow.failed,
        "bytes_received": flow.received,
        "bytes_sent": flow.sent,
        "last_error": flow.error,
        "last_error_at": None if at is None else at.isoformat(timespec="microseconds"),
    }

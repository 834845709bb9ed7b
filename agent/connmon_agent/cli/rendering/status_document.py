"""`status --json`: the document that programs rely on. Keys are only ever added to a schema."""

from __future__ import annotations

from typing import Any

from ...core.link.metering import is_metered
from ...core.observations import InternalErrors, LogLoss, MeasuredQuality, ProbeResult
from ...core.plan import ServicePlan
from ...core.world import Intent, LinkState, MonitoringGap, Outage, Service
from ...explain.facts import advise
from ...store.records import LatestRound
from ..wording import write_instant
from .notice_tables import outbox_document
from .port_documents import forward_document, without_flow
from .snapshots import Snapshot

SCHEMA = 1
UNKNOWN = "UNKNOWN"  # the verdict on what nobody watches, whatever was seen last

PULSE = ("loss", "latency_ms", "quality", "bytes_per_day")  # of the link: what every round changes
_DARK = frozenset({LinkState.OFFLINE, LinkState.RECOVERING})


def status_document(snapshot: Snapshot) -> dict[str, Any]:
    """The state as JSON values. Times are RFC 3339 in UTC with microseconds; null: not known, or never."""
    outage = snapshot.world.outage
    return {
        "schema": SCHEMA,
        "verdict": str(snapshot.world.link.state) if snapshot.watched else UNKNOWN,
        "agent": _agent(snapshot),
        "link": _link(snapshot),
        "outage": None if outage is None else _outage(outage),
        "monitoring_gap": _monitoring_gap(snapshot.world.monitoring_gap),
        "services": [_service(plan, service, snapshot) for plan, service in snapshot.services()],
        "notices": outbox_document(snapshot.notices),
        "store": {"path": snapshot.path, "bytes": snapshot.bytes, "events": snapshot.events},
    }


def without_pulse(document: dict[str, Any]) -> dict[str, Any]:
    """The document without what every round changes: two that are equal so are no news."""
    link = {key: value for key, value in document["link"].items() if key not in PULSE}
    link["probes"] = [(probe["name"], probe["ok"], probe["reason"]) for probe in link["probes"]]
    link["hold_remaining"] = None
    agent = {key: value for key, value in document["agent"].items() if key not in ("heartbeat_at", "silent_for")}
    services = [{**service, "forward": without_flow(service["forward"])} for service in document["services"]]
    return {**document, "agent": agent, "link": link, "services": services, "store": None}


def _agent(snapshot: Snapshot) -> dict[str, Any]:
    row = snapshot.agent
    return {
        "running": snapshot.running,
        "pid": snapshot.pid or None,
        "version": row.version if row else None,
        "started_at": write_instant(row.started) if row else None,
        "heartbeat_at": write_instant(row.heartbeat) if row else None,
        "stopped_at": write_instant(row.stopped) if row else None,
        "silent_for": _rounded(snapshot.silent_for) if snapshot.running else None,
        "paused": snapshot.world.paused,
        "shadow": not snapshot.world.plan.recovery.act,
        "internal_errors": _internal_errors(snapshot.internal_errors),
        "log": _log(snapshot.log_loss),
    }


def _internal_errors(errors: InternalErrors | None) -> dict[str, Any]:
    """Mistakes of ours since the agent's start, each of which cost one task one attempt."""
    last = None if errors is None else {"task": errors.task, "error": errors.error, "at": write_instant(errors.at)}
    return {"count": 0 if errors is None else errors.count, "last": last}


def _log(loss: LogLoss | None) -> dict[str, Any]:
    """The lines that the log could not write since the agent's start; ``reason`` and ``at`` are of the last one."""
    if loss is None:
        return {"dropped": 0, "reason": None, "at": None}
    return {"dropped": loss.count, "reason": loss.reason, "at": write_instant(loss.at)}


def _link(snapshot: Snapshot) -> dict[str, Any]:
    link, latest, hold = snapshot.world.link, snapshot.round, snapshot.world.timers.get("hold")
    return {
        "state": str(link.state),
        "since": write_instant(link.since),
        "reason": link.reason,
        **_cause(snapshot),
        "loss": latest.loss if latest else None,
        "latency_ms": latest.latency_ms if latest else None,
        "quality": _quality(latest.measured_quality) if latest and latest.measured_quality else None,
        "metered": is_metered(snapshot.world),
        "bytes_per_day": _bytes_per_day(latest),
        "hold_until": write_instant(hold),
        "hold_remaining": None if hold is None else _rounded(max(0.0, hold.wall - snapshot.now)),
        "damped_until": write_instant(link.damped_until),
        "probes": [_probe(result, latest) for result in latest.results] if latest else [],
    }


def _bytes_per_day(latest: LatestRound | None) -> int | None:
    """What the probes take on the line at the pace of the last day; null: not known yet."""
    usage = latest.usage if latest else None
    daily = usage.bytes_per_day if usage else None
    return None if daily is None else round(daily)


def _quality(measured_quality: MeasuredQuality) -> dict[str, Any]:
    return {
        "class": str(measured_quality.quality),
        "loss": measured_quality.loss,
        "median_ms": measured_quality.median_ms,
        "p95_ms": measured_quality.p95_ms,
    }


def _cause(snapshot: Snapshot) -> dict[str, str | None]:
    """What is wrong now; of a link that is back from an outage, what had been."""
    link, outage = snapshot.world.link, snapshot.world.outage
    cause, detail = link.cause, link.detail
    if cause is None and outage is not None and link.state in _DARK:
        cause, detail = outage.cause, outage.detail
    return {"cause": cause, "detail": detail or None, "advice": advise(cause) or None}


def _probe(result: ProbeResult, latest: LatestRound) -> dict[str, Any]:
    return {
        "name": result.name,
        "kind": result.kind,
        "ok": result.ok,
        "latency_ms": result.latency_ms,
        "reason": result.reason,
        "proxy": result.proxy,
        "at": write_instant(latest.at if result.at is None else latest.at._replace(wall=result.at)),
    }


def _outage(outage: Outage) -> dict[str, Any]:
    return {
        "id": outage.id,
        "started_at": write_instant(outage.started),
        "back_at": write_instant(outage.back),
        "ended_at": write_instant(outage.ended),
        "monitoring_gap": _rounded(outage.monitoring_gap),
        "relapses": outage.relapses,
        "by_operator": outage.by_operator,
        "cause": outage.cause,
        "detail": outage.detail or None,
    }


def _monitoring_gap(monitoring_gap: MonitoringGap | None) -> dict[str, Any] | None:
    """The last time in which nobody watched."""
    if monitoring_gap is None:
        return None
    return {
        "since": write_instant(monitoring_gap.since),
        "until": write_instant(monitoring_gap.until),
        "seconds": _rounded(monitoring_gap.until.steady - monitoring_gap.since.steady),
        "cause": monitoring_gap.cause,
        "known": monitoring_gap.known,
    }


def _service(plan: ServicePlan, service: Service, snapshot: Snapshot) -> dict[str, Any]:
    return {
        "name": plan.name,
        "kind": str(plan.kind),
        "namespace": plan.namespace,
        "state": str(service.state),
        "reason": service.reason,
        "attempts": service.attempts,
        "max_attempts": snapshot.world.plan.recovery.max_restart_attempts,
        "restarted_at": write_instant(service.restarted),
        "next_at": write_instant(service.next),
        "intent": _intent(service.intent),
        "forward": forward_document(plan, snapshot),
    }


def _intent(intent: Intent | None) -> dict[str, Any] | None:
    """A restart that was decided and whose outcome is not known yet. ``in_doubt``: the cluster is read back first."""
    if intent is None:
        return None
    return {"token": intent.token, "made_at": write_instant(intent.made), "in_doubt": intent.in_doubt}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)

"""`status --check`: one line and an exit code for Nagios, Icinga, Zabbix and whatever else runs monitoring plugins.

https://www.monitoring-plugins.org/doc/guidelines.html: the text has at most 80 columns, performance data follow ``|``.
"""

from __future__ import annotations

from enum import IntEnum

from ...core.world import ForwardState, LinkState, ServiceState
from ..wording import clean, say_duration
from .snapshots import Snapshot

WIDTH = 80


class Severity(IntEnum):
    """The exit codes. A worse one wins, and UNKNOWN is less than either alarm."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


_ORDER = (Severity.OK, Severity.UNKNOWN, Severity.WARNING, Severity.CRITICAL)
_LINK = {
    LinkState.ONLINE: Severity.OK,
    LinkState.STARTING: Severity.UNKNOWN,
    LinkState.DEGRADED: Severity.WARNING,
    LinkState.RECOVERING: Severity.WARNING,
    LinkState.OFFLINE: Severity.CRITICAL,
}

Finding = tuple[Severity, str]


def check_line(snapshot: Snapshot) -> tuple[Severity, str]:
    """The exit code, and the line that goes with it."""
    findings = _find(snapshot)
    severity = max((finding[0] for finding in findings), key=_ORDER.index)
    # What is worst comes first, so that it is not what is cut off.
    told = ", ".join(text for _, text in sorted(findings, key=lambda one: -_ORDER.index(one[0])))
    return severity, f"{write_text(severity, told)} | {' '.join(_measure(snapshot))}"


def write_text(severity: Severity, text: str) -> str:
    """``CONNMON OK: ...`` in at most 80 columns of ASCII, without what would end the text or the line."""
    plain = clean(text).replace("|", "/").encode("ascii", "replace").decode()
    line = f"CONNMON {severity.name}: {plain}"
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 3]}..."


def _find(snapshot: Snapshot) -> list[Finding]:
    """What is to be told of, at least one thing."""
    if not snapshot.running:
        when = f", last seen {_ago(snapshot)}" if snapshot.agent else ""
        return [(Severity.CRITICAL, f"no agent is running{when}")]
    if snapshot.silent_for is not None:
        return [(Severity.CRITICAL, f"no response from the agent for {say_duration(snapshot.silent_for)}")]
    if not snapshot.watched:
        return [(Severity.UNKNOWN, "the agent is starting")]
    return [_judge_link(snapshot), *_judge_services(snapshot), *_judge_orders(snapshot)]


def _ago(snapshot: Snapshot) -> str:
    assert snapshot.agent is not None
    seen = (snapshot.agent.stopped or snapshot.agent.heartbeat).wall
    return f"{say_duration(max(0.0, snapshot.now - seen))} ago"


def _judge_link(snapshot: Snapshot) -> Finding:
    link = snapshot.world.link
    since = say_duration(max(0.0, snapshot.now - link.since.wall))
    cause = f" ({link.cause})" if link.cause else ""
    return _LINK.get(LinkState(link.state), Severity.UNKNOWN), f"link {link.state} for {since}{cause}"


def _judge_services(snapshot: Snapshot) -> list[Finding]:
    services = snapshot.services()
    lost = [plan.name for plan, service in services if service.state == ServiceState.GAVE_UP]
    waiting = [plan.name for plan, one in services if one.state not in (ServiceState.READY, ServiceState.GAVE_UP)]
    closed = [forward.name for forward in snapshot.forwards() if forward.state == ForwardState.CONFLICT]
    findings = [(Severity.OK, f"{len(services) - len(lost) - len(waiting)}/{len(services)} services ready")]
    for severity, names, what in (
        (Severity.CRITICAL, lost, "gave up"),
        (Severity.WARNING, waiting, "not ready"),
        (Severity.WARNING, closed, "no local port"),
    ):
        if names:
            findings.append((severity, f"{what}: {' '.join(names)}"))
    return findings


def _judge_orders(snapshot: Snapshot) -> list[Finding]:
    findings = []
    if snapshot.world.paused:
        findings.append((Severity.WARNING, "restarts paused"))
    if not snapshot.world.plan.recovery.act:
        findings.append((Severity.WARNING, "shadow mode"))
    return findings


def _measure(snapshot: Snapshot) -> list[str]:
    """``'label'=value[UOM];warn;crit;min;max``; U where nothing is known."""
    services = [service.state for _, service in snapshot.services()]
    latest = snapshot.round if snapshot.watched else None
    latency = None if latest is None or latest.latency_ms is None else latest.latency_ms / 1000.0
    heartbeat = None if snapshot.agent is None else max(0.0, snapshot.now - snapshot.agent.heartbeat.wall)
    ready, lost = services.count(ServiceState.READY), services.count(ServiceState.GAVE_UP)
    return [
        f"'loss'={_write(None if latest is None else latest.loss * 100.0, '%')};;;0;100",
        f"'latency'={_write(latency, 's')};;;0",
        f"'ready'={ready};;;0;{len(services)}",
        f"'gave_up'={lost};;0;0;{len(services)}",
        f"'outages'={snapshot.world.outages}c;;;0",
        f"'heartbeat_age'={_write(heartbeat, 's')};;;0",
    ]


def _write(value: float | None, unit: str) -> str:
    return "U" if value is None else f"{value:.6f}".rstrip("0").rstrip(".") + unit

"""The state at an instant of the past, put together from the journal: the store keeps only the newest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...core.events import AgentStarted, AgentStopped, RoundFinished
from ...core.world import World
from ...store.records import AgentRow, LatestRound, Recorded
from .snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class Traces:
    """What the events so far say, and the world after them. ``seq`` is the newest event's number."""

    seq: int = 0
    world: World | None = None
    agent: AgentRow | None = None
    round: LatestRound | None = None


def snapshot_at(
    steps: Iterable[tuple[Recorded, World]], *, at: float, path: str, start: Traces | None = None
) -> Snapshot | None:
    """The state at ``at`` (Unix seconds); None: nothing had been recorded then.

    ``steps`` are the events after ``start`` (None: from the first one on), each with the world after it, at least up to
    one after ``at``.
    """
    traces, killed = start or Traces(), False
    for row, world in steps:
        if row.at.wall > at:
            # Nothing else tells of a kill -9: the next life begins without the last one having ended.
            killed = isinstance(row.event, AgentStarted)
            break
        traces = _follow(traces, row, world)
    if traces.world is None:
        return None
    agent = traces.agent
    if agent is not None and agent.stopped is None and not killed:
        # It lived then, though events are written only when something changes.
        agent, pid = replace(agent, heartbeat=agent.heartbeat.plus(at - agent.heartbeat.wall)), agent.pid
    else:
        pid = None
    return Snapshot(at, path, traces.world, pid, agent, traces.round, events=traces.seq, bytes=0)


def _follow(traces: Traces, row: Recorded, world: World) -> Traces:
    event, agent, latest = row.event, traces.agent, traces.round
    if isinstance(event, AgentStarted):
        agent = AgentRow(event.pid, event.version, started=row.at, heartbeat=row.at, stopped=None)
    elif agent is not None:
        agent = replace(agent, heartbeat=row.at, stopped=row.at if isinstance(event, AgentStopped) else None)
    if isinstance(event, RoundFinished):
        latest = _round_of(event)
    return Traces(row.seq, world, agent, latest)


def _round_of(event: RoundFinished) -> LatestRound:
    latencies = [result.latency_ms for result in event.results if result.latency_ms is not None]
    lost = sum(not result.ok for result in event.results)
    return LatestRound(
        at=event.at,
        results=event.results,
        loss=lost / len(event.results) if event.results else 0.0,
        latency_ms=sum(latencies) / len(latencies) if latencies else None,
    )

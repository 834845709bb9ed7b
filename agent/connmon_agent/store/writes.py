"""The statements of one commit: fixed SQL, run inside a transaction that the journal opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence

from msgspec import UNSET, UnsetType

from ..core.effects import LISTEN_TOKEN, Effect, Listen
from ..core.events import AgentStarted, AgentStopped, Event, RoundFinished
from ..core.link.round_counts import RoundCounts
from ..core.observations import InternalErrors, LineUsage, MeasuredQuality, ProbeResult, Traffic
from ..core.steps import Resolution
from ..core.timestamps import Timestamp
from ..core.world import Forward, Outage, ServiceState, World
from ..errors import InvariantError
from ..texts import make_encodable
from .layout import (
    COUNTS,
    COUNTS_SINCE,
    ERRORS,
    EVENT_COLUMNS,
    FORWARDS,
    INTERNAL_ERRORS,
    QUALITIES,
    QUALITY,
    RESTARTS,
    RESULTS,
    TRAFFIC,
    USAGE,
    USAGES,
    CountsSince,
    EventRow,
)

FILLED_UP = 1024  # bytes, a multiple of which a snapshot is long

_INSERT_EVENT = f"INSERT INTO event ({EVENT_COLUMNS}) VALUES ({', '.join('?' * len(EventRow._fields))})"
_UPSERT_SNAPSHOT = """
    INSERT INTO snapshot (id, seq, world, wall) VALUES (1, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, world = excluded.world, wall = excluded.wall
"""
_UPSERT_TIMER = """
    INSERT INTO timer (name, steady, wall) VALUES (?, ?, ?)
    ON CONFLICT (name) DO UPDATE SET steady = excluded.steady, wall = excluded.wall
"""
_UPSERT_OUTAGE = """
    INSERT INTO outage (id, started_steady, started_wall, back_steady, back_wall, ended_steady, ended_wall,
                        cause, detail, by_operator, relapses, result, blind, opened_seq,
                        closed_seq)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        started_steady = excluded.started_steady, started_wall = excluded.started_wall,
        back_steady = excluded.back_steady, back_wall = excluded.back_wall,
        ended_steady = excluded.ended_steady, ended_wall = excluded.ended_wall,
        cause = excluded.cause, detail = excluded.detail,
        by_operator = excluded.by_operator, relapses = excluded.relapses,
        result = excluded.result, blind = excluded.blind, closed_seq = excluded.closed_seq
"""
_END_OVERTAKEN = """
    UPDATE outage SET ended_steady = ?, ended_wall = ?, result = ? WHERE id < ? AND ended_steady IS NULL
"""
_CLOSE_OLDER_OUTAGES = "UPDATE outage SET closed_seq = ? WHERE closed_seq IS NULL AND id <> ?"
_OPEN_INTENT = "INSERT INTO intent (token, seq, service, outage, attempt, body) VALUES (?, ?, ?, ?, ?, ?)"
_SETTLE_INTENT = """
    UPDATE intent SET outcome = ?, reason = ?, settled_seq = ? WHERE token = ? AND service = ? AND outcome IS NULL
"""
_OPEN_LISTEN = "INSERT INTO listen (token, seq, service, port, reason) VALUES (?, ?, ?, ?, ?)"
_SETTLE_LISTEN = """
    UPDATE listen SET outcome = ?, answer = ?, settled_seq = ? WHERE token = ? AND service = ? AND outcome IS NULL
"""
_UPSERT_FORWARD = "INSERT OR REPLACE INTO forward VALUES (?, ?)"
_UPSERT_TRAFFIC = "INSERT OR REPLACE INTO latest_traffic VALUES (1, ?, ?, ?)"
_COUNT_RESTART = "UPDATE outage SET restarts = restarts + 1 WHERE id = (SELECT outage FROM intent WHERE token = ?)"
_UPSERT_AGENT = """
    INSERT INTO agent (id, pid, version, started_steady, started_wall, heartbeat_steady, heartbeat_wall)
    VALUES (1, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        pid = excluded.pid, version = excluded.version,
        started_steady = excluded.started_steady, started_wall = excluded.started_wall,
        heartbeat_steady = excluded.heartbeat_steady, heartbeat_wall = excluded.heartbeat_wall,
        stopped_steady = NULL, stopped_wall = NULL
"""
_STOP_AGENT = "UPDATE agent SET stopped_steady = ?, stopped_wall = ?"
_BEAT = "UPDATE agent SET heartbeat_steady = ?, heartbeat_wall = ?"
_UPSERT_ROUND = """
    INSERT INTO latest_round (id, steady, wall, results, loss, latency_ms) VALUES (1, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE SET
        steady = excluded.steady, wall = excluded.wall, results = excluded.results,
        loss = excluded.loss, latency_ms = excluded.latency_ms
"""
_SET_META = "INSERT OR REPLACE INTO meta VALUES (?, ?)"


def write_event(connection: sqlite3.Connection, row: EventRow, world: str) -> None:
    """The event, and the snapshot of the world that it made."""
    connection.execute(_INSERT_EVENT, row)
    connection.execute(_UPSERT_SNAPSHOT, (row.seq, _fill_up(world), row.wall))


def _fill_up(world: str) -> str:
    """``world`` with spaces, to a length that seldom changes: SQLite then writes it over the one before.

    A text of another length gives its pages back and takes new ones, which writes the database's own list of free
    pages, too: two pages more of the eight that a commit wrote.
    """
    return world + " " * (-len(world.encode()) % FILLED_UP)


def write_timers(
    connection: sqlite3.Connection, before: Mapping[str, Timestamp], after: Mapping[str, Timestamp]
) -> None:
    """Only what differs."""
    if after == before:
        return
    connection.executemany("DELETE FROM timer WHERE name = ?", [(name,) for name in before if name not in after])
    changed = [(name, *due) for name, due in after.items() if before.get(name) != due]
    connection.executemany(_UPSERT_TIMER, changed)


def write_outage(
    connection: sqlite3.Connection, seq: int, at: Timestamp, world: World, *, before: Outage | None
) -> None:
    """The history's row of the world's outage, if it has changed. Once it has ended, its result stands.

    ``seq`` and ``at`` are the event's. One that had not ended when the next began has ended now: its recovery was
    overtaken.
    """
    outage = world.outage
    if outage is None or outage == before:
        return
    if before is None or before.id != outage.id:
        connection.execute(_END_OVERTAKEN, (*at, describe_overtaken(outage.id), outage.id))
        connection.execute(_CLOSE_OLDER_OUTAGES, (seq, outage.id))
    nothing = (None, None)
    words = (make_encodable(outage.cause), make_encodable(outage.detail))
    times = (*outage.started, *(outage.back or nothing), *(outage.ended or nothing))
    closed = None if outage.ended is None else seq
    result = make_encodable(describe_result(world, outage))
    rest = (outage.by_operator, outage.relapses, result, outage.monitoring_gap, seq, closed)
    connection.execute(_UPSERT_OUTAGE, (outage.id, *times, *words, *rest))


def describe_overtaken(by: int) -> str:
    """The result of a recovery that outage ``by`` cut short: that one recovers its services, too."""
    return f"overtaken by outage {by}"


def describe_result(world: World, outage: Outage) -> str:
    """How ``outage`` stands in ``world``: offline, recovering, recovered, or which of its services are not ready."""
    if outage.ended is None:
        return "offline" if outage.back is None else "recovering"
    wanted = world.services if outage.services is None else outage.services
    states = {name: world.services[name].state for name in wanted if name in world.services}
    lost = [name for name, state in states.items() if state == ServiceState.GAVE_UP]
    alone = [name for name, state in states.items() if state not in (ServiceState.READY, ServiceState.GAVE_UP)]
    told = [f"{what}: {', '.join(names)}" for what, names in (("gave up", lost), ("skipped", alone)) if names]
    return "; ".join(told) or "recovered"


def open_outage_of(world: World) -> int | None:
    """The id of the outage that has not ended, or None."""
    return None if world.outage is None or world.outage.ended is not None else world.outage.id


def open_intents(connection: sqlite3.Connection, seq: int, effects: Iterable[Effect], world: World) -> None:
    """One row a restart that is to be sent; one that is sent again has its row. Raises InvariantError."""
    for effect in effects:
        if effect.again:
            continue
        if effect.service not in world.services:
            raise InvariantError(f"event {seq} restarts {effect.service}, which the world does not know")
        attempt = world.services[effect.service].attempts
        body = RESTARTS.to_text(effect)
        connection.execute(_OPEN_INTENT, (effect.token, seq, effect.service, open_outage_of(world), attempt, body))


def write_forwards(connection: sqlite3.Connection, before: Mapping[str, Forward], after: Mapping[str, Forward]) -> None:
    """Only what differs."""
    if after is before:
        return
    connection.executemany("DELETE FROM forward WHERE service = ?", [(name,) for name in before if name not in after])
    changed = [(name, FORWARDS.to_text(forward)) for name, forward in after.items() if before.get(name) != forward]
    connection.executemany(_UPSERT_FORWARD, changed)


def open_listens(connection: sqlite3.Connection, seq: int, listens: Iterable[Listen]) -> None:
    """One row a port that is to be listened on."""
    for listen in listens:
        row = (listen.token, seq, listen.service, listen.port, make_encodable(listen.reason))
        connection.execute(_OPEN_LISTEN, row)


def settle_intents(connection: sqlite3.Connection, seq: int, resolutions: Iterable[Resolution]) -> None:
    """Write down what became of open intents. Raises InvariantError: there is no such open intent."""
    for resolution in resolutions:
        settled = (resolution.outcome, make_encodable(resolution.reason), seq, resolution.token, resolution.service)
        statement = _SETTLE_LISTEN if resolution.token.startswith(LISTEN_TOKEN) else _SETTLE_INTENT
        if connection.execute(statement, settled).rowcount != 1:
            raise InvariantError(f"event {seq} settles {resolution.token} of {resolution.service}, which is not open")
        if resolution.outcome == "applied":
            connection.execute(_COUNT_RESTART, (resolution.token,))


def write_sign_of_life(connection: sqlite3.Connection, event: Event) -> None:
    """What an event says about the agent itself, and the newest round of probes."""
    match event:
        case AgentStarted(at=at):
            connection.execute(_UPSERT_AGENT, (event.pid, make_encodable(event.version), *at, *at))
        case AgentStopped(at=at):
            connection.execute(_STOP_AGENT, at)
        case RoundFinished(at=at, results=results):
            write_round(connection, at, results)


def write_round(connection: sqlite3.Connection, at: Timestamp, results: Sequence[ProbeResult]) -> None:
    """The newest round, which is a heartbeat too."""
    latencies = [result.latency_ms for result in results if result.ok and result.latency_ms is not None]
    loss = sum(not result.ok for result in results) / len(results) if results else 0.0
    latency = sum(latencies) / len(latencies) if latencies else None
    connection.execute(_UPSERT_ROUND, (*at, RESULTS.to_text(tuple(results)), loss, latency))
    connection.execute(_BEAT, at)


def write_counts(connection: sqlite3.Connection, seq: int, counts: RoundCounts | UnsetType) -> None:
    """What rounds have changed in the link since event ``seq``; UNSET: nothing."""
    if counts is UNSET:
        connection.execute("DELETE FROM meta WHERE key = ?", (COUNTS,))
    else:
        connection.execute(_SET_META, (COUNTS, COUNTS_SINCE.to_text(CountsSince(seq, counts))))


def write_traffic(connection: sqlite3.Connection, at: Timestamp, traffic: Sequence[Traffic]) -> None:
    """What went through the local ports, as of now."""
    connection.execute(_UPSERT_TRAFFIC, (*at, TRAFFIC.to_text(tuple(traffic))))


def write_quality(
    connection: sqlite3.Connection, measured_quality: MeasuredQuality | None, usage: LineUsage | None
) -> None:
    """The quality up to the newest round, and what the rounds took on the line."""
    connection.executemany(_SET_META, [(QUALITY, QUALITIES.to_text(measured_quality)), (USAGE, USAGES.to_text(usage))])


def write_errors(connection: sqlite3.Connection, errors: InternalErrors) -> None:
    """What failed in the agent itself since its start."""
    connection.execute(_SET_META, (ERRORS, INTERNAL_ERRORS.to_text(errors)))

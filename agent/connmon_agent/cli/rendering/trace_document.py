"""`replay --format chrome-trace`: the journal as tracks, for Perfetto (ui.perfetto.dev) and chrome://tracing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ...core.effects import LISTEN_TOKEN
from ...core.events import (
    AgentStarted,
    AgentStopped,
    Configured,
    MeteredSeen,
    MonitoringGapEnded,
    Ordered,
    RoundFinished,
)
from ...core.link.monitoring_gaps import is_monitoring_gap, longest_silence
from ...core.observations import ProbeResult
from ...core.plan import LinkPlan, Plan
from ...core.timestamps import Timestamp
from ...core.world import ForwardState, LinkState, ServiceState, World
from ...store.records import AgentRow, OutageRow, Recorded
from ..wording import write_instant
from .outage_tables import outage_document
from .stories import FORWARD, with_sentences
from .stories import LINK as LINK_CHART
from .timeline_document import decision_document
from .trace_tracks import AGENT, EVENTS, LINK, OPERATOR, PID, SERVICE, TraceEvent, Track, Tracks

SCHEMA = 1
_IN_ATTEMPT = frozenset({ServiceState.RESTARTING, ServiceState.VERIFYING})


def write_trace(
    rows: Iterable[Recorded],
    tracer: Tracer,
    *,
    find_end: Callable[[Recorded], Timestamp | None],
    outage: OutageRow | None,
    note: str | None = None,
) -> Iterator[str]:
    """The trace as one JSON document, event by event. ``tracer`` knows what came before the first row.

    ``find_end`` says of the last row until when the states after it are known to have lasted (None: to that row).
    ``outage`` and ``note`` as for ``replay --json``.
    """
    about = {"schema": SCHEMA, "outage": None if outage is None else outage_document(outage), "note": note}
    yield f'{{"displayTimeUnit": "ms", "otherData": {_write(about)}, "traceEvents": [\n'
    yield _write({"ph": "M", "pid": PID, "tid": 0, "ts": 0, "name": "process_name", "args": {"name": "connmon-agent"}})
    last: Recorded | None = None
    for row, sentences in with_sentences(rows):
        if not tracer.started:
            tracer.start(row.at)
        yield from (f",\n{_write(event)}" for event in tracer.add(row, sentences))
        last = row
    end = None if last is None else find_end(last)
    yield from (f",\n{_write(event)}" for event in tracer.finish(end))
    yield "\n]}\n"


def _write(document: Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=True)


class Tracer:
    """Makes the events of the trace from the rows, which come in order.

    ``world`` and ``agent`` are as they were before the first row (None: nothing was recorded yet).
    """

    def __init__(self, world: World | None = None, agent: AgentRow | None = None) -> None:
        self._tracks = Tracks()
        self.started = False
        self._attempts: dict[str, str] = {}  # the service of each open one, by token
        self._decided: dict[str, int] = {}  # when those of them were, that have no answer yet
        self._targets: list[str] = []  # that have a latency other than 0
        self._plan, self._metered, self._boot, self._pid = LinkPlan(), False, "", 0
        self._latest: Timestamp | None = None
        if world is not None:
            self._begin_with(world, agent)

    def _begin_with(self, world: World, agent: AgentRow | None) -> None:
        self._plan, self._boot = world.plan.link, world.boot
        self._metered = bool(world.link.metered)
        self._tracks.arrange(world.names)
        self._tracks.enter(LINK, world.link.state, {"reason": world.link.reason})
        for name, service in world.services.items():
            self._tracks.enter((SERVICE, name), service.state, {"reason": service.reason})
            token = service.intent.token if service.intent is not None else service.token
            if service.state in _IN_ATTEMPT and token is not None:
                self._attempts[token] = name
        for name, forward in world.forwards.items():
            self._tracks.enter((FORWARD, name), forward.state, {"reason": forward.reason})
        if agent is not None:
            self._pid = agent.pid
            if agent.stopped is None:
                self._tracks.enter(AGENT, "running", {"pid": agent.pid, "version": agent.version})

    def skip(self, row: Recorded) -> None:
        """A row before the first one of the trace: only what is open after it matters."""
        assert not self.started
        self.add(row, [])

    def start(self, at: Timestamp) -> None:
        """Begin the trace at ``at``. Before it, rows make no events."""
        self.started = True
        self._decided.clear()
        self._tracks.start(at)
        for token, service in self._attempts.items():
            self._make_attempt("b", service, token, {"service": service, "began_before": True})

    def add(self, row: Recorded, sentences: list[str]) -> list[TraceEvent]:
        """What one more row makes."""
        document = decision_document(row, sentences)
        self._note_gap(row)
        self._tracks.move(row.at)
        self._mark_event(row, document)
        for resolution in document["resolutions"]:
            self._resolve(row.seq, resolution)
        for transition in document["transitions"]:
            self._follow(row.seq, transition)
        for restart in document["restarts"]:
            self._attempt(row.seq, restart)
        for listen in document["listens"]:
            self._tracks.mark((FORWARD, listen["service"]), "listen", {"seq": row.seq, **listen})
        self._draw_answers(document["resolutions"])
        self._take(row)
        self._latest = row.at
        return self._tracks.take()

    def finish(self, end: Timestamp | None) -> list[TraceEvent]:
        """End all that is open, at ``end`` (None: where the last row was)."""
        if end is not None:
            self._tracks.move(end)
        for token, service in self._attempts.items():
            self._make_attempt("e", service, token, {"result": "still open"})
        self._tracks.finish()
        return self._tracks.take()

    def _note_gap(self, row: Recorded) -> None:
        """Cut at a monitoring gap that ended with this row, by the rules of the core and the report."""
        match row.event:
            case MonitoringGapEnded(since=since, at=at, cause=cause):
                if since.steady >= at.steady:
                    self._tracks.move(at)
                    args = {"seconds": round(at.wall - since.wall, 3), "cause": cause}
                    self._tracks.mark(AGENT, "clock set", args)
                elif is_monitoring_gap(row.event):
                    self._cut(since, row, cause)
            case AgentStarted(boot_id=boot, pid=pid, heartbeat=since):
                rebooted = self._boot not in ("", boot)
                if since is None and self._pid not in (0, pid):  # an older agent did not record it
                    since = self._latest
                silent = since is not None and row.at.steady - since.steady > self._silence()
                if since is not None and (rebooted or silent):
                    self._cut(since, row, "the machine rebooted" if rebooted else "the agent was not running")
                self._boot, self._pid = boot, pid

    def _silence(self) -> float:
        metered = self._metered if self._plan.metered is None else self._plan.metered
        return longest_silence(self._plan, metered=metered)

    def _cut(self, since: Timestamp, row: Recorded, cause: str) -> None:
        self._tracks.move(since)
        self._count_probes(())
        alive = self._tracks.open.get(AGENT)
        args = {"seq": row.seq, "since": write_instant(since), "until": write_instant(row.at), "cause": cause}
        self._tracks.cut(since, row.at, args)
        if alive is not None and isinstance(row.event, MonitoringGapEnded):
            self._tracks.enter(AGENT, alive.name, {**alive.args, "continued": True})

    def _mark_event(self, row: Recorded, document: Mapping[str, Any]) -> None:
        args = {name: document[name] for name in ("seq", "at", "boot_id", "outage", "sentences")}
        self._tracks.mark(EVENTS, document["event"], args)
        if isinstance(row.event, Ordered):
            args = {"seq": row.seq, "by": row.event.by, "services": list(row.event.services), "refusal": row.refusal}
            self._tracks.mark(OPERATOR, str(row.event.order), args)

    def _take(self, row: Recorded) -> None:
        """What an event says itself."""
        match row.event:
            case AgentStarted(pid=pid, version=version):
                self._tracks.enter(AGENT, "running", {"seq": row.seq, "pid": pid, "version": version})
                if LINK not in self._tracks.open:
                    self._tracks.enter(LINK, LinkState.STARTING, {})
            case AgentStopped():
                self._tracks.leave(AGENT)
            case Configured(plan=plan):
                self._configure(plan)
            case MeteredSeen(metered=metered):
                self._metered = bool(metered)
            case RoundFinished(results=results):
                self._count_probes(results)

    def _configure(self, plan: Plan) -> None:
        """Tracks of services that are no longer watched end; those of new ones begin."""
        self._plan = plan.link
        self._tracks.arrange(one.name for one in plan.services)
        wanted: dict[Track, str] = {(SERVICE, one.name): ServiceState.UNKNOWN for one in plan.services}
        wanted |= {(FORWARD, one.name): ForwardState.CLOSED for one in plan.services if one.forward is not None}
        for track in [track for track in self._tracks.open if track[1] and track not in wanted]:
            self._tracks.leave(track)
        for track, state in wanted.items():
            if track not in self._tracks.open:
                self._tracks.enter(track, state, {})

    def _count_probes(self, results: Sequence[ProbeResult]) -> None:
        """How many targets answered, and how fast each of them did; 0 without an answer, and of all in a gap."""
        latencies = dict.fromkeys(self._targets, 0.0) | {one.name: one.latency_ms or 0.0 for one in results}
        answered = sum(result.ok for result in results)
        self._tracks.count("probes", {"answered": answered, "failed": len(results) - answered})
        for name, latency in latencies.items():
            self._tracks.count(f"latency of {name}", {"ms": round(latency, 3)})
        self._targets = [name for name, latency in latencies.items() if latency]

    def _follow(self, seq: int, transition: Mapping[str, Any]) -> None:
        track: Track = _track_of(transition["chart"], transition["instance"])
        args = {"seq": seq, **transition}
        if transition["source"] == transition["dest"]:
            self._tracks.mark(track, transition["trigger"], args)
            return
        self._tracks.enter(track, transition["dest"], args)
        if track[0] == SERVICE and transition["dest"] not in _IN_ATTEMPT:
            self._end_attempts(transition["instance"], transition["dest"])

    def _attempt(self, seq: int, restart: Mapping[str, Any]) -> None:
        service, token = restart["service"], restart["token"]
        if token not in self._attempts:
            self._end_attempts(service, "replaced")
            self._attempts[token] = service
            self._decided[token] = self._tracks.now
            self._make_attempt("b", service, token, {"seq": seq, **restart})
        else:
            self._make_attempt("n", service, token, {"seq": seq, **restart}, name="requested again")

    def _end_attempts(self, service: str, result: str) -> None:
        for token in [token for token, of in self._attempts.items() if of == service]:
            del self._attempts[token]
            self._make_attempt("e", service, token, {"result": result})

    def _resolve(self, seq: int, resolution: Mapping[str, Any]) -> None:
        service, token, args = resolution["service"], resolution["token"], {"seq": seq, **resolution}
        if token.startswith(LISTEN_TOKEN):
            self._tracks.mark((FORWARD, service), resolution["outcome"], args)
        elif token in self._attempts:
            self._make_attempt("n", service, token, args, name=resolution["outcome"])
        else:  # of a decision that nothing is known of
            self._tracks.mark((SERVICE, service), resolution["outcome"], args)

    def _make_attempt(self, phase: str, service: str, token: str, args: Mapping[str, Any], *, name: str = "") -> None:
        self._tracks.span(phase, (SERVICE, service), name or f"restart of {service}", token, args)

    def _draw_answers(self, resolutions: Iterable[Mapping[str, Any]]) -> None:
        """An arrow from each decision of the trace to its answer."""
        for resolution in resolutions:
            decided = self._decided.pop(resolution["token"], None)
            if decided is not None:
                self._tracks.flow((SERVICE, resolution["service"]), decided, {"token": resolution["token"]})


def _track_of(chart: str, instance: str) -> Track:
    if chart == LINK_CHART:
        return LINK
    return (FORWARD, instance) if chart == FORWARD else (SERVICE, instance)

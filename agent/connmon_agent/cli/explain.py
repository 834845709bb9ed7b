"""``connmon-agent explain``: what led to a decision, and what stands in the way of another one."""

from __future__ import annotations

from collections import deque
from itertools import islice, takewhile
from typing import Any

import click

from ..charts.chart import Chart
from ..core.events import Inspected
from ..core.observations import Observation, Unobserved
from ..core.timestamps import Timestamp
from ..core.world import Service, ServiceState, World
from ..errors import ConnmonError
from ..explain.explanations import explain_event, explain_link, explain_service
from ..store.reading import Reader
from ..store.records import Recorded
from . import screens
from .completion import complete_explained
from .decisions import EngineShelf, refold_journal
from .invocations import Invocation
from .kept import require_kept
from .outputs import echo_json
from .rendering.explanation_document import event_document, link_document, service_document
from .rendering.explanation_text import render_event, render_link, render_service
from .rendering.snapshots import Snapshot
from .status import take_snapshot
from .wording import count_of

NOW = "now"

# How far the journal is looked through for what a service showed last, and for what followed from an event.
LOOK_BACK = 2000
LOOK_AHEAD = 2000


@click.command(short_help="Explain the state of the link, a service or an event.")
@click.argument("what", required=False, default=NOW, metavar="[SEQ|SERVICE|now]", shell_complete=complete_explained)
@click.option("--json", is_flag=True, help="One JSON document.")
@click.pass_obj
def explain(invocation: Invocation, what: str, json: bool) -> None:
    """Explain a state: its reason, the conditions that block a change, and when it is checked next.

    `now` explains the link, a name one service, a number one recorded event (`replay --since 1d --json` lists the
    numbers). It reads the state file only; no running agent is needed.
    """
    snapshot = take_snapshot(invocation.database())
    if snapshot.events == 0:
        raise ConnmonError("nothing has been recorded yet", hint="Run `connmon-agent start`")
    with Reader(invocation.database()) as reader:
        if what.isascii() and what.isdecimal():
            document, text = _explain_event(reader, int(what))
        elif what.lower() == NOW:
            document, text = _explain_link(reader, snapshot)
        else:
            document, text = _explain_service(reader, snapshot, what)
    echo_json(document) if json else click.echo(text)


def _explain_link(reader: Reader, snapshot: Snapshot) -> tuple[dict[str, Any], str]:
    latest = snapshot.round
    results = latest.results if latest is not None else ()
    explanation = explain_link(snapshot.world, _charts_of(reader, snapshot.world), _now(snapshot), results=results)
    text = render_link(explanation, snapshot, width=screens.width_of_output(), paint=screens.painter())
    return link_document(explanation), text


def _explain_service(reader: Reader, snapshot: Snapshot, name: str) -> tuple[dict[str, Any], str]:
    world = snapshot.world
    if name not in world.services:
        known = ", ".join(world.names) or "none"
        raise ConnmonError(
            f"no service {name!r}; the services are: {known}", hint="Run `connmon-agent explain now` to see the link"
        )
    seen = _last_seen(reader, reader.newest(), world.services[name])
    explanation = explain_service(world, _charts_of(reader, world), _now(snapshot), name=name, seen=seen)
    text = render_service(explanation, snapshot, width=screens.width_of_output(), paint=screens.painter())
    return service_document(explanation), text


def _explain_event(reader: Reader, seq: int) -> tuple[dict[str, Any], str]:
    newest, segments = reader.newest(), reader.segments()
    if not 1 <= seq <= newest:
        raise ConnmonError(
            f"no event {seq}; there are {count_of(newest, 'event')}",
            hint="Run `connmon-agent replay --since 1d --json` to list the numbers",
        )
    require_kept(segments, seq)
    mark = segments.find_before(seq)
    after, start = (0, None) if mark is None else (mark.seq, reader.checkpoint(mark).world)
    steps = refold_journal(
        reader, takewhile(lambda row: row.seq <= seq, reader.recorded(after_seq=after, segments=segments)), start
    )
    row, world = deque(steps, maxlen=1)[0]
    charts = EngineShelf(reader).read_charts({**world.charts, **row.charts})
    later = islice(reader.recorded(after_seq=seq), LOOK_AHEAD)
    explanation = explain_event(row, charts, world, later=later)
    return event_document(explanation), render_event(explanation, width=screens.width_of_output())


def _charts_of(reader: Reader, world: World) -> dict[str, Chart]:
    if not world.charts:
        raise ConnmonError("no agent has got so far as to read its configuration", hint="Run `connmon-agent start`")
    return EngineShelf(reader).read_charts(world.charts)


def _now(snapshot: Snapshot) -> Timestamp:
    """This instant on the agent's steady clock; without an agent, its last one: since then nothing has come nearer."""
    if snapshot.agent is None:
        return Timestamp(snapshot.now, snapshot.now)
    beat = snapshot.agent.heartbeat
    return beat.plus(max(0.0, snapshot.now - beat.wall)) if snapshot.running else beat


def _last_seen(reader: Reader, newest: int, service: Service) -> Observation | Unobserved | None:
    """What the cluster showed since the service is in its state: a look that changes nothing is not recorded.

    None: nothing. What was seen before a restart says nothing of what came of it.
    """
    seen: Observation | Unobserved | None = None
    for row in reader.recorded(after_seq=max(0, newest - LOOK_BACK)):
        if isinstance(row.event, Inspected) and row.event.service == service.name and _is_of_now(row, service):
            seen = row.event.seen
    return seen


def _is_of_now(row: Recorded, service: Service) -> bool:
    """The look that decided a restart was at the very moment in which it was decided, and before it."""
    if service.state == ServiceState.RESTARTING:
        return row.at.steady > service.since.steady
    return row.at.steady >= service.since.steady

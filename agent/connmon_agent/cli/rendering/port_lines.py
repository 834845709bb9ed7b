"""The local ports in `status`: where each service is reached now, why there, and what has gone through."""

from __future__ import annotations

from collections.abc import Iterator

from ...core.observations import Traffic
from ...core.ports.assignments import explain_staying
from ...core.world import Forward, ForwardState
from ..wording import say_bytes, wrap
from .snapshots import Snapshot
from .tables import INDENT, lay_out
from .tones import FORWARD_TONES, Paint, Tone

HEAD = ("NAME", "PORT", "STATE", "OPEN", "RECEIVED", "SENT")


def port_lines(snapshot: Snapshot, width: int, paint: Paint) -> Iterator[str]:
    """A table, and below it what is to be known besides; nothing where no service has a local port."""
    forwards = snapshot.forwards()
    if not forwards:
        return
    if not snapshot.running:
        yield "Local ports: none; the agent is not running"
        return
    if snapshot.fresh:
        yield "Local ports: none yet; the agent is starting"
        return
    reached = sum(forward.state == ForwardState.OPEN for forward in forwards)
    yield f"Local ports, {reached} of {len(forwards)} open"
    rows = [HEAD, *(_row(forward, snapshot.traffic_of(forward.name)) for forward in forwards)]
    head, *lines = lay_out(rows, width=width, limits={0: width // 4 + 3})
    yield paint(head, Tone.QUIET)
    for line, forward in zip(lines, forwards, strict=True):
        yield paint(line, FORWARD_TONES[ForwardState(forward.state)])
    for forward in forwards:
        if note := note_of(forward, snapshot):
            yield from wrap(f"{forward.name}: {note}", width=width, indent=INDENT * 2, first=INDENT)


def note_of(forward: Forward, snapshot: Snapshot) -> str:
    """What is to be known of a port besides its numbers: what is wrong, else why it is not the primary one, else the
    last failure of a connection; empty where there is nothing.
    """
    if forward.state != ForwardState.OPEN:
        return forward.reason
    if choice := explain_staying(snapshot.world, forward.name):
        return choice
    traffic = snapshot.traffic_of(forward.name)
    return f"last failure: {traffic.error}" if traffic is not None and traffic.error else ""


def _row(forward: Forward, traffic: Traffic | None) -> tuple[str, ...]:
    flow = traffic or Traffic(forward.name)
    return (
        forward.name,
        "-" if forward.port is None else str(forward.port),
        forward.state,
        str(flow.open),
        say_bytes(flow.received),
        say_bytes(flow.sent),
    )

"""`ports`: the ports of the services as a table and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ...sockets.owners import Owner
from ..wording import count_of, wrap
from .port_views import PortState, PortView, ServiceView
from .tables import INDENT, lay_out
from .tones import Paint, Tone, paint_nothing

SCHEMA = 1
WIDTH = 80
SPACIOUS = 60  # columns; below, the word "primary" is left out: the row that bears the name is the primary port's

_HEAD = ("NAME", "PORT", "STATE", "USED BY")
_TONES = {
    PortState.FREE: Tone.PLAIN,
    PortState.OURS: Tone.GOOD,
    PortState.HELD: Tone.UNSURE,
    PortState.RESERVED: Tone.UNSURE,
}


def render_ports(services: Sequence[ServiceView], *, width: int = WIDTH, paint: Paint = paint_nothing) -> str:
    """A group of lines for each service: its ports, which one it gets, and what to do about it. Then the verdict.

    The verdict is the last line because so many ports leave no other one on the screen.
    """
    if not services:
        return "No service has a local port."
    rows = [_HEAD, *(row for service in services for row in _rows(service, width))]
    head, *lines = lay_out(rows, width=width, limits={0: width * 3 // 10})
    shown = [paint(head, Tone.QUIET)]
    rest = iter(lines)
    for service in services:
        shown += [paint(next(rest), _TONES[port.state]) for port in service.ports]
        shown += [*_tell(service, width=width, paint=paint), ""]
    return "\n".join([*shown, *_sum_up(services, width=width, paint=paint)])


def ports_document(services: Sequence[ServiceView]) -> dict[str, Any]:
    """The same as JSON values."""
    return {"schema": SCHEMA, "services": [_service_document(service) for service in services]}


def _sum_up(services: Sequence[ServiceView], *, width: int, paint: Paint) -> Iterator[str]:
    without = [service.name for service in services if service.assigned is None]
    moved = [service.name for service in services if not service.settled and service.assigned is not None]
    told: list[tuple[str, Tone]] = []
    if without:
        told.append((f"{_count(without, services)} no port: {', '.join(without)}.", Tone.BAD))
    if moved:
        told.append((f"{_count(moved, services)} only an alternative: {', '.join(moved)}.", Tone.UNSURE))
    for record, tone in told or [("Every service can use its primary port.", Tone.GOOD)]:
        yield from (paint(line, tone) for line in wrap(record, width=width))


def _count(those: Sequence[str], services: Sequence[ServiceView]) -> str:
    """``2 of 7 services have``."""
    return f"{len(those)} of {count_of(len(services), 'service')} {'has' if len(those) == 1 else 'have'}"


def _rows(service: ServiceView, width: int) -> Iterator[tuple[str, ...]]:
    for port in service.ports:
        number = f"{port.port} primary" if port.primary and width >= SPACIOUS else str(port.port)
        yield service.name if port.primary else "", number, port.state, port.holder


def _tell(service: ServiceView, *, width: int, paint: Paint) -> Iterator[str]:
    mark, tone = _mark(service)
    for line in wrap(_conclude(service), width=width, indent=INDENT + "   ", first=f"{INDENT}{mark} "):
        yield paint(line, tone)
    if service.remedy is not None:
        yield from wrap(service.remedy, width=width, indent=INDENT + "   ", first=f"{INDENT}-> ")


def _mark(service: ServiceView) -> tuple[str, Tone]:
    """As `doctor` marks its findings."""
    if service.assigned is None:
        return "XX", Tone.BAD
    return ("ok", Tone.PLAIN) if service.settled else ("!!", Tone.UNSURE)


def _conclude(service: ServiceView) -> str:
    if service.assigned is None:
        what = "has no port"
    else:
        what = f"uses {service.assigned} (ours)" if service.ours else f"would use {service.assigned}"
    return f"{service.name} {what}{f': {service.reason}' if service.reason else ''}"


def _service_document(service: ServiceView) -> dict[str, Any]:
    return {
        "name": service.name,
        "primary": service.primary,
        "assigned": service.assigned,
        "reason": service.reason,
        "remedy": service.remedy,
        "ports": [_port_document(port) for port in service.ports],
    }


def _port_document(port: PortView) -> dict[str, Any]:
    return {
        "port": port.port,
        "primary": port.primary,
        "state": port.state.value,
        "holder": _holder_document(port.owner),
        "text": port.text,
    }


def _holder_document(owner: Owner | None) -> dict[str, Any] | None:
    return None if owner is None else {"name": owner.name, "pid": owner.pid, "user": owner.user}

"""What the state file says of the outage that a notice is about. It is read and never written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from ..core.effects import LISTEN_TOKEN
from ..core.events import Ordered
from ..core.timestamps import Timestamp
from ..core.world import LinkState, ServiceState, World
from ..errors import ConnmonError
from ..store.records import OutageRow, Recorded
from ..store.report_reading import ReportReader
from .jobs import Notice

_NOT_A_SERVICE = ("link", "forward")  # charts


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """One service in an outage: its last state with the reason, and the restarts that the cluster accepted in it."""

    name: str
    state: str
    reason: str
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class OutageFacts:
    """One outage, or as much of it as a notice is about.

    ``earlier`` are outages that ended before it and are told of in the same notice. ``budget`` is how many restarts a
    service has, ``attempts`` how many each has used as of now (empty for an outage that is not the newest).
    ``relapses`` are those among the events of the notice, the first at ``since`` and the last at ``until``. ``link`` is
    the link's state now. ``store`` is the random name of the state file. ``incomplete``: the first of these events were
    removed (`journal.max_size`), so that services and relapses may be missing.
    """

    row: OutageRow
    services: tuple[ServiceFacts, ...]
    earlier: tuple[OutageRow, ...]
    store: str
    budget: int
    hold: float  # seconds
    attempts: dict[str, int]
    relapses: int
    since: Timestamp
    until: Timestamp
    link: str
    shadow: bool = False  # nothing is ever restarted
    paused: bool = False
    ordered_by: str | None = None  # who requested a recovery that no outage of the link began
    incomplete: bool = False

    @property
    def gave_up(self) -> tuple[ServiceFacts, ...]:
        """The services that use up their restarts without success."""
        return tuple(one for one in self.services if one.state == ServiceState.GAVE_UP)


@dataclass(slots=True)
class _Reading:
    services: dict[str, ServiceFacts] = field(default_factory=dict)
    outages: dict[int, None] = field(default_factory=dict)
    relapses: int = 0
    first: int | None = None  # the number of the first event
    since: Timestamp | None = None
    until: Timestamp | None = None
    ordered_by: str | None = None

    def misses(self, from_seq: int | None) -> bool:
        """Whether events from ``from_seq`` on are missing. None: nobody said where they begin."""
        return from_seq is not None and (self.first is None or self.first > from_seq)


def read_outage(reader: ReportReader, notice: Notice) -> OutageFacts:
    """The facts for ``notice``. Raises StoreError, and ConnmonError where there is no such outage any more."""
    row = None if notice.outage is None else reader.outage(notice.outage)
    world = reader.world()
    if row is None or world is None:
        raise ConnmonError(
            f"outage {notice.outage} is not in {reader.path}", hint="It was removed; `journal.keep` says when"
        )
    reading = _Reading()
    for one in _events(reader, notice):
        _read(one, reading)
    services = reading.services
    is_newest = world.outage is not None and world.outage.id == row.id
    if row.ended is not None and is_newest:
        services = _with_older(services, world)
    outages = (reader.outage(number) for number in reading.outages if number < row.id)
    return OutageFacts(
        row=row,
        services=tuple(services.values()),
        earlier=tuple(one for one in outages if one is not None),
        store=reader.name(),
        budget=world.plan.recovery.max_restart_attempts,
        hold=world.plan.link.hold,
        attempts={name: one.attempts for name, one in world.services.items()} if is_newest else {},
        relapses=reading.relapses,
        since=reading.since or row.started,
        until=reading.until or row.ended or row.started,
        link=world.link.state,
        shadow=not world.plan.recovery.act,
        paused=world.paused,
        ordered_by=reading.ordered_by if row.by_operator else None,
        incomplete=reading.misses(notice.from_seq),
    )


def _events(reader: ReportReader, notice: Notice) -> Iterator[Recorded]:
    if notice.from_seq is None or notice.until_seq is None:
        yield from reader.recorded(outage=notice.outage)
        return
    for one in reader.recorded(after_seq=notice.from_seq - 1):
        if one.seq > notice.until_seq:
            return
        yield one


def _read(one: Recorded, reading: _Reading) -> None:
    reading.first = one.seq if reading.first is None else reading.first
    reading.since, reading.until = reading.since or one.at, one.at
    if one.outage is not None and one.outage not in reading.outages:
        reading.outages[one.outage] = None
        reading.services.clear()  # of an earlier outage only its line is told
    if isinstance(one.event, Ordered) and one.refusal is None:
        reading.ordered_by = one.event.by
    for transition in one.transitions:
        name = transition.instance
        if transition.chart == "link":
            fell = (transition.source, transition.dest) == (LinkState.RECOVERING, LinkState.OFFLINE)
            reading.relapses += fell
        elif transition.chart not in _NOT_A_SERVICE:
            known = reading.services.get(name, ServiceFacts(name, "", ""))
            reading.services[name] = replace(known, state=transition.dest, reason=transition.reason)
    for resolution in one.resolutions:
        known_one = reading.services.get(resolution.service)
        if known_one and resolution.outcome == "applied" and not resolution.token.startswith(LISTEN_TOKEN):
            reading.services[resolution.service] = replace(known_one, restarts=known_one.restarts + 1)


def _with_older(services: dict[str, ServiceFacts], world: World) -> dict[str, ServiceFacts]:
    """The services, with those that gave up in an earlier outage and so had no part in this one."""
    older = {
        name: ServiceFacts(name, service.state, service.reason)
        for name in world.names
        if name not in services
        and (service := world.services.get(name)) is not None
        and service.state == ServiceState.GAVE_UP
    }
    return {**services, **older}

"""``replay --inject``: what is to go wrong in a rehearsal, as people type it, and the rehearsal itself."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

import click

from ..core.events import Event, Inspected
from ..core.steps import Step
from ..core.timestamps import Timestamp
from ..core.world import World
from ..errors import ConnmonError, NothingRecorded
from ..loading.durations import parse_duration
from ..loading.overrides import Overrides, apply_overrides, check_overrides
from ..store.reading import Reader
from ..store.records import Recorded
from ..wall_times import in_zone, seconds_of
from ..what_if.clusters import OWN_STATES, Experience, Model, ModelledCluster
from ..what_if.hypotheses import HypotheticalAgent
from ..what_if.rehearsals import Fault, Injection, rehearse
from .decisions import EngineShelf
from .what_if import Record

FORMS = f"TIME+DURATION FAULT, as in '10:00+5m black-hole' ({', '.join(Fault)}), or restart SERVICE fails|refused"
LONGEST = 24 * 3600.0  # seconds of one fault
MOST = 20  # faults of one rehearsal

_LINK = re.compile(r"(?P<time>\S+)\+(?P<length>[0-9.a-z]+)\s+(?P<fault>[a-z-]+)", re.ASCII)
_RESTART = re.compile(r"restart\s+(?P<service>\S+)\s+(?P<how>fails|refused)", re.ASCII)
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LinkFault:
    """A fault of the link at ``time``: a time of day, an RFC 3339 time, or ``now``; for ``length`` seconds."""

    time: str
    length: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class RestartFault:
    """Restarts of ``service`` do not help, or are ``refused``."""

    service: str
    refused: bool


def read_injections(
    ctx: click.Context, param: click.Parameter, value: Sequence[str]
) -> tuple[LinkFault | RestartFault, ...]:
    """The callback of ``--inject``."""
    if len(value) > MOST:
        raise click.BadParameter(f"at most {MOST} faults can be rehearsed at once")
    return tuple(map(_read, value))


def _read(text: str) -> LinkFault | RestartFault:
    if match := _RESTART.fullmatch(text.strip()):
        return RestartFault(match["service"], match["how"] == "refused")
    match = _LINK.fullmatch(text.strip())
    if match is None or match["fault"] not in list(Fault):
        raise click.BadParameter(f"{text!r} is not {FORMS}")
    try:
        length = parse_duration(match["length"])
    except ValueError as error:
        raise click.BadParameter(f"{match['length']!r} is not a duration such as 30s, 5m or 1h") from error
    if not 0 < length <= LONGEST:
        raise click.BadParameter(f"{match['length']} is out of range: write 1s to 24h")
    return LinkFault(match["time"], length, Fault(match["fault"]))


def run_rehearsal(
    reader: Reader,
    faults: Sequence[LinkFault | RestartFault],
    overrides: Overrides,
    model: Model,
    *,
    zone: tzinfo | None = None,
) -> list[Recorded]:
    """Every decision of the rehearsal, as events that follow the newest one. Nothing is written.

    Raises ConnmonError.
    """
    record, world = Record.of(reader), reader.world()
    assert world is not None
    latest = reader.latest_round()
    if not world.charts or latest is None:
        raise NothingRecorded(f"no round of probes is recorded in {reader.path}", hint="Start the agent first")
    check_overrides(world.plan, overrides, option="--what-if", targets=record.targets)
    start = max(latest.at, _newest(record))
    cluster = ModelledCluster(Experience.of(record.rows()), model)
    _remember(record, cluster)
    spool = _Spool(record.newest, start)
    agent = HypotheticalAgent(
        world,
        change=lambda plan: apply_overrides(plan, overrides),
        engine_for=EngineShelf(reader).take,
        cluster=cluster,
        follow=spool.note,
    )
    _break_restarts(world, cluster, faults)
    injections = [_place(one, start, zone) for one in faults if isinstance(one, LinkFault)]
    if not injections:
        injections = [Injection(Fault.BLACK_HOLE, start.steady + 60.0, start.steady + 120.0)]
    rehearse(agent, latest.results, injections, start)
    return spool.rows


def _newest(record: Record) -> Timestamp:
    """When the newest event happened."""
    rows = list(record.reader.recorded(after_seq=record.newest - 1))
    return rows[-1].at if rows else Timestamp(0.0, 0.0)


def _remember(record: Record, cluster: ModelledCluster) -> None:
    """What was last seen of each service."""
    own: dict[str, bool] = {}
    for row in record.rows():
        if isinstance(row.event, Inspected) and not own.get(row.event.service, False):
            cluster.note(row.event, None)
        for one in row.transitions:
            if one.chart == "service":
                own[one.instance] = one.dest in OWN_STATES


def _break_restarts(world: World, cluster: ModelledCluster, faults: Sequence[LinkFault | RestartFault]) -> None:
    for one in faults:
        if isinstance(one, RestartFault):
            if one.service not in world.services:
                known = ", ".join(world.names) or "none"
                raise ConnmonError(f"there is no service {one.service}", hint=f"The services are: {known}")
            cluster.break_restarts(one.service, refused=one.refused)


def _place(one: LinkFault, start: Timestamp, zone: tzinfo | None) -> Injection:
    """The fault in steady time. A time of day is the next one after ``start``."""
    wall = _read_time(one.time, start, zone)
    if wall < start.wall:
        raise ConnmonError(
            f"--inject {one.time} is before the end of what is recorded",
            hint="Write a later time, a time of day such as 10:00, or now",
        )
    since = start.steady + wall - start.wall
    if since - start.steady > 7 * LONGEST:
        raise ConnmonError(f"--inject {one.time} is more than a week away", hint="Write an earlier time")
    return Injection(one.fault, since, since + one.length)


def _read_time(text: str, start: Timestamp, zone: tzinfo | None) -> float:
    if text == "now":
        return start.wall + 1.0
    if match := _TIME.fullmatch(text):
        here = in_zone(start.wall, zone)
        then = here.replace(hour=int(match[1]), minute=int(match[2]), second=int(match[3] or 0), microsecond=0)
        return seconds_of(then if then > here else then + timedelta(days=1))
    try:
        return seconds_of(datetime.fromisoformat(text), zone or UTC if text.endswith("Z") else zone)
    except ValueError as error:
        raise ConnmonError(
            f"--inject: {text!r} is no time", hint="Write a time of day (10:00), an RFC 3339 time, or now"
        ) from error


class _Spool:
    """The decisions as rows of a journal that goes on behind the newest event."""

    def __init__(self, newest: int, start: Timestamp) -> None:
        self._newest, self._start = newest, start
        self.rows: list[Recorded] = []

    def note(self, before: World, event: Event, step: Step) -> None:
        """Take in one decision."""
        self._newest += 1
        outage = step.world.outage
        self.rows.append(
            Recorded(
                self._newest, event.at, 0.0, "rehearsal", event, step.transitions, step.effects, step.resolutions,
                step.notes, None if outage is None or outage.ended is not None else outage.id, step.refusal,
                listens=step.listens,
            )
        )  # fmt: skip

"""What is around one agent: all the ports that it reaches the world outside by, and the observers that look at it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ..core.events import Event
from ..core.observations import ProbeResult, Traffic
from ..core.timestamps import Timestamp
from ..core.world import World
from ..ports import (
    Announcer,
    Clock,
    Cluster,
    Forwards,
    Journal,
    LinkWatch,
    LocalPorts,
    Messenger,
    Prober,
    Registries,
)
from ..supervision import Tasks, supervise
from .announcing import NoAnnouncer
from .evidence import EvidenceObserver
from .log_records import LogRecord
from .metered import MeteredObserver
from .no_forwards import NoForwards, NoPorts
from .observers import InspectionObserver, Observer, RoundObserver, TimerObserver
from .port_observers import CheckObserver, PortObserver, TrafficObserver


async def say_nothing() -> bool | None:
    """Nobody knows whether the connection is metered."""
    return None


@dataclass(frozen=True, slots=True)
class Dependencies:
    """All that the agent reaches the world outside by. ``boot_id`` names the machine's boot.

    ``publish`` is called with the world whenever the local ports in it have changed. ``ask_metered`` says whether the
    connection is paid for by the byte (None: nobody knows), ``metered_source`` who says so.
    ``announcer`` is whoever started the agent and waits for word of it. ``head_start``: seconds that the first look at
    the cluster leaves to the local ports, where clients of theirs wait for an agent.
    """

    clock: Clock
    watch: LinkWatch
    prober: Prober
    cluster: Cluster
    journal: Journal
    boot_id: str
    say: Callable[[LogRecord], None]
    ports: LocalPorts = field(default_factory=NoPorts)
    forwards: Forwards = field(default_factory=NoForwards)
    publish: Callable[[World], None] = lambda world: None
    registries: Registries | None = None  # None: they are not asked before a restart
    ask_metered: Callable[[], Awaitable[bool | None]] = say_nothing
    metered_source: str = ""
    announcer: Announcer = field(default_factory=NoAnnouncer)
    head_start: float = 0.0
    messenger: Messenger | None = None  # None: nobody gets notices


@dataclass(frozen=True, slots=True)
class Listener:
    """What the observers want of the agent: its world, and where what they saw goes.

    ``note_round`` and ``note_traffic`` take what decides nothing; ``screen`` tells which targets look slow or lossy,
    and whether all were asked about equally often; ``wake`` is called before each look at the link, and ``rest`` after
    it with the time of the next one.
    """

    world: Callable[[], World]
    take: Callable[[Event], object]
    note_round: Callable[[Timestamp, tuple[ProbeResult, ...], tuple[ProbeResult, ...]], None]
    screen: Callable[[], tuple[frozenset[str], bool]]
    note_traffic: Callable[[Timestamp, tuple[Traffic, ...]], None]
    wake: Callable[[], object]
    rest: Callable[[float], object]


class Lookout:
    """Every observer of one agent."""

    def __init__(self, out: Dependencies, to: Listener) -> None:
        clock, world, take = out.clock, to.world, to.take
        self.rounds = RoundObserver(
            out.prober,
            clock=clock,
            world=world,
            take=take,
            note=to.note_round,
            wake=to.wake,
            rest=to.rest,
            screen=to.screen,
        )
        self._inspections = InspectionObserver(
            out.cluster,
            clock=clock,
            world=world,
            take=take,
            registries=out.registries,
            head_start=out.head_start,
        )
        self._ports = PortObserver(out.ports, out.forwards, clock=clock, world=world, take=take)
        self._checks = CheckObserver(out.forwards, clock=clock, world=world, take=take)
        self._traffic = TrafficObserver(out.forwards, clock=clock, world=world, note=to.note_traffic)
        self._observers: tuple[Observer, ...] = (
            # First: no round is judged by the evidence of an agent that ran before.
            EvidenceObserver(out.watch, clock=clock, world=world, take=take),
            self.rounds,
            self._inspections,
            self._ports,
            self._checks,
            self._traffic,
            TimerObserver(clock=clock, world=world, take=take),
            MeteredObserver(out.ask_metered, source=out.metered_source, clock=clock, world=world, take=take),
        )

    def start(self, tasks: Tasks) -> None:
        """Begin to look, each in a task of its own among ``tasks``; one that fails is begun again."""
        for observer in self._observers:
            supervise(observer.task, observer.run, tasks=tasks)

    def nudge(self) -> None:
        """Tell that the world changed."""
        for observer in self._observers:
            observer.nudge()

    def turn_to(self, *, prober: Prober | None, cluster: Cluster | None, forwards: Forwards | None) -> None:
        """Look with other eyes from now on, where they are given."""
        if prober is not None:
            self.rounds.turn_to(prober)
        if cluster is not None:
            self._inspections.turn_to(cluster)
        if forwards is not None:
            self._ports.forwards = self._traffic.forwards = forwards
            self._checks.turn_to(forwards)

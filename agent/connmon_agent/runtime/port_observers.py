"""The observers of the local ports: who holds those that are wanted, and whether ours lead to their services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from ..core.events import Event, ForwardChecked, PortsSeen
from ..core.observations import Traffic
from ..core.ports.port_demands import PORTS_INTERVAL, CheckDemand, check_demands, wanted_ports
from ..core.timestamps import Timestamp
from ..core.world import World
from ..ports import Clock, Forwards, LocalPorts
from ..supervision import report, supervise
from .observers import Observer

# Seconds between looks at what goes through the ports, for people: it decides nothing.
TRAFFIC_INTERVAL = 2.0
# A port is not checked more often than this, however many connections through it tell something new.
SHORTEST_CHECK_INTERVAL = 1.0


class PortObserver(Observer):
    """Looks at the ports that services want and do not have: at once when others are wanted, else now and then."""

    task = "examine the local ports"

    def __init__(
        self,
        ports: LocalPorts,
        forwards: Forwards,
        *,
        clock: Clock,
        world: Callable[[], World],
        take: Callable[[Event], object],
    ) -> None:
        super().__init__(clock=clock, world=world, take=take)
        self.forwards = forwards
        self._ports = ports
        self._looked: float | None = None
        self._seen: frozenset[int] = frozenset()  # the ports that were looked at last

    def look(self) -> float | None:
        wanted = wanted_ports(self._world())
        if not wanted or self._busy:
            self._seen &= frozenset(wanted)
            return None
        now = self._clock.now().steady
        due = now if self._looked is None or wanted.keys() - self._seen else self._looked + PORTS_INTERVAL
        if due > now:
            return due
        self._looked, self._seen = now, frozenset(wanted)
        self._start(self.task, partial(self._examine, wanted), about="ports")
        return None

    async def _examine(self, wanted: dict[int, tuple[str, ...]]) -> None:
        try:
            taken = await self._ports.examine(wanted)
        except Exception as error:  # a mistake of ours: whether a port can be had shows when it is asked for
            report(self.task, error)
            taken = {}
        busy = tuple(sorted(flow.service for flow in self.forwards.traffic() if flow.open))
        self._take(PortsSeen(self._clock.now(), tuple(sorted(taken.items())), busy))


class CheckObserver(Observer):
    """Connects through each local port now and then, and at once where one of somebody else tells
    something new.
    """

    task = "check the local ports"

    def __init__(
        self, forwards: Forwards, *, clock: Clock, world: Callable[[], World], take: Callable[[Event], object]
    ) -> None:
        super().__init__(clock=clock, world=world, take=take)
        self.forwards = forwards
        self._checked: dict[str, tuple[float, int | None]] = {}  # when each was last checked, and on which port
        self._turned: set[str] = set()
        self._listening: asyncio.Task[None] | None = None  # None: it has not begun to look

    async def run(self) -> None:
        self._begin_listening()
        await super().run()

    def turn_to(self, forwards: Forwards) -> None:
        """Check these from now on, and hear of their clients."""
        self.forwards = forwards
        if self._listening is not None and not self._listening.done():
            self._listening.cancel()
            self._begin_listening()

    def _begin_listening(self) -> None:
        self._listening = supervise("wait for ports that are worth a check", self._listen, tasks=self._tasks)

    def look(self) -> float | None:
        now, nexts = self._clock.now().steady, []
        for name, demand in check_demands(self._world()).items():
            if name in self._busy:
                continue
            due = self._due(name, demand)
            if due > now:
                nexts.append(due)
            else:
                self._begin(name, now)
        return min(nexts, default=None)

    def _due(self, name: str, demand: CheckDemand) -> float:
        last, port = self._checked.get(name, (0.0, None))
        if port != self._world().forwards[name].port:
            return demand.earliest
        return max(demand.earliest, last + (SHORTEST_CHECK_INTERVAL if name in self._turned else demand.interval))

    def _begin(self, name: str, now: float) -> None:
        self._checked[name] = (now, self._world().forwards[name].port)
        self._turned.discard(name)
        self._start(f"check the port of {name}", partial(self._check, name), about=name)

    async def _check(self, name: str) -> None:
        began, known = self._clock.now(), self._world().forwards.get(name)
        if known is None:
            return  # a reload took the service out of the configuration
        port, forwards = known.port or 0, self.forwards
        try:
            checked = await forwards.check(name, began)
        except Exception as error:  # a mistake of ours must not blind the agent for the other ports
            report(f"check the port of {name}", error)
            checked = ForwardChecked(began, began, name, port, f"internal error while it was checked: {error!r}")
        if forwards is not self.forwards:
            self._checked.pop(name, None)  # a reload came in between: the port leads elsewhere now
            return
        self._take(
            ForwardChecked(self._clock.now(), began, name, checked.port, checked.trouble, lasting=checked.lasting)
        )

    async def _listen(self) -> None:
        while True:
            self._turned.add(await self.forwards.worth_checking())
            self.nudge()


class TrafficObserver(Observer):
    """Notes what went through the ports, whenever that has changed. It brings no events."""

    task = "note the traffic"

    def __init__(
        self,
        forwards: Forwards,
        *,
        clock: Clock,
        world: Callable[[], World],
        note: Callable[[Timestamp, tuple[Traffic, ...]], None],
    ) -> None:
        super().__init__(clock=clock, world=world, take=lambda event: None)
        self.forwards = forwards
        self._note = note
        self._noted: tuple[Traffic, ...] = ()
        self._looked = 0.0

    def look(self) -> float | None:
        if not self._world().forwards:
            return None
        now = self._clock.now()
        if now.steady >= self._looked + TRAFFIC_INTERVAL:
            self._looked = now.steady
            traffic = self.forwards.traffic()
            if traffic != self._noted:
                self._note(now, traffic)
                self._noted = traffic
        return self._looked + TRAFFIC_INTERVAL

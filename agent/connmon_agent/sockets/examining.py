"""Which ports cannot be listened on, and why: the port LocalPorts on this machine's sockets.

It binds each and does not listen, unlike ``open_listeners``: nothing here is announced, so nothing has to be ours, and
no client of a server that is about to start is to be caught. What was measured of that is told in ``binding``. Every
call tries each port anew, because it may have changed hands since the one before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from ..ports import ListenerStore
from .binding import PortRefused, RefusalCause, try_binding
from .keeping import NothingKept
from .owners import Owner, choose_owner, describe, find_owners
from .port_ranges import RESERVED, ReservedRange, ReservedRanges
from .socket_tables import Socket, read_sockets

# Windows also says "reserved" of some ports that a process has; privileges are missing whoever holds the port.
_HELD = (RefusalCause.IN_USE, RefusalCause.RESERVED)


OWNER_KEPT = 300.0  # seconds for which an owner is not looked up again while its sockets are the same
UNSHOWN_KEPT = 60.0  # seconds for one whose sockets no table shows

Owners = Mapping[int, tuple[Owner, ...]]


@dataclass(frozen=True, slots=True)
class _Known:
    """Who had a port, as long as the kernel shows the same sockets on it, and until then at most."""

    shown: frozenset[Socket]
    owners: tuple[Owner, ...]
    until: float


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why one port cannot be listened on. ``owner`` None: nobody holds it, or nobody whom this user may see.

    ``reserved``: the range of Windows' with it; None: it is in none.
    """

    refused: PortRefused
    owner: Owner | None
    reserved: ReservedRange | None = None

    @property
    def held(self) -> bool:
        """Whether somebody has the port, seen or not."""
        return self.owner is not None or self.refused.cause is RefusalCause.IN_USE

    @property
    def text(self) -> str:
        """``in use by nginx (pid 99)``, or what else forbids it."""
        if self.held:
            return f"in use by {describe(self.owner)}"
        if self.refused.cause is RefusalCause.NO_ADDRESS:
            return f"{self.refused.address} {self.refused.words}"
        return self.refused.words if self.reserved is None else str(self.reserved)


class SocketPorts:
    """The port LocalPorts: this machine's.

    To find who has a port means to look at every file of every process, which took 35 ms of the processor beside 165
    processes: too much for every 5 s that a port is held for good. So an owner is looked up again only when the
    kernel's tables show another socket on its port, or after some minutes; where they show none, as elsewhere than on
    Linux, after one. What ``store`` keeps for us is in nobody's way.
    """

    def __init__(
        self,
        *,
        find: Callable[[Collection[int]], Owners] = find_owners,
        now: Callable[[], float] = time.monotonic,
        store: ListenerStore | None = None,
        ranges: ReservedRanges = RESERVED,
    ) -> None:
        self._store = store or NothingKept()
        self._find = find
        self._now = now
        self._ranges = ranges
        self._known: dict[int, _Known] = {}

    async def examine(self, ports: Mapping[int, tuple[str, ...]]) -> Mapping[int, str]:
        found = await asyncio.to_thread(self._examine, ports, self._store.kept())
        return {port: obstacle.text for port, obstacle in found.items()}

    def _examine(self, ports: Mapping[int, tuple[str, ...]], kept: Collection[tuple[str, int]]) -> dict[int, Obstacle]:
        refusals = find_refusals(ports, kept)
        held = [port for port, refused in refusals.items() if refused.cause in _HELD]
        shown: dict[int, set[Socket]] = {port: set() for port in held}
        for socket in read_sockets(held) if held else ():
            shown[socket.port].add(socket)
        now = self._now()
        fresh = [port for port in held if not self._holds(port, frozenset(shown[port]), now)]
        owners = self._find(fresh) if fresh else {}
        self._known = {port: known for port, known in self._known.items() if port in held}
        for port in fresh:
            listening = frozenset(shown[port])
            until = now + (OWNER_KEPT if listening else UNSHOWN_KEPT)
            self._known[port] = _Known(listening, owners.get(port, ()), until)
        return _explain(refusals, {port: known.owners for port, known in self._known.items()}, self._ranges)

    def _holds(self, port: int, shown: frozenset[Socket], now: float) -> bool:
        """Whether what is known of the port's owner still is so."""
        known = self._known.get(port)
        return known is not None and known.shown == shown and now < known.until


def explain_refusal(refused: PortRefused) -> str:
    """Who holds the port that was just refused, or what forbids it, in words. Blocks for milliseconds."""
    owners = find_owners([refused.port]) if refused.cause in _HELD else {}
    return _explain({refused.port: refused}, owners)[refused.port].text


def find_obstacles(ports: Mapping[int, tuple[str, ...]]) -> dict[int, Obstacle]:
    """Those of ``ports`` that cannot be listened on, on the addresses that each is wanted on. Blocks for milliseconds.

    Who holds them is looked up only for these, in one go. Never raises for a port's sake.
    """
    refusals = find_refusals(ports)
    held = [port for port, refused in refusals.items() if refused.cause in _HELD]
    return _explain(refusals, find_owners(held) if held else {})


def find_refusals(
    ports: Mapping[int, tuple[str, ...]], kept: Collection[tuple[str, int]] = ()
) -> dict[int, PortRefused]:
    """Those of ``ports`` that cannot be bound, on the addresses that each is wanted on but those that are ``kept``."""
    refusals: dict[int, PortRefused] = {}
    for port, bind in ports.items():
        try:
            try_binding(port, bind, kept)
        except PortRefused as refused:
            refusals[port] = refused
    return refusals


def _explain(
    refusals: Mapping[int, PortRefused], owners: Owners, ranges: ReservedRanges = RESERVED
) -> dict[int, Obstacle]:
    found = {}
    for port, refused in refusals.items():
        owner = choose_owner(owners.get(port, ()), refused.address)
        reserved = ranges.find(port) if owner is None and refused.cause is RefusalCause.RESERVED else None
        found[port] = Obstacle(refused, owner, reserved)
    return found

"""Which ports cannot be listened on, and why: the port LocalPorts on this machine's sockets.

It binds each and does not listen, unlike ``open_listeners``: nothing here is announced, so nothing has to be ours, and
no client of a server that is about to start is to be caught. What was measured of that is told in ``binding``. Nothing
is remembered from one call to the next, because a port may change hands between them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from .binding import Cause, PortRefused, try_binding
from .owners import Owner, choose_owner, describe, find_owners

# Windows also says "reserved" of some ports that a process has; privileges are missing whoever holds the port.
_HELD = (Cause.IN_USE, Cause.RESERVED)


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why one port cannot be listened on. ``owner`` None: nobody holds it, or nobody whom this user may see."""

    refused: PortRefused
    owner: Owner | None

    @property
    def held(self) -> bool:
        """Whether somebody has the port, seen or not."""
        return self.owner is not None or self.refused.cause is Cause.IN_USE

    @property
    def text(self) -> str:
        """``held by nginx (pid 99)``, or what else forbids it."""
        if self.held:
            return f"held by {describe(self.owner)}"
        if self.refused.cause is Cause.NO_ADDRESS:
            return f"{self.refused.address} {self.refused.words}"
        return self.refused.words


class SocketPorts:
    """The port LocalPorts: this machine's."""

    async def examine(self, ports: Mapping[int, tuple[str, ...]]) -> Mapping[int, str]:
        found = await asyncio.to_thread(find_obstacles, ports)
        return {port: obstacle.text for port, obstacle in found.items()}


def explain_refusal(refused: PortRefused) -> str:
    """Who holds the port that was just refused, or what forbids it, in words. Blocks for milliseconds."""
    owners = find_owners([refused.port]) if refused.cause in _HELD else {}
    return Obstacle(refused, choose_owner(owners.get(refused.port, ()), refused.address)).text


def find_obstacles(ports: Mapping[int, tuple[str, ...]]) -> dict[int, Obstacle]:
    """Those of ``ports`` that cannot be listened on, on the addresses that each is wanted on. Blocks for milliseconds.

    Who holds them is looked up only for these, in one go. Never raises for a port's sake.
    """
    refusals: dict[int, PortRefused] = {}
    for port, bind in ports.items():
        try:
            try_binding(port, bind)
        except PortRefused as refused:
            refusals[port] = refused
    held = [port for port, refused in refusals.items() if refused.cause in _HELD]
    owners = find_owners(held) if held else {}
    return {
        port: Obstacle(refused, choose_owner(owners.get(port, ()), refused.address))
        for port, refused in refusals.items()
    }

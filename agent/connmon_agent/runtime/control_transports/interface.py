"""What a transport of orders offers: ``listen`` for the agent, ``exchange`` for the commands, and both ends' words."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

LONGEST_REQUEST = 64 * 1024  # bytes


class Conversation(Protocol):
    """One client of the running agent."""

    async def read_line(self) -> bytes:
        """What it says, up to the end of the line, or up to where it broke off.

        Raises OSError, and ValueError for more than LONGEST_REQUEST bytes.
        """

    async def write(self, answer: bytes) -> None:
        """Answer it. Raises OSError where it is gone."""

    async def name_peer(self) -> str:
        """Who it is, for the journal: ``root (pid 4711)``."""


Serve = Callable[[Conversation], Awaitable[None]]


class Listener(Protocol):
    """The agent's end of the channel, as ``listen`` returns it."""

    async def close(self) -> None:
        """Take no more clients, and take the channel away. Those that are being served are served to the end."""

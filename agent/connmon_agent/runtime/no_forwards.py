"""The port Forwards of a site without local ports: nothing is listened on, and nothing is loaded for it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from ..core.effects import Listen
from ..core.events import ForwardChecked, ListenAnswered
from ..core.observations import Traffic
from ..core.timestamps import Timestamp

WORDS = "no local port is configured"


class NoForwards:
    """Refuses every port."""

    async def listen(self, order: Listen, at: Timestamp) -> ListenAnswered:
        return ListenAnswered(at, order.service, order.token, WORDS)

    def retain(self, services: Collection[str]) -> None:
        """There is nothing to leave."""

    async def check(self, service: str, began: Timestamp) -> ForwardChecked:
        return ForwardChecked(began, began, service, 0, WORDS, lasting=True)

    def traffic(self) -> tuple[Traffic, ...]:
        return ()

    async def worth_checking(self) -> str:
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # never

    async def close(self) -> None:
        """There is nothing to close."""


class NoPorts:
    """The port LocalPorts that finds every port free."""

    async def examine(self, ports: Mapping[int, tuple[str, ...]]) -> Mapping[int, str]:
        return {}

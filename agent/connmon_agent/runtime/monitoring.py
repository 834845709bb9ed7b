"""Metrics and health as the configuration wants them: served on one address, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..settings import MetricsSettings

if TYPE_CHECKING:
    from .monitoring_server import MonitoringServer


class Monitoring:
    """Follows the configuration: one server, or none. ``open_server`` makes one for an address, unstarted."""

    def __init__(self, open_server: Callable[[tuple[str, int]], MonitoringServer]) -> None:
        self._open_server = open_server
        self._listen: tuple[str, int] | None = None
        self.server: MonitoringServer | None = None

    async def follow(self, settings: MetricsSettings) -> None:
        """Serve as ``settings`` say from now on."""
        if settings.listen == self._listen:
            return
        await self.close()
        self._listen = settings.listen
        if settings.listen is not None:
            self.server = self._open_server(settings.listen)
            self.server.start()

    async def find_trouble(self) -> str | None:
        """Why nothing is served although it is wanted, in a sentence; None: all is as wanted, or not known yet."""
        return None if self.server is None else await self.server.find_trouble()

    async def close(self) -> None:
        """Stop serving."""
        server, self.server = self.server, None
        if server is not None:
            await server.stop()

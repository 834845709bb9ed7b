"""What keeps a local port from being used."""

from __future__ import annotations

import errno

from connmon_agent.sockets.binding import PortRefused
from connmon_agent.sockets.examining import Obstacle
from connmon_agent.sockets.owners import Owner, Use


def held_by_nginx(port: int) -> Obstacle:
    """nginx of the user www-data listens on every address."""
    owner = Owner(port, "0.0.0.0", Use.LISTENING, "nginx", 99, "www-data", foreign=True)
    return Obstacle(PortRefused("127.0.0.1", port, OSError(errno.EADDRINUSE, "address in use")), owner)

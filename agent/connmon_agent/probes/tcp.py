"""A TCP connection that is accepted."""

from __future__ import annotations

from ..settings import TcpTarget
from .network import Network


async def probe_tcp(target: TcpTarget, network: Network) -> None:
    """Connect and hang up. Raises OSError and ProbeFailure when nobody accepts."""
    (await network.connect(target.host, target.port, target.family, abroad=True)).close()

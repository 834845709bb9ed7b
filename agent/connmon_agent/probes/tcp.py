"""A TCP connection that is accepted."""

from __future__ import annotations

from ..settings import TcpTarget
from .costs import count_connection
from .network import Network


async def probe_tcp(target: TcpTarget, network: Network) -> None:
    """Connect and hang up. Raises OSError and ProbeFailure when nobody accepts."""
    with await network.connect(target.host, target.port, target.family, abroad=True) as sock:
        network.bytes += count_connection(sock)

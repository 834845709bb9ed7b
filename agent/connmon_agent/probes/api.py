"""The cluster's API server accepts a TCP connection: a cluster that cannot be reached is no internet outage."""

from __future__ import annotations

from ..settings import ApiTarget
from .network import Network


async def probe_api(target: ApiTarget, network: Network) -> None:
    """Connect and hang up. Raises OSError and ProbeFailure when nobody accepts."""
    (await network.connect(target.host, target.port)).close()

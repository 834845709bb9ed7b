"""An ICMP echo that comes back unchanged."""

from __future__ import annotations

from functools import partial

from ..settings import IcmpTarget
from ..staggered import ATTEMPT_DELAY, run_staggered
from .echoes import find_obstacle, send_echo
from .network import ERRORS, Network


async def probe_icmp(target: IcmpTarget, network: Network) -> None:
    """Send ``target.host`` an echo. Raises OSError and ProbeFailure when it does not come back as it was."""
    addresses = await network.find_addresses(target.host, 0, target.family, abroad=True)
    if len(addresses) == 1:
        await network.ask_again(partial(send_echo, addresses[0], network))
    else:
        starts = [partial(send_echo, address, network) for address in addresses]
        await run_staggered(starts, delay=ATTEMPT_DELAY, expected=ERRORS)


def find_icmp_obstacle(target: IcmpTarget) -> str | None:
    """Why ``target`` cannot be probed on this machine; None: it can."""
    family = "ipv6" if target.family is None and ":" in target.host else target.family
    return find_obstacle(family)

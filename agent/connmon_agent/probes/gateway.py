"""The default route's gateway is there: it sends an echo back, or accepts or refuses a TCP connection."""

from __future__ import annotations

from functools import partial
from ipaddress import ip_address

from ..core.observations import Failure
from ..settings import GatewayTarget
from ..staggered import Address, connect_address, run_staggered
from .default_routes import DefaultRoute, choose_routes, read_default_routes
from .echoes import find_obstacle, send_echo
from .failures import ProbeFailure
from .lookups import name_family, parse_address
from .network import ERRORS, Network, spare_packets

# What routers of small sites have open, or refuse at once: their name server and their page.
PORTS = (53, 80)
SHARE = 0.25  # of the time there is, for each way of asking before the next one is tried beside it


async def probe_gateway(target: GatewayTarget, network: Network) -> None:
    """Ask the gateway, the best default route's where none is named. Raises OSError and ProbeFailure."""
    gateway = target.address or find_gateway(read_default_routes() or [])
    await ask_gateway(gateway, network, ping=find_obstacle(name_family(_parse(gateway)[0])) is None)


async def ask_gateway(gateway: str, network: Network, *, ping: bool, ports: tuple[int, ...] = PORTS) -> None:
    """Ask the machine at this address, by echo first where ``ping``, whether it is there. Raises the errors of both."""
    network.family = name_family(_parse(gateway)[0])
    starts = [partial(_knock, _parse(gateway, port)) for port in ports]
    if ping:
        starts.insert(0, partial(send_echo, _parse(gateway), network))
    await run_staggered(starts, delay=network.timeout * SHARE, expected=ERRORS)


def find_gateway(routes: list[DefaultRoute]) -> str:
    """The gateway in use, IPv4's before IPv6's, with its zone. Raises ProbeFailure when there is none."""
    chosen = choose_routes(routes)
    if not chosen:
        raise ProbeFailure("there is no default route", Failure.UNROUTED)
    for route in chosen:
        if route.gateway is not None:
            # A router's link-local address means nothing without the interface. Windows' have its number already.
            zoned = "%" in route.gateway or route.version == 4 or not ip_address(route.gateway).is_link_local
            return route.gateway if zoned else f"{route.gateway}%{route.interface}"
    raise ProbeFailure(f"the default route over {chosen[0].interface} has no gateway to probe")


def find_gateway_obstacle(target: GatewayTarget) -> str | None:
    """Why the gateway cannot be probed on this machine; None: it can."""
    unknown = target.address is None and read_default_routes() is None
    return "this system does not report its default route" if unknown else None


async def _knock(address: Address) -> None:
    try:
        (await connect_address(address, prepare=spare_packets)).close()
    except ConnectionRefusedError:
        return  # it is there to refuse


def _parse(gateway: str, port: int = 0) -> Address:
    address = parse_address(gateway, port)
    if address is None:
        raise ProbeFailure(f'"{gateway}" is not an IP address')
    return address

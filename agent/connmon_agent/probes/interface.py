"""A network interface of this machine that is up, has an address and holds a default route.

The only door to psutil for networks. Sends nothing.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import ip_address

import psutil

from ..core.observations import Failure
from ..settings import InterfaceTarget
from .default_routes import DefaultRoute, choose_routes, read_default_routes
from .failures import ProbeFailure
from .network import Network

_IP = (socket.AF_INET, socket.AF_INET6)


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """An interface as the OS sees it. ``addresses`` leaves out link-local ones, which need no link to anywhere."""

    name: str
    up: bool  # switched on by the administrator
    running: bool  # and there is a carrier
    addresses: tuple[str, ...]
    loopback: bool = False


async def probe_interface(target: InterfaceTarget, network: Network) -> None:
    """Look at the interfaces and default routes of this machine. Raises ProbeFailure."""
    check_interface(target.interface, read_links(), read_default_routes())


def check_interface(name: str | None, links: dict[str, InterfaceState], routes: list[DefaultRoute] | None) -> None:
    """Check one interface, or with ``name`` None the one of the default route; ``routes`` None: the OS does not tell.

    Where it does not tell, any interface but loopback stands for the one of the default route. Raises ProbeFailure.
    """
    if name is not None:
        _check_link(name, links)
        if routes is not None and name not in {route.interface for route in routes}:
            raise ProbeFailure(f"{name} has no default route", Failure.UNROUTED)
    elif routes is None:
        _check_any(
            [link.name for link in links.values() if not link.loopback],
            links,
            ProbeFailure("there is no interface", Failure.DOWN),
        )
    else:
        names = dict.fromkeys(route.interface for route in choose_routes(routes))
        _check_any(list(names), links, ProbeFailure("there is no default route", Failure.UNROUTED))


def _check_any(names: list[str], links: dict[str, InterfaceState], nothing: ProbeFailure) -> None:
    failures = []
    for name in names:
        try:
            return _check_link(name, links)
        except ProbeFailure as failure:
            failures.append(failure)
    raise failures[0] if failures else nothing


def _check_link(name: str, links: dict[str, InterfaceState]) -> None:
    link = links.get(name)
    if link is None:
        raise ProbeFailure(f"there is no interface {name}", Failure.DOWN)
    if not link.up:
        raise ProbeFailure(f"{name} is down", Failure.DOWN)
    if not link.running:
        raise ProbeFailure(f"{name} has no carrier", Failure.DOWN)
    if not link.addresses:
        raise ProbeFailure(f"{name} has no address", Failure.UNROUTED)


def read_links() -> dict[str, InterfaceState]:
    """Every interface of this machine, by name."""
    addresses = psutil.net_if_addrs()
    links = {}
    for name, stats in psutil.net_if_stats().items():
        flags = stats.flags.split(",")
        found = [entry.address for entry in addresses.get(name, ()) if entry.family in _IP]
        links[name] = InterfaceState(
            name=name,
            up="up" in flags or stats.isup,
            running=stats.isup,  # on POSIX psutil means IFF_RUNNING by it: there is a carrier
            addresses=tuple(address for address in found if not _is_link_local(address)),
            loopback="loopback" in flags if stats.flags else _is_loopback(found),
        )
    return links


def _is_loopback(addresses: list[str]) -> bool:
    """Windows has no flags: what has no address but loopback ones is the loopback interface."""
    return bool(addresses) and all(ip_address(address.partition("%")[0]).is_loopback for address in addresses)


def _is_link_local(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_link_local

"""Windows: its default routes, the way that it would take, and which interfaces have a carrier. Sends nothing.

A cable that is pulled takes the interface's routes out of the table at once, so that no way is left, or another one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from ..windows_api.network_rows import AF_INET, AF_INET6, Interface, RouteRow
from .default_routes import DefaultRoute

_FAMILIES = {4: AF_INET, 6: AF_INET6}


class IpHelper(Protocol):
    """What ``windows_api.iphlpapi`` answers; see there."""

    def read_routes(self) -> list[RouteRow]: ...

    def find_route(self, address: str) -> RouteRow | None: ...

    def find_metric(self, luid: int, family: int) -> int: ...

    def find_interface(self, luid: int) -> Interface | None: ...

    def find_luid(self, name: str) -> int | None: ...


def read_table(helper: IpHelper) -> list[DefaultRoute] | None:
    """The default routes of the table, with the metrics of their interfaces; None: it cannot be read."""
    try:
        routes = [route for route in helper.read_routes() if route.prefix_length == 0 and not route.loopback]
        known = _Interfaces(helper)
        return [found for route in routes if (found := known.describe(route)) is not None]
    except OSError:
        return None


def read_hops(helper: IpHelper, addresses: tuple[str, ...]) -> list[DefaultRoute] | None:
    """The routes that Windows would take to ``addresses``, the first of which is IPv4's.

    None: it cannot be asked. Without IPv6 in the system there is no way by it.
    """
    hops = []
    for number, address in enumerate(addresses):
        try:
            route = helper.find_route(address)
        except OSError:
            if number == 0:
                return None
            continue
        way = _Interfaces(helper).describe(route) if route is not None else None
        if way is not None:
            hops.append(way)
    return hops


def is_running(helper: IpHelper, name: str) -> bool | None:
    """Whether the interface is on and has a carrier. False when it is not there; None: Windows does not know."""
    luid = helper.find_luid(name)
    found = None if luid is None else helper.find_interface(luid)
    return False if found is None else found.running


@dataclass
class _Interfaces:
    helper: IpHelper
    names: dict[int, str | None] = field(default_factory=dict)

    def describe(self, route: RouteRow) -> DefaultRoute | None:
        """The route in the words of every system; None: its interface has just gone."""
        if route.luid not in self.names:
            found = self.helper.find_interface(route.luid)
            self.names[route.luid] = None if found is None else found.name
        name = self.names[route.luid]
        if name is None:
            return None
        try:
            metric = route.metric + self.helper.find_metric(route.luid, _FAMILIES[route.version])
        except OSError:  # it has just gone, too
            metric = route.metric
        return DefaultRoute(name, route.version, metric, route.gateway)

"""What the operating system says of the way out, now. Reading sends nothing and needs no right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.sightings import Evidence
from ..probes.default_routes import DefaultRoute, read_default_routes
from ..probes.interface import Link, read_links
from .kernel import finds_way, is_running


@dataclass
class LinuxView:
    """Linux: the main tables' default routes from /proc, the carrier of their interface.

    Hard evidence must be true whatever else is set up on the machine. So a spare default route with a carrier speaks
    for the link, and where the main table has no default route, the kernel is asked whether another table has one.
    """

    read_routes: Callable[[], list[DefaultRoute] | None] = read_default_routes
    is_running: Callable[[str], bool | None] = is_running
    finds_way: Callable[[], bool] = finds_way
    read_links: Callable[[], dict[str, Link]] = read_links
    _last: str | None = field(default=None, init=False)  # the interface that a default route used last

    def read(self) -> Evidence:
        """The evidence now."""
        routes = self.read_routes()
        if routes is None:  # a sandbox without /proc/net
            return read_portably(read_links=self.read_links, finds_way=self.finds_way)
        if routes:
            return self._judge_routes(sorted(routes, key=lambda route: (route.version, route.metric)))
        if self.finds_way():
            return Evidence(default_route=True)
        carrier = self.is_running(self._last) if self._last is not None else None
        return Evidence(carrier=carrier, default_route=False, interface=self._last)

    def _judge_routes(self, routes: list[DefaultRoute]) -> Evidence:
        running = {name: self.is_running(name) for name in {route.interface for route in routes}}
        route = next((route for route in routes if running[route.interface] is not False), routes[0])
        self._last = route.interface
        return Evidence(running[route.interface], True, route.interface, route.gateway)


def read_portably(
    *,
    read_links: Callable[[], dict[str, Link]] = read_links,
    finds_way: Callable[[], bool] = finds_way,
) -> Evidence:
    """Any other system: which interface the default route uses is not told, so a carrier on any of them counts."""
    try:
        carrier = any(link.running for link in read_links().values() if not link.loopback)
    except OSError:  # an interface went while it was looked at
        return Evidence(default_route=finds_way())
    return Evidence(carrier=carrier, default_route=finds_way())

"""What the operating system says of the way out, now. Reading sends nothing and needs no right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..core.observations import Evidence
from ..probes.default_routes import DefaultRoute, read_default_routes
from ..probes.interface import InterfaceState, read_links
from .asking import read_hops, read_kind
from .kernel import exists, has_route, is_running

# The kinds of virtual interfaces that swallow whatever is sent to them.
_LEADS_NOWHERE = frozenset({"dummy", "nlmon"})


@dataclass
class SystemView:
    """The next hops that the kernel would use, by whichever table or rule, and the carriers of their interfaces.

    The defaults are Linux'; ``routes.windows`` has Windows'.

    Hard evidence must be true whatever else is set up on the machine: one next hop with a carrier speaks for the link.
    A route that the kernel would not use does not, however well its interface is: k3s' documentation has people add a
    default route to a dummy interface. Where the kernel cannot be asked, any default route of /proc may be in use.
    """

    read_routes: Callable[[], list[DefaultRoute] | None] = read_default_routes
    is_running: Callable[[str], bool | None] = is_running
    has_route: Callable[[], bool] = has_route
    read_links: Callable[[], dict[str, InterfaceState]] = read_links
    read_hops: Callable[[], list[DefaultRoute] | None] = read_hops
    read_kind: Callable[[str], str | None] = read_kind
    exists: Callable[[str], bool] = exists
    _last: str | None = field(default=None, init=False)  # the interface that was the way out last
    _dark: str | None = field(default=None, init=False)  # that was before it, and lost its carrier

    def read(self) -> Evidence:
        """The evidence now."""
        routes, hops = self.read_routes(), self.read_hops()
        if routes is None and hops is None:  # a sandbox without /proc/net and netlink
            return read_portably(read_links=self.read_links, has_route=self.has_route)
        known = sorted(routes or [], key=lambda route: (route.version, route.metric))
        chosen = [hop for hop in _choose(known, hops) if self.read_kind(hop.interface) not in _LEADS_NOWHERE]
        if chosen:
            return self._judge(chosen, known)
        if hops is None and self.has_route():
            return Evidence(default_route=True)
        carrier = self.is_running(self._last) if self._last is not None else None
        return Evidence(carrier, False, self._last, versions=() if hops is not None else None)

    def _judge(self, chosen: list[DefaultRoute], known: list[DefaultRoute]) -> Evidence:
        running = {name: self.is_running(name) for name in dict.fromkeys(hop.interface for hop in chosen)}
        way = next((hop for hop in chosen if running[hop.interface] is not False), chosen[0])
        self._remember(way.interface)
        better = [*running, *_find_better(way, known), *([self._dark] if self._dark else [])]
        dark = None  # the way out itself may be
        if running[way.interface] is not False:
            dark = next((name for name in better if self._is_dark(name)), None)
        versions = tuple(f"ipv{version}" for version in sorted({hop.version for hop in chosen}))
        return Evidence(running[way.interface], True, way.interface, way.gateway, dark, versions)

    def _remember(self, interface: str) -> None:
        """What was the way out and has lost its carrier stays dark until it has one again."""
        if self._last not in (None, interface):
            self._dark = self._last
        if self._dark is not None and not self._is_dark(self._dark):
            self._dark = None
        self._last = interface

    def _is_dark(self, interface: str) -> bool:
        """Whether it is there and has no carrier. One that was unplugged or ended, as a tunnel is, is not there."""
        return self.is_running(interface) is False and self.exists(interface)


def _choose(known: list[DefaultRoute], hops: list[DefaultRoute] | None) -> list[DefaultRoute]:
    """The next hops in use, IPv4's first. ``known`` is sorted; of a version that the kernel names none of, its best."""
    if hops is None:
        return known
    chosen = list(hops)
    for version in {route.version for route in known} - {way.version for way in hops}:
        chosen.append(next(route for route in known if route.version == version))
    return sorted(chosen, key=lambda hop: hop.version)


def _find_better(way: DefaultRoute, known: list[DefaultRoute]) -> list[str]:
    """The interfaces of the default routes before ``way``: of a lower metric, or those that a tunnel lies on."""
    same = [route for route in known if route.version == way.version]
    metric = next((route.metric for route in same if route.interface == way.interface), None)
    return [
        route.interface for route in (same[:1] if metric is None else same) if metric is None or route.metric < metric
    ]


def read_portably(
    *,
    read_links: Callable[[], dict[str, InterfaceState]] = read_links,
    has_route: Callable[[], bool] = has_route,
) -> Evidence:
    """Any other system: which interface the default route uses is not told, so a carrier on any of them counts."""
    try:
        carrier = any(link.running for link in read_links().values() if not link.loopback)
    except OSError:  # an interface went while it was looked at
        return Evidence(default_route=has_route())
    return Evidence(carrier=carrier, default_route=has_route())

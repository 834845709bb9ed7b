"""A Windows machine's IP helper, which tells what a test has put there: the port ``probes.windows_routes.IpHelper``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from connmon_agent.windows_api.network_rows import Interface, RouteRow

REFUSED = OSError(22, "Request not supported.")


@dataclass
class FakeIpHelper:
    """``best`` are the routes that would be taken, by address; None: that cannot be asked."""

    interfaces: dict[int, Interface] = field(default_factory=dict)
    routes: list[RouteRow] | None = field(default_factory=list)
    best: dict[str, RouteRow] | None = field(default_factory=dict)
    metrics: dict[int, int] = field(default_factory=dict)
    heard: list[Callable[[], None]] = field(default_factory=list)
    calls: bool = True  # whether it calls when something changes

    def read_routes(self) -> list[RouteRow]:
        if self.routes is None:
            raise REFUSED
        return self.routes

    def find_route(self, address: str) -> RouteRow | None:
        if self.best is None:
            raise REFUSED
        return self.best.get(address)

    def find_metric(self, luid: int, family: int) -> int:
        if luid not in self.interfaces:
            raise REFUSED
        return self.metrics.get(luid, 0)

    def find_interface(self, luid: int) -> Interface | None:
        return self.interfaces.get(luid)

    def find_luid(self, name: str) -> int | None:
        return next((luid for luid, each in self.interfaces.items() if each.name == name), None)

    def subscribe(self, heard: Callable[[], None]) -> Callable[[], None]:
        if not self.calls:
            raise REFUSED
        self.heard.append(heard)
        return lambda: self.heard.remove(heard)

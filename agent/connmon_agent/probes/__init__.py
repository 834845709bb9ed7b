"""The probes, by the target they are for: the one registry. How to add a probe: docs/probes.md."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..settings import ApiTarget, DnsTarget, GatewayTarget, HttpTarget, IcmpTarget, InterfaceTarget, TcpTarget
from .api import probe_api
from .dns import probe_dns
from .gateway import find_gateway_obstacle, probe_gateway
from .http import probe_http
from .icmp import find_icmp_obstacle, probe_icmp
from .interface import probe_interface
from .network import Network
from .tcp import probe_tcp


@dataclass(frozen=True, slots=True)
class Probe:
    """One kind of probe.

    ``run`` takes the target and the network, returns when the target has proved that the link works, and raises
    ProbeFailure (or OSError) when it has not. It has no deadline of its own: it is cancelled when the time is up.
    ``remote`` tells whether a packet goes out and comes back, and the time it takes means anything. ``counts`` tells
    whether an answer shows that the internet is there; what does not count is evidence of where a fault is.
    ``obstacle`` says why a target cannot be probed on this machine (None: it can); such a target is left out.
    """

    kind: str
    run: Callable[[Any, Network], Awaitable[None]]
    remote: bool = True
    counts: bool = True
    obstacle: Callable[[Any], str | None] = lambda target: None


PROBES: dict[type, Probe] = {
    TcpTarget: Probe("tcp", probe_tcp),
    DnsTarget: Probe("dns", probe_dns),
    HttpTarget: Probe("http", probe_http),
    IcmpTarget: Probe("icmp", probe_icmp, obstacle=find_icmp_obstacle),
    GatewayTarget: Probe("gateway", probe_gateway, counts=False, obstacle=find_gateway_obstacle),
    InterfaceTarget: Probe("interface", probe_interface, remote=False, counts=False),
    ApiTarget: Probe("api", probe_api, counts=False),
}

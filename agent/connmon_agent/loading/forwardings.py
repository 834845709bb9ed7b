"""The ``forwards`` section: what holds for every local port."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from ..core.plan import Reclaim
from ..settings import LOOPBACK, ForwardingSettings, Transport
from .defaults import DEFAULTS
from .nodes import ListNode
from .sections import Section
from .values import Value, choice, described, duration, list_of, read_flag, read_text, whole_number

LONGEST_WAIT = 300.0  # seconds; whoever waits longer for a connection has given up
MOST_CONNECTIONS = 20_000  # through one port: with two descriptors each, what a usual hard limit allows
LOCALHOST = "localhost"


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What the section says. ``transport`` is that of every service that names none."""

    settings: ForwardingSettings
    transport: Transport


def read_forwarding(section: Section) -> Forwarding:
    """The section's values, each mistake noted."""
    default = DEFAULTS.forwarding
    allow_remote = section.take("allow_remote", default.allow_remote, read_flag)
    settings = ForwardingSettings(
        bind=section.take("bind", default.bind, _read_bind),
        allow_remote=allow_remote,
        reclaim=section.take("reclaim", default.reclaim, read_reclaim),
        backend_wait=section.take("backend_wait", default.backend_wait, duration(0, LONGEST_WAIT)),
        max_connections=section.take("max_connections", default.max_connections, whole_number(1, MOST_CONNECTIONS)),
    )
    transport = section.take("transport", Transport.AUTO, read_transport)
    section.close()
    _check_reach(section, settings)
    return Forwarding(settings, transport)


def read_reclaim(value: Value) -> Reclaim:
    """``idle`` or ``never``. Raises Rejected."""
    return Reclaim(choice(*Reclaim)(value))


def read_transport(value: Value) -> Transport:
    """``auto``, ``direct`` or ``port-forward``. Raises Rejected."""
    return Transport(choice(*Transport)(value))


def read_check(value: Value) -> str:
    """The path of an HTTP request. Raises Rejected."""
    text = read_text(value)
    if not text.startswith("/") or not text.isascii() or " " in text or "#" in text:
        value.reject("must be the path of a URL", "write it as /healthz; %20 for a blank")
    return text


@described({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]})
def _read_bind(value: Value) -> tuple[str, ...]:
    if not isinstance(value.node, ListNode):
        return LOOPBACK if read_text(value) == LOCALHOST else (_read_address(value),)
    addresses = list_of(_read_address)(value)
    if not addresses:
        value.reject("must name an address", f"write {LOCALHOST}, or addresses of this machine")
    repeated = {address for index, address in enumerate(addresses) if address in addresses[:index]}
    if repeated:
        value.reject(f"{', '.join(sorted(repeated))} is here twice", "name each address once")
    _check_overlap(value, addresses)
    return addresses


def _check_overlap(value: Value, addresses: tuple[str, ...]) -> None:
    """One socket on all addresses and another on one of them cannot both listen on a port."""
    parsed = [ip_address(address) for address in addresses]
    for every in (address for address in parsed if address.is_unspecified):
        others = [str(other) for other in parsed if other != every and other.version == every.version]
        if others:
            value.reject(f"{every} comprises {', '.join(others)}", f"keep {every}, or the others")


def _read_address(value: Value) -> str:
    text = read_text(value)
    if text == LOCALHOST:
        value.reject(
            f"{LOCALHOST} stands for {' and '.join(LOOPBACK)}", "write it alone, or the addresses that you mean"
        )
    address = _parse(text)
    if address is None:
        value.reject("must be an IP address", f"write {LOCALHOST}, 127.0.0.1, or a list of addresses of this machine")
    if address.is_multicast:
        value.reject("is a multicast address, on which nothing can listen", "write an address of this machine")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        value.reject("is an IPv4 address written as IPv6", f"write {address.ipv4_mapped}")
    return str(address)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _check_reach(section: Section, settings: ForwardingSettings) -> None:
    """Whoever opens the cluster's services to the network is to mean it."""
    remote = [address for address in settings.bind if not ip_address(address).is_loopback]
    if remote and not settings.allow_remote and section.is_sound("bind", "allow_remote"):
        section.report(
            "bind",
            f"{', '.join(remote)} can be reached from other machines, and whoever reaches it reaches the services",
            remedy=f"write allow_remote: true beside it if that is meant, or bind: {LOCALHOST}",
        )

"""Whose pages may ask: a browser on a foreign page must not reach this server by a name that it has rebound.

DNS rebinding makes any page of the same origin as a server on loopback; only the Host header shows whose page it is. An
IP address and ``localhost`` cannot be rebound; every other name must be declared in ``web.allowed_hosts``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from ..http_server import is_address, name_in_host

LOCALHOST = "localhost"
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which the page may be asked for. ``listen`` is the address that is listened on."""

    listen: str
    allowed: Collection[str] = field(default=())

    def admits(self, host: str, local: str) -> bool:
        """Whether a request with this Host header is for this server. ``local``: the address that it came to."""
        name = name_in_host(host)
        if name is None:
            return False
        if is_address(name):
            return ip_address(name).is_loopback or _is_one_of(name, (self.listen, local, *self.allowed))
        return name == LOCALHOST or name.removesuffix(".") in {one.lower().removesuffix(".") for one in self.allowed}

    @property
    def remedy(self) -> str:
        """What to do where a request is refused, in words."""
        return "Use its IP address or localhost, or add the name to web.allowed_hosts"


def is_same_origin(origin: str, host: str) -> bool:
    """Whether a page of ``origin`` was served as ``host``. The scheme may differ: a proxy may speak TLS for it."""
    try:
        parts = urlsplit(origin)
    except ValueError:  # brackets that hold no IPv6 address
        return False
    if parts.scheme not in DEFAULT_PORTS or not parts.netloc or parts.path or parts.query:
        return False
    usual = DEFAULT_PORTS[parts.scheme]
    return _with_port(parts.netloc, usual) == _with_port(host, usual)


def _with_port(place: str, usual: int) -> tuple[str | None, str]:
    name = name_in_host(place)
    port = place.rpartition(":")[2] if ":" in place and not place.endswith("]") else ""
    return name, port or str(usual)


def _is_one_of(name: str, addresses: Collection[str]) -> bool:
    """Whether it is one of the IP addresses, however each is written."""
    wanted = ip_address(name)
    return any(is_address(one.partition("%")[0]) and ip_address(one.partition("%")[0]) == wanted for one in addresses)

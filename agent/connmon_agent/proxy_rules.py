"""Which proxy the environment names for a URL: one rule for probes, requests, watches and port-forwards.

It is Go's, and so kubectl's, with ALL_PROXY of curl beside it:
https://pkg.go.dev/golang.org/x/net/http/httpproxy#Config. Nothing but text is looked at.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}  # by which the proxy itself is reached; curl would take SOCKS' 1080
_VARIABLES = {"http": ("http_proxy", "HTTP_PROXY"), "https": ("https_proxy", "HTTPS_PROXY")}
_FOR_ALL = ("all_proxy", "ALL_PROXY")
_CGI = "REQUEST_METHOD"  # in a CGI's environment HTTP_PROXY is the client's header "Proxy:" (httpoxy)


class ProxyError(ValueError):
    """What is named is no proxy that HTTP can pass. The message names the ``source`` and shows no password.

    ``socks``: it is a SOCKS proxy.
    """

    def __init__(self, source: str, *, socks: bool = False) -> None:
        super().__init__(f"{source} names {'a SOCKS' if socks else 'no HTTP'} proxy")
        self.source = source
        self.socks = socks


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where the proxy listens, and by which ``scheme`` (http or https) it is reached.

    ``authorization`` is the field Proxy-Authorization that it wants (None: none); it is never shown.
    """

    host: str
    port: int
    authorization: str | None = None
    scheme: str = "http"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Its URL, without a password."""
        return f"{self.scheme}://{self}"


def find_proxy(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for ``scheme`` (http or https), ``host`` and ``port``; None: there is none. Raises ProxyError."""
    named = name_proxy(scheme, host, port, environment)
    return None if named is None else parse_proxy(named[1], named[0])


def parse_proxy(text: str, source: str) -> Proxy:
    """The proxy that a URL, or host:port alone, names. Raises ProxyError."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ProxyError(source) from None
    if parts.scheme.startswith("socks"):
        raise ProxyError(source, socks=True)
    if parts.scheme not in _DEFAULT_PORTS or not host or port == 0 or not host.isascii():
        raise ProxyError(source)
    authorization = None
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = f"Basic {base64.b64encode(login).decode('ascii')}"
    return Proxy(host, port or _DEFAULT_PORTS[parts.scheme], authorization, parts.scheme)


def name_proxy(scheme: str, host: str, port: int, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """The variable that names the proxy for ``scheme`` (http or https), ``host`` and ``port``, and its value; None:
    there is none, or NO_PROXY exempts the host. No proxy is used to reach this machine.

    A SOCKS proxy in ALL_PROXY is passed over, as kubectl does.
    """
    if is_local(host) or is_exempt(host, port, environment.get("no_proxy") or environment.get("NO_PROXY", "")):
        return None
    for name in (*_VARIABLES.get(scheme, ()), *_FOR_ALL):
        value = environment.get(name, "").strip()
        if name == "HTTP_PROXY" and _CGI in environment:
            continue
        if value and not (name in _FOR_ALL and value.lower().startswith("socks")):
            return name, value
    return None


def names_proxies(environment: Mapping[str, str]) -> bool:
    """Whether it names a proxy for anything."""
    return any(environment.get(name, "").strip() for names in (*_VARIABLES.values(), _FOR_ALL) for name in names)


def is_local(host: str) -> bool:
    """Whether ``host`` is this machine by its very name or address."""
    address = _parse(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Whether an entry of ``no_proxy`` stands for ``host``, divided by commas or blanks.

    An entry is "*", an address, a network (CIDR, for hosts that are addresses), or a domain: with a leading dot or "*."
    all below it, else itself too. A ":port" after it restricts it to that port.
    """
    name = host.lower().rstrip(".")
    return any(_matches(name, port, entry) for entry in no_proxy.replace(",", " ").lower().split())


def _matches(host: str, port: int, entry: str) -> bool:
    if entry == "*":
        return True
    name, wanted = _split_port(entry)
    if wanted not in (None, str(port)):
        return False
    address = _parse(host)
    if address is not None:
        try:
            return address in ip_network(name, strict=False)
        except ValueError:
            return False
    name = name.removeprefix("*") if name.startswith("*.") else name
    domain = name.strip(".")
    return bool(domain) and (host.endswith(f".{domain}") or (host == domain and not name.startswith(".")))


def _split_port(entry: str) -> tuple[str, str | None]:
    """The host or network of an entry, and its port (None: any)."""
    if entry.startswith("["):
        inner, _, rest = entry[1:].partition("]")
        return inner, rest[1:] or None
    name, separator, port = entry.rpartition(":")
    return (name, port) if separator and ":" not in name else (entry, None)


def _parse(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None

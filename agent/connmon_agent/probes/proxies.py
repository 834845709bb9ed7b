"""Which HTTP proxy leads to a URL: the configuration's, or the environment's as curl and Go read it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import unquote, urlsplit

from .failures import ProbeFailure

NO_PROXY = "none"  # what a target says that goes past every proxy
_DEFAULT_PORT = 3128  # Squid's; curl takes 1080, which is SOCKS'
# HTTP_PROXY is left out, as curl does: a CGI's environment holds the header "Proxy:" under that name (httpoxy).
_VARIABLES = {False: ("http_proxy",), True: ("https_proxy", "HTTPS_PROXY")}
_FOR_ALL = ("all_proxy", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where the proxy listens. ``authorization`` is the field it wants (None: none); it is never shown."""

    host: str
    port: int
    authorization: str | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def choose_proxy(configured: str | None, host: str, environment: Mapping[str, str], *, secure: bool) -> Proxy | None:
    """The proxy for ``host``; None: it is asked directly. Raises ProbeFailure where what is named is no HTTP proxy."""
    if configured == NO_PROXY:
        return None
    if configured is not None:
        return parse_proxy(configured, "the configuration")
    if is_local(host) or is_exempt(host, environment.get("no_proxy", environment.get("NO_PROXY", ""))):
        return None
    for name in (*_VARIABLES[secure], *_FOR_ALL):
        if text := environment.get(name):
            return parse_proxy(text, name)
    return None


def parse_proxy(text: str, source: str) -> Proxy:
    """The proxy that a URL, or host:port alone, names. Raises ProbeFailure, which does not show a password."""
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme != "http" or not host or port == 0 or not host.isascii():
        raise ProbeFailure(f"the proxy named in {source} is no HTTP proxy: write it as http://host:port")
    login = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        login = f"Basic {base64.b64encode(pair).decode('ascii')}"
    return Proxy(host, port or _DEFAULT_PORT, login)


def is_local(host: str) -> bool:
    """Whether ``host`` is this machine, which no proxy leads to: Go's net/http leaves it out as well."""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_exempt(host: str, no_proxy: str) -> bool:
    """Whether ``no_proxy`` leaves ``host`` out: by "*", a domain and all below it, an address or a network."""
    entries = no_proxy.replace(",", " ").lower().split()
    return any(entry == "*" or _matches(host.lower().rstrip("."), entry) for entry in entries)


def _matches(host: str, entry: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        domain = entry.removeprefix("*").strip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return address in ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return False

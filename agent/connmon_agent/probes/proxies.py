"""Which HTTP proxy leads to a URL: the configuration's, or the environment's by the rule of ``proxy_rules``."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from ..proxy_rules import name_proxy
from .failures import ProbeFailure
from .system_proxies import name_system_proxy

NO_PROXY = "none"  # what a target says that goes past every proxy
_DEFAULT_PORT = 3128  # Squid's; curl takes 1080, which is SOCKS'


@dataclass(frozen=True, slots=True)
class Proxy:
    """Where the proxy listens. ``authorization`` is the field it wants (None: none); it is never shown."""

    host: str
    port: int
    authorization: str | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def choose_proxy(
    configured: str | None, host: str, port: int, environment: Mapping[str, str], *, secure: bool
) -> Proxy | None:
    """The proxy for ``host``; None: it is asked directly. Raises ProbeFailure where what is named is no HTTP proxy."""
    if configured == NO_PROXY:
        return None
    if configured is not None:
        return parse_proxy(configured, "the configuration")
    scheme = "https" if secure else "http"
    named = name_proxy(scheme, host, port, environment) or name_system_proxy(scheme, host, environment)
    return None if named is None else parse_proxy(named[1], named[0])


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

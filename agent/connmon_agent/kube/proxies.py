"""The proxy on the way to the API server, for requests, watches and port-forwards alike."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from ..proxy_rules import name_proxy
from .kubeconfig import NO_SOCKS, Access, refuse

DEFAULT_PORTS = {"http": 80, "https": 443}


def choose_proxy(access: Access, environment: Mapping[str, str]) -> SplitResult | None:
    """The kubeconfig's ``proxy-url``, else what ``environment`` names; None: there is none.

    Raises ClusterError (credentials) where it is no proxy that can be used.
    """
    if access.proxy:
        return _parse(access.proxy, f"the proxy-url of {access.origin}")
    server = urlsplit(access.server)
    port = server.port or DEFAULT_PORTS.get(server.scheme, 0)
    named = name_proxy(server.scheme, server.hostname or "", port, environment)
    if named is None:
        return None
    variable, value = named
    return _parse(value if "://" in value else f"http://{value}", variable)


def _parse(text: str, source: str) -> SplitResult:
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, usable = urlsplit(""), False
    if parts.scheme.startswith("socks"):
        raise refuse(f"{source} names a SOCKS proxy", NO_SOCKS)
    if not usable or parts.scheme not in DEFAULT_PORTS:
        raise refuse(f"{source} names no HTTP proxy", "Write it as http://host:port")
    return parts

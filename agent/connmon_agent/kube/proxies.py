"""The proxy on the way to the API server, for requests, watches and port-forwards alike."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from ..proxy_rules import Proxy, ProxyError, find_proxy, parse_proxy
from .kubeconfig import NO_SOCKS, Access, refuse

_PORTS = {"http": 80, "https": 443}


def choose_proxy(access: Access, environment: Mapping[str, str]) -> Proxy | None:
    """The kubeconfig's ``proxy-url``, else what ``environment`` names; None: there is none.

    Raises ClusterError (credentials) where it is no proxy that can be used.
    """
    try:
        if access.proxy:
            return parse_proxy(access.proxy, f"the proxy-url of {access.origin}")
        server = urlsplit(access.server)
        port = server.port or _PORTS.get(server.scheme, 0)
        return find_proxy(server.scheme, server.hostname or "", port, environment)
    except ProxyError as error:
        raise refuse(str(error), NO_SOCKS if error.socks else "Write it as http://host:port") from None

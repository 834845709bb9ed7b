"""Which HTTP proxy leads to a target: the configuration's, else the environment's or Windows' own."""

from __future__ import annotations

from collections.abc import Mapping

from ..proxy_rules import Proxy, ProxyError, name_proxy, parse_proxy
from .failures import ProbeFailure
from .system_proxies import name_system_proxy

NO_PROXY = "none"  # what a target says that goes past every proxy


def choose_proxy(
    configured: str | None, host: str, port: int, environment: Mapping[str, str], *, secure: bool
) -> Proxy | None:
    """The proxy for ``host``; None: it is asked directly. Raises ProbeFailure where what is named is no HTTP proxy."""
    if configured == NO_PROXY:
        return None
    if configured is not None:
        return _parse(configured, "the configuration")
    scheme = "https" if secure else "http"
    # kubectl knows nothing of Windows' settings, so that the way to the API server does not either.
    named = name_proxy(scheme, host, port, environment) or name_system_proxy(scheme, host, environment)
    return None if named is None else _parse(named[1], named[0])


def _parse(text: str, source: str) -> Proxy:
    try:
        proxy = parse_proxy(text, source)
    except ProxyError as error:
        raise ProbeFailure(f"{error}; write it as http://host:port") from None
    if proxy.scheme != "http":
        raise ProbeFailure(f"{source} names a proxy with the scheme {proxy.scheme}; write it as http://host:port")
    return proxy

"""Which proxy Windows' settings name for a URL, where the environment names none at all.

Rules: https://learn.microsoft.com/en-us/windows/win32/wininet/enabling-internet-functionality ("Listing Proxy Servers",
"Listing the Proxy Bypass").
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase

from ..proxy_rules import is_local, names_proxies
from ..windows_api.internet_settings import InternetSettings, read_settings

SOURCE = "Windows' proxy settings"


def name_system_proxy(
    scheme: str,
    host: str,
    environment: Mapping[str, str],
    read: Callable[[], InternetSettings | None] = read_settings,
) -> tuple[str, str] | None:
    """Who names the proxy for ``scheme`` (http or https) and ``host``, and what is named; None: there is none.

    The settings count for the agent's own environment alone, and only where that names no proxy.
    """
    if environment is not os.environ or names_proxies(environment) or is_local(host):
        return None
    settings = read()
    if settings is None or _is_exempt(host.lower().rstrip("."), settings.override):
        return None
    servers = _parse(settings.server)
    named = servers.get(scheme) or servers.get("")
    return None if named is None else (SOURCE, named)


def _parse(server: str) -> dict[str, str]:
    """The proxies by their schemes; "": for every scheme."""
    found = {}
    for entry in server.replace(";", " ").split():
        scheme, separator, place = entry.partition("=")
        found[scheme.lower() if separator else ""] = place if separator else entry
    return found


def _is_exempt(host: str, override: str) -> bool:
    return any(_matches(host, entry.lower()) for entry in override.replace(";", " ").split())


def _matches(host: str, entry: str) -> bool:
    """``<local>`` is every name without a dot; an asterisk stands for anything."""
    if entry == "<local>":
        return "." not in host and ":" not in host
    return fnmatchcase(host, entry.rpartition("://")[2].strip("[]"))

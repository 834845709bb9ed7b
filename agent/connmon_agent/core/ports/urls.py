"""Where a service is reached now, as a URL, and the shell variables that tell it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

_LOCAL_STAND_INS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # what means every address is none to connect to


def host_of(bind: Sequence[str]) -> str:
    """The address of ``bind`` that clients on this machine are told: a loopback one where there is one."""
    reachable = [_LOCAL_STAND_INS.get(address, address) for address in bind]
    return next((address for address in reachable if ip_address(address).is_loopback), reachable[0])


def url_of(bind: Sequence[str], port: int) -> str:
    """``http://127.0.0.1:8081``. What is behind the port may speak another protocol; the contract calls it so."""
    host = host_of(bind)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def variable_of(service: str) -> str:
    """The service's name as the beginning of a shell variable's."""
    name = re.sub(r"[^A-Z0-9]", "_", service.upper())
    return f"_{name}" if name[0].isdigit() else name

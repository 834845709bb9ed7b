from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from connmon_agent.sockets.hops import Hop, find_hop, read_hop
from connmon_agent.windows_api.network_rows import Interface, RouteRow


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked")
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9"])
def test_an_address_of_this_machine(address: str) -> None:
    assert find_hop(address) == Hop("lo", None, local=True)


@pytest.mark.parametrize("address", ["", "web", "127.0.0.1:80", "0.0.0.0/0"])
def test_what_is_no_address_has_no_route(address: str) -> None:
    assert find_hop(address) is None


LAN = RouteRow(1, 12, 4, 0, 25, "192.0.2.1")
ETHERNET = {1: Interface("Ethernet", True)}


def test_windows_tells_the_interface_and_the_router() -> None:
    assert read_hop("198.51.100.1", lambda address: LAN, ETHERNET.get) == Hop("Ethernet", "192.0.2.1")
    local = replace(LAN, gateway=None, loopback=True)
    assert read_hop("192.0.2.2", lambda address: local, ETHERNET.get) == Hop("Ethernet", local=True)


def test_windows_knows_no_way_or_an_interface_that_has_just_gone() -> None:
    def refuse(address: str) -> RouteRow | None:
        raise OSError(22, "Request not supported.")

    assert read_hop("198.51.100.1", lambda address: None, ETHERNET.get) is None
    assert read_hop("198.51.100.1", lambda address: LAN, lambda luid: None) is None
    assert read_hop("198.51.100.1", refuse, ETHERNET.get) is None

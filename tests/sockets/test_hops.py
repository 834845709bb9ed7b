from __future__ import annotations

import sys

import pytest

from connmon_agent.sockets.hops import Hop, find_hop


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked")
@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9"])
def test_an_address_of_this_machine(address: str) -> None:
    assert find_hop(address) == Hop("lo", None, local=True)


@pytest.mark.parametrize("address", ["", "web", "127.0.0.1:80", "0.0.0.0/0"])
def test_what_is_no_address_has_no_route(address: str) -> None:
    assert find_hop(address) is None

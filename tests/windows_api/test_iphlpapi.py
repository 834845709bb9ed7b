"""The IP helper of this very Windows, held against what psutil sees."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "win32":
    pytest.skip("the IP helper is Windows'", allow_module_level=True)

import psutil
from tests.fakes.wine import on_wine

from connmon_agent.windows_api import iphlpapi


def test_every_interface_is_found_by_its_name_and_has_the_carrier_that_psutil_sees() -> None:
    for name, stats in psutil.net_if_stats().items():
        luid = iphlpapi.find_luid(name)
        assert luid is not None
        found = iphlpapi.find_interface(luid)
        assert found is not None
        assert (found.name, found.running) == (name, stats.isup)


def test_what_is_not_there_is_not_found() -> None:
    assert iphlpapi.find_luid("no such interface") is None
    assert iphlpapi.find_interface(99) is None


def test_routes_lead_over_interfaces_that_are_there() -> None:
    for route in iphlpapi.read_routes():
        assert iphlpapi.find_interface(route.luid) is not None
        assert route.metric + iphlpapi.find_metric(route.luid, iphlpapi.AF_UNSPEC) >= 0


@pytest.mark.skipif(on_wine(), reason="Wine has no GetBestRoute2")
def test_the_way_to_this_machine_is_found() -> None:
    found = iphlpapi.find_route("127.0.0.1")
    assert found is not None
    assert found.version == 4


@pytest.mark.skipif(on_wine(), reason="Wine's NotifyIpInterfaceChange, NotifyRouteChange2 and "
                    "NotifyUnicastIpAddressChange never call")  # fmt: skip
def test_changes_can_be_subscribed_to_and_left() -> None:
    iphlpapi.subscribe(lambda: None)()


@pytest.mark.skipif(not on_wine(), reason="only Wine's say that they succeed and do nothing")
def test_a_subscription_that_is_none_is_an_error() -> None:
    with pytest.raises(OSError, match="no subscription"):
        iphlpapi.subscribe(lambda: None)

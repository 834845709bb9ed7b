"""What Windows says of the way out, and that it calls: with an IP helper that tells what the test puts there."""

from __future__ import annotations

import asyncio
import sys
import threading

import pytest
from tests.fakes.ip_helpers import FakeIpHelper
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Evidence
from connmon_agent.probes.default_routes import DefaultRoute
from connmon_agent.probes.windows_routes import is_running, read_hops, read_table
from connmon_agent.routes.kernel import FAR_AWAY
from connmon_agent.routes.notified import NotifiedWatch
from connmon_agent.routes.windows import open_windows_watch
from connmon_agent.windows_api.network_rows import Interface, RouteRow

ETHERNET, MOBILE = 1, 2
IPV4, IPV6 = (address for _, address in FAR_AWAY)
LAN = RouteRow(ETHERNET, 12, 4, 0, 0, "192.0.2.1")
LAN_IPV6 = RouteRow(ETHERNET, 12, 6, 0, 256, "fe80::1%12")
LTE = RouteRow(MOBILE, 13, 4, 0, 0, "198.51.100.1")


def site() -> FakeIpHelper:
    """A machine with a cable and, as a second way, a modem."""
    return FakeIpHelper(
        interfaces={ETHERNET: Interface("Ethernet", True), MOBILE: Interface("Mobilfunk", True)},
        routes=[LTE, LAN, LAN_IPV6, RouteRow(ETHERNET, 12, 4, 24, 0)],
        best={IPV4: LAN, IPV6: LAN_IPV6},
        metrics={ETHERNET: 25, MOBILE: 55},
    )


def pull_cable(helper: FakeIpHelper, *, best: dict[str, RouteRow] | None) -> None:
    """As Windows has it then: the medium is gone, and the routes with it."""
    helper.interfaces[ETHERNET] = Interface("Ethernet", False)
    helper.routes = [route for route in helper.routes or [] if route.luid != ETHERNET]
    helper.best = best


def watch(helper: FakeIpHelper) -> NotifiedWatch:
    return open_windows_watch(helper, helper.subscribe)


def test_the_default_routes_have_the_metric_of_their_interface_on_top() -> None:
    assert read_table(site()) == [
        DefaultRoute("Mobilfunk", 4, 55, "198.51.100.1"),
        DefaultRoute("Ethernet", 4, 25, "192.0.2.1"),
        DefaultRoute("Ethernet", 6, 281, "fe80::1%12"),
    ]


def test_a_table_that_cannot_be_read_says_nothing() -> None:
    helper = FakeIpHelper(routes=None, best=None)
    assert (read_table(helper), read_hops(helper, (IPV4, IPV6))) == (None, None)


def test_the_route_of_an_interface_that_has_just_gone_is_left_out() -> None:
    helper = site()
    del helper.interfaces[ETHERNET]
    assert read_table(helper) == [DefaultRoute("Mobilfunk", 4, 55, "198.51.100.1")]
    assert read_hops(helper, (IPV4, IPV6)) == []
    assert is_running(helper, "Ethernet") is False


def test_without_ipv6_in_the_system_there_is_no_way_by_it() -> None:
    class WithoutIpv6(FakeIpHelper):
        def find_route(self, address: str) -> RouteRow | None:
            if ":" in address:
                raise OSError(22, "Request not supported.")
            return super().find_route(address)

    helper = WithoutIpv6(interfaces=site().interfaces, best={IPV4: LAN})
    assert read_hops(helper, (IPV4, IPV6)) == [DefaultRoute("Ethernet", 4, 0, "192.0.2.1")]


def test_the_way_out_is_told_with_its_gateway() -> None:
    assert watch(site()).read() == Evidence(True, True, "Ethernet", "192.0.2.1", None, ("ipv4", "ipv6"))


def test_a_cable_that_is_pulled_leaves_no_way() -> None:
    helper = site()
    seen = watch(helper)
    seen.read()
    helper.routes = [LAN]
    pull_cable(helper, best={})
    assert seen.read() == Evidence(False, False, "Ethernet", versions=())


def test_a_cable_that_is_pulled_beside_a_modem_is_told_as_dark() -> None:
    helper = site()
    seen = watch(helper)
    seen.read()
    pull_cable(helper, best={IPV4: LTE})
    assert seen.read() == Evidence(True, True, "Mobilfunk", "198.51.100.1", "Ethernet", ("ipv4",))


def test_without_an_answer_about_the_way_the_table_counts() -> None:
    """As in Wine, which has no GetBestRoute2."""
    helper = site()
    helper.best = None
    assert watch(helper).read() == Evidence(True, True, "Ethernet", "192.0.2.1", None, ("ipv4", "ipv6"))


def test_a_change_is_heard_at_once_from_whatever_thread() -> None:
    helper = site()

    async def story() -> None:
        seen = watch(helper)
        waiting = asyncio.create_task(seen.changed())
        await asyncio.sleep(0)
        thread = threading.Thread(target=helper.heard[0])
        thread.start()
        thread.join()
        async with asyncio.timeout(60):
            await waiting
        await seen.close()

    asyncio.run(story())
    assert helper.heard == [], "the subscription has ended"


async def looks_of(seen: NotifiedWatch, *, seconds: float) -> int:
    looks = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                await seen.changed()
                looks += 1
    except TimeoutError:
        return looks
    finally:
        await seen.close()


@pytest.mark.parametrize(("calls", "looks"), [(True, 30), (False, 60)])
def test_without_a_call_there_is_a_look_all_the_same(calls: bool, looks: int) -> None:
    helper = site()
    helper.calls = calls
    assert run_virtually(looks_of(watch(helper), seconds=60.5)) == looks


def test_a_call_after_the_loop_has_ended_harms_nobody() -> None:
    helper = site()

    async def begin() -> None:
        waiting = asyncio.create_task(watch(helper).changed())
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(begin())
    helper.heard[0]()


@pytest.mark.skipif(sys.platform != "win32", reason="asks this very Windows")
def test_this_machines_own_way_out_is_read() -> None:
    from connmon_agent.routes import open_link_watch

    seen = open_link_watch()
    assert isinstance(seen, NotifiedWatch)
    assert seen.read().default_route is not None

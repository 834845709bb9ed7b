"""Where nobody tells of changes: a look from time to time."""

from __future__ import annotations

import asyncio
import socket

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Evidence
from connmon_agent.ports import LinkWatch
from connmon_agent.routes import open_link_watch
from connmon_agent.routes.netlink import NetlinkWatch
from connmon_agent.routes.polling import PollingWatch

SEEN = Evidence(carrier=True, default_route=True)


def refuse() -> socket.socket:
    raise PermissionError("netlink is not allowed here")


async def looks_of(watch: LinkWatch, *, seconds: float) -> int:
    """How often the watch told of a change in so many seconds."""
    looks = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                await watch.changed()
                looks += 1
    except TimeoutError:
        return looks
    finally:
        await watch.close()


def test_a_look_every_second_without_netlink() -> None:
    watch = PollingWatch(lambda: SEEN)
    assert run_virtually(looks_of(watch, seconds=60.5)) == 60
    assert watch.read() == SEEN


@pytest.mark.linux_alone(reason="netlink, and interfaces asked by ioctl")
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_systems_without_netlink_are_polled(platform: str) -> None:
    watch = open_link_watch(platform, connect=refuse)
    assert isinstance(watch, PollingWatch)
    assert isinstance(watch.read(), Evidence)


@pytest.mark.linux_alone(reason="netlink")
def test_netlink_that_never_tells_anything_is_polled_slowly() -> None:
    async def story() -> int:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        near.setblocking(False)
        with far:
            return await looks_of(NetlinkWatch(near, lambda: SEEN), seconds=60.5)

    assert run_virtually(story()) == 6


@pytest.mark.linux_alone(reason="netlink")
def test_netlink_that_failed_is_polled() -> None:
    class Failing(socket.socket):
        def recv(self, size: int, flags: int = 0) -> bytes:
            raise OSError("out of order")

    async def story() -> int:
        near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        failing = Failing(fileno=near.detach())
        failing.setblocking(False)
        with far:
            far.send(b"anything")
            return await looks_of(NetlinkWatch(failing, lambda: SEEN), seconds=10.5)

    assert run_virtually(story()) in (11, 12)

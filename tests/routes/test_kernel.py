"""Real netlink: a pair of virtual interfaces between two network namespaces of the test's own."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.linux_alone(reason="netlink, and interfaces asked by ioctl")

NEAR, FAR = f"connmon-near-{os.getpid()}", f"connmon-far-{os.getpid()}"
TELLER = Path(__file__).with_name("tell_evidence.py")
PATIENCE = 60.0  # seconds; the watch looks only when it is told to
NUDGE_AFTER = 5.0  # seconds; a busy kernel may tell of a change long before it has worked it off, and then no more


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


@pytest.fixture(scope="module")
def namespaces() -> Iterator[None]:
    """wan0 (10.99.0.1) in NEAR, its far end in FAR. Neither leads anywhere else."""
    if shutil.which("ip") is None:
        pytest.skip("needs the program ip")
    try:
        ip("netns", "add", NEAR)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"needs the right to make a network namespace: {error.stderr.strip()}")
    try:
        ip("netns", "add", FAR)
        ip("-n", NEAR, "link", "add", "wan0", "type", "veth", "peer", "name", "far0", "netns", FAR)
        yield
    finally:
        for name in (NEAR, FAR):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def nudge() -> None:
    """Make the kernel tell of a change that changes nothing."""
    ip("-n", NEAR, "addr", "replace", "10.98.0.1/32", "dev", "lo")


class Teller:
    """The watch in the namespace."""

    def __init__(self) -> None:
        command = ["ip", "netns", "exec", NEAR, sys.executable, str(TELLER)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, bufsize=0)
        self._selector = selectors.DefaultSelector()
        assert self._child.stdout is not None
        self._output = self._child.stdout
        self._selector.register(self._output, selectors.EVENT_READ)

    def hear(self, expected: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first evidence that is as expected; what comes before it on the way is passed over."""
        deadline = time.monotonic() + PATIENCE
        heard = []
        while time.monotonic() < deadline:
            if not self._selector.select(NUDGE_AFTER):
                nudge()
                continue
            line = self._output.readline()
            assert line, "the watch ended"
            heard.append(json.loads(line))
            if expected(heard[-1]):
                return dict(heard[-1])
        raise AssertionError(f"not told within {PATIENCE:g} s; told: {heard}")

    def end(self) -> None:
        self._child.kill()
        self._child.wait()
        self._selector.close()
        self._output.close()


@pytest.fixture
def teller(namespaces: None) -> Iterator[Teller]:
    """A watch that has told that all is well."""
    ip("-n", FAR, "link", "set", "far0", "up")
    ip("-n", NEAR, "link", "set", "wan0", "up")
    ip("-n", NEAR, "addr", "replace", "10.99.0.1/24", "dev", "wan0")
    ip("-n", NEAR, "route", "replace", "default", "via", "10.99.0.2")
    teller = Teller()
    try:
        teller.hear(is_well)
        yield teller
    finally:
        teller.end()


def is_well(evidence: dict[str, Any]) -> bool:
    return evidence == {
        "carrier": True,
        "default_route": True,
        "interface": "wan0",
        "gateway": "10.99.0.2",
        "dark": None,
        "versions": ["ipv4"],
        "way": True,
    }


def test_a_lost_carrier_and_its_return(teller: Teller) -> None:
    ip("-n", FAR, "link", "set", "far0", "down")
    lost = teller.hear(lambda evidence: evidence["carrier"] is False)
    assert (lost["default_route"], lost["interface"]) == (True, "wan0")  # the kernel keeps the route
    ip("-n", FAR, "link", "set", "far0", "up")
    teller.hear(is_well)


def test_a_spare_route_that_is_not_used_does_not_hide_a_lost_carrier(teller: Teller) -> None:
    """As the dummy default route of k3s' documentation does: its interface has a carrier, and leads nowhere."""
    ip("-n", NEAR, "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
    try:
        for name in ("spare0", "spare1"):
            ip("-n", NEAR, "link", "set", name, "up")
        ip("-n", NEAR, "addr", "add", "203.0.113.254/31", "dev", "spare0")
        ip("-n", NEAR, "route", "add", "default", "via", "203.0.113.255", "dev", "spare0", "metric", "1000")
        ip("-n", FAR, "link", "set", "far0", "down")
        teller.hear(lambda evidence: (evidence["carrier"], evidence["interface"]) == (False, "wan0"))
        ip("-n", NEAR, "route", "del", "default", "via", "10.99.0.2")  # as networkd does when a carrier is lost
        teller.hear(lambda evidence: (evidence["interface"], evidence["dark"]) == ("spare0", "wan0"))
    finally:
        ip("-n", NEAR, "link", "del", "spare0")


def test_one_next_hop_of_two_speaks_for_the_link(teller: Teller) -> None:
    ip("-n", NEAR, "link", "add", "spare0", "type", "veth", "peer", "name", "spare1")
    try:
        for name in ("spare0", "spare1"):
            ip("-n", NEAR, "link", "set", name, "up")
        ip("-n", NEAR, "addr", "add", "203.0.113.1/24", "dev", "spare0")
        hops = [("10.99.0.2", "wan0"), ("203.0.113.2", "spare0")]
        nexthops = [word for via, dev in hops for word in ("nexthop", "via", via, "dev", dev)]
        ip("-n", NEAR, "route", "replace", "default", *nexthops)
        ip("-n", FAR, "link", "set", "far0", "down")
        teller.hear(
            lambda evidence: (evidence["carrier"], evidence["interface"], evidence["dark"]) == (True, "spare0", "wan0")
        )
    finally:
        ip("-n", NEAR, "link", "del", "spare0")


def test_the_kind_of_a_virtual_interface(namespaces: None) -> None:
    command = (
        "from connmon_agent.routes.asking import read_kind; print(read_kind('wan0'), read_kind('lo'), read_kind('x'))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    asked = ["ip", "netns", "exec", NEAR, sys.executable, "-c", command]
    told = subprocess.run(asked, check=True, capture_output=True, text=True, env=environment)
    assert told.stdout.split() == ["veth", "None", "None"]


def test_a_removed_default_route_and_its_return(teller: Teller) -> None:
    ip("-n", NEAR, "route", "del", "default")
    lost = teller.hear(lambda evidence: evidence["default_route"] is False)
    assert (lost["carrier"], lost["interface"], lost["gateway"], lost["way"]) == (True, "wan0", None, False)
    ip("-n", NEAR, "route", "add", "default", "via", "10.99.0.2")
    teller.hear(is_well)


def test_routes_that_go_with_the_address_are_missed_although_no_message_tells_of_them(teller: Teller) -> None:
    ip("-n", NEAR, "addr", "del", "10.99.0.1/24", "dev", "wan0")
    teller.hear(lambda evidence: evidence["default_route"] is False)


def test_an_interface_that_is_switched_off(teller: Teller) -> None:
    ip("-n", NEAR, "link", "set", "wan0", "down")
    teller.hear(lambda evidence: (evidence["carrier"], evidence["default_route"]) == (False, False))


def test_a_default_route_in_another_table_is_a_way(teller: Teller) -> None:
    ip("-n", NEAR, "route", "del", "default")
    ip("-n", NEAR, "route", "add", "default", "via", "10.99.0.2", "table", "100")
    teller.hear(lambda evidence: evidence["default_route"] is False)
    ip("-n", NEAR, "rule", "add", "pref", "100", "lookup", "100")
    try:
        # A rule is no message that the watch listens to: the default route's return within the table is one.
        ip("-n", NEAR, "route", "replace", "default", "via", "10.99.0.3", "table", "100")
        teller.hear(lambda evidence: (evidence["interface"], evidence["gateway"]) == ("wan0", "10.99.0.3"))
    finally:
        ip("-n", NEAR, "rule", "del", "pref", "100")
        ip("-n", NEAR, "route", "flush", "table", "100")

"""What holds for every test: who leaves something open fails by it, and the cluster suite runs when it is asked for."""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from tests.fakes.own_network import enter_own_network

SAME_DICE = "CONNMON_SIMULATE" not in os.environ
# How fast a machine is, or how long it stands still, is no mistake of ours. What is drawn is the same in every run, so
# that a mistake is found by whoever made it; CONNMON_SIMULATE draws anew.
settings.register_profile(
    "any machine",
    settings(),
    deadline=None,
    derandomize=SAME_DICE,
    suppress_health_check=(*settings().suppress_health_check, HealthCheck.too_slow),
)
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--cluster``: also run what needs a real cluster, named by CONNMON_TEST_KUBECONFIG; ``--machine``: what needs a
    machine to boot, made by the command in CONNMON_TEST_MACHINE.
    """
    parser.addoption("--cluster", action="store_true", help="run the tests that need a real cluster")
    parser.addoption("--machine", action="store_true", help="run the tests that boot a machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One worker more than processors: some tests wait for sockets and processes, and leave a processor to others."""
    return (os.cpu_count() or 1) + 1


def pytest_configure(config: pytest.Config) -> None:
    """Give each process that runs tests its own network, where root may: a port that is free stays free."""
    runs_tests = hasattr(config, "workerinput") or not getattr(config.option, "numprocesses", None)
    if runs_tests and not config.getoption("--cluster") and not config.getoption("--machine"):
        enter_own_network()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a cluster or a machine, unless there is one, and on Windows what is about Linux alone."""
    if sys.platform == "win32":
        _leave_out_what_is_linux_alone(items)
    needs = {
        "cluster": "needs a real cluster: --cluster and CONNMON_TEST_KUBECONFIG",
        "machine": "needs a machine to boot: --machine and CONNMON_TEST_MACHINE",
    }
    for marker, reason in needs.items():
        if config.getoption(f"--{marker}"):
            continue
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


def _leave_out_what_is_linux_alone(items: list[pytest.Item]) -> None:
    for item in items:
        if marker := item.get_closest_marker("linux_alone"):
            item.add_marker(pytest.mark.skip(reason=f"Linux alone: {marker.kwargs['reason']}"))


def pytest_collection_finish() -> None:
    """Let the collections after each test pass over what is there before the first: that makes them cheap."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True, scope="module")
def what_stays_is_passed_over() -> Iterator[None]:
    """Let them pass over what the tests of a module have imported and cached, too."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def nothing_left_open() -> Iterator[None]:
    """Find a socket, file or transport that this test left open now, not during the test that happens to come later.

    Its ResourceWarning is an error like every warning, so the test that leaked is the test that fails.
    """
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def the_same_dice(request: pytest.FixtureRequest) -> None:
    """Let what an agent leaves to chance, as when it probes, fall the same in each run of a test; not on a cluster."""
    if SAME_DICE and request.node.get_closest_marker("cluster") is None:
        random.seed(request.node.nodeid)


@pytest.fixture(params=["spdy", "websocket"])
def either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Whether the embedded API of ``tests.port_forwarding.places`` takes SPDY, or WebSockets alone: one and then
    the other.
    """
    monkeypatch.setattr("tests.port_forwarding.places.TAKES_SPDY", request.param == "spdy")
    return str(request.param)

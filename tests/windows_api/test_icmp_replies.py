"""What Windows says of an echo, in the errors that sockets raise. On any system."""

from __future__ import annotations

import ctypes

import pytest

from connmon_agent.core.observations import Failure
from connmon_agent.probes.failures import classify_error
from connmon_agent.windows_api.icmp_replies import Reply, Reply6, check_status


def test_answers_are_as_long_as_the_headers_have_them() -> None:
    """The numbers are what a C compiler gives for ipexport.h (x86-64); that of IPv6 is packed, as in the SDK."""
    assert (ctypes.sizeof(Reply), Reply.data.offset, Reply.options.offset) == (40, 16, 24)
    assert (ctypes.sizeof(Reply6), Reply6.status.offset) == (36, 28)


def test_a_success_is_none() -> None:
    check_status(0)


@pytest.mark.parametrize(
    ("status", "failure"),
    [
        pytest.param(11002, Failure.UNREACHABLE, id="no network"),
        pytest.param(11003, Failure.UNREACHABLE, id="no host"),
        pytest.param(11013, Failure.UNREACHABLE, id="too many hops"),
        pytest.param(1231, Failure.UNREACHABLE, id="no route at all"),
        pytest.param(11010, Failure.SILENT, id="no answer in time"),
        pytest.param(11001, Failure.BROKEN, id="a buffer of ours that is too small"),
    ],
)
def test_a_failure_says_the_same_of_the_link_as_a_sockets(status: int, failure: Failure) -> None:
    with pytest.raises(OSError) as caught:
        check_status(status)
    assert classify_error(caught.value) is failure

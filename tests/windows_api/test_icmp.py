"""Echoes by this very Windows, to itself."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "win32":
    pytest.skip("these functions are Windows'", allow_module_level=True)

from tests.fakes.wine import on_wine

from connmon_agent.windows_api import icmp

PAYLOAD = bytes(range(32))


def answers() -> bool:
    """Whether echoes can be had: Wine needs ping sockets, which Linux may forbid."""
    try:
        icmp.send_echo("127.0.0.1", b"x", 1.0)
    except OSError:
        return False
    return True


@pytest.mark.skipif(on_wine() and not answers(), reason="this Wine may not ping")
def test_this_machine_answers() -> None:
    assert icmp.can_send(six=False)
    assert icmp.send_echo("127.0.0.1", PAYLOAD, 60.0) == PAYLOAD


@pytest.mark.skipif(on_wine(), reason="Wine has no Icmp6SendEcho2")
def test_this_machine_answers_by_ipv6() -> None:
    assert icmp.can_send(six=True)
    assert icmp.send_echo("::1", PAYLOAD, 60.0) == PAYLOAD


def test_an_address_that_nobody_has_is_no_success() -> None:
    with pytest.raises(OSError):
        icmp.send_echo("240.0.0.1", PAYLOAD, 0.2)

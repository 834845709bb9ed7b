from __future__ import annotations

import socket
import sys
from collections.abc import Iterator

import pytest
from tests.fakes.wine import on_wine

from connmon_agent.port_forwarding.clients import has_hung_up, is_waiting, reset, set_options

Pair = tuple[socket.socket, socket.socket]
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells whose a socket is")


@pytest.fixture(params=["127.0.0.1", "::1"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    """A client, and our end of its connection."""
    family = socket.AF_INET6 if ":" in request.param else socket.AF_INET
    if family == socket.AF_INET6 and not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with socket.create_server((request.param, 0), family=family) as server:
        client = socket.create_connection(server.getsockname()[:2])
        local, _ = server.accept()
        local.setblocking(False)
    with client, local:
        yield client, local


@linux
def test_a_client_that_only_ended_its_direction_is_still_there(pair: Pair) -> None:
    client, local = pair
    assert has_hung_up(local) is False
    client.shutdown(socket.SHUT_WR)
    assert has_hung_up(local) is False
    assert is_waiting(local)


@linux
def test_a_client_that_closed_is_not(pair: Pair) -> None:
    client, local = pair
    client.close()
    assert has_hung_up(local) is True
    assert not is_waiting(local)


@pytest.mark.skipif(on_wine(), reason="Wine ends a connection in order before it resets it")
def test_a_reset_is_an_error_and_no_end(pair: Pair) -> None:
    client, local = pair
    set_options(local)
    reset(local)
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_where_nobody_tells_whose_a_socket_is_only_a_reset_does(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.port_forwarding.clients._ORPHANS_TOLD", False)
    client, local = pair
    assert has_hung_up(local) is None
    client.shutdown(socket.SHUT_WR)
    assert has_hung_up(local) is None
    reset(client)
    assert has_hung_up(local) is True
    assert not is_waiting(local)


def test_a_client_that_has_sent_something_waits(pair: Pair) -> None:
    client, local = pair
    assert is_waiting(local)
    client.sendall(b"x")
    assert is_waiting(local)


def test_a_socket_that_is_no_connection_tells_nothing() -> None:
    with socket.socket() as unconnected:
        assert has_hung_up(unconnected) is None

"""Listening on a port of real loopback addresses, and why it is refused."""

from __future__ import annotations

import errno
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from tests.fakes.statefiles import is_root
from tests.fakes.wine import on_wine
from tests.sockets.holders import LOOPBACK, as_somebody_else, connected, free_port, held, in_new_network

from connmon_agent.sockets.binding import PortRefused, RefusalCause, cause_of, open_listeners, try_binding

UNPRIVILEGED_PORTS = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
DISABLE_IPV6 = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
NOWHERE = "192.0.2.1"  # RFC 5737: no machine has it

in_a_network_of_its_own = pytest.mark.skipif(
    not is_root() or shutil.which("ip") is None or not DISABLE_IPV6.exists(), reason="needs Linux, root and ip"
)

Holder = Callable[[], AbstractContextManager[int]]


def listen(port: int, *bind: str) -> list[tuple[str, int]]:
    """Where it was listened on, which is over."""
    listeners = open_listeners(port, bind)
    with ExitStack() as stack:
        return [stack.enter_context(listener).getsockname()[:2] for listener in listeners.values()]


def refusal(port: int, *bind: str) -> PortRefused:
    """Why the port is refused: the same whether it is taken or tried."""
    with pytest.raises(PortRefused) as tried:
        try_binding(port, bind)
    with pytest.raises(PortRefused) as taken:
        open_listeners(port, bind)
    assert str(tried.value) == str(taken.value)
    return taken.value


def test_both_loopback_addresses_are_listened_on() -> None:
    port = free_port()
    assert listen(port, *LOOPBACK) == [("127.0.0.1", port), ("::1", port)]


def test_a_client_is_accepted_before_anybody_waits_for_it() -> None:
    port = free_port()
    with ExitStack() as stack:
        for listener in open_listeners(port, LOOPBACK).values():
            stack.enter_context(listener)
            assert not listener.getblocking()
        for address in LOOPBACK:
            stack.enter_context(socket.create_connection((address, port)))


def test_every_address_of_both_families_goes_together() -> None:
    port = free_port()
    assert listen(port, "0.0.0.0", "::") == [("0.0.0.0", port), ("::", port)]


def test_a_port_is_had_again_at_once_after_its_connections_ended() -> None:
    port = free_port()
    with ExitStack() as stack:
        listener, *_ = (stack.enter_context(each) for each in open_listeners(port, LOOPBACK).values())
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        listener.setblocking(True)
        listener.accept()[0].close()  # whoever closes first is left with TIME_WAIT
        assert client.recv(1) == b""
    assert listen(port, *LOOPBACK) == [("127.0.0.1", port), ("::1", port)]


@pytest.mark.parametrize(
    ("hold", "address"),
    [
        pytest.param(lambda: held("127.0.0.1"), "127.0.0.1", id="a listener on IPv4"),
        pytest.param(lambda: held("::1"), "::1", id="a listener on IPv6 alone"),
        pytest.param(lambda: held("0.0.0.0"), "127.0.0.1", id="a listener on every IPv4 address"),
        pytest.param(lambda: held("::", dual=True), "127.0.0.1", id="a listener on every address"),
        pytest.param(lambda: held("::"), "::1", id="a listener on every IPv6 address"),
        pytest.param(lambda: held(listen=False, reuse=False), "127.0.0.1", id="bound, not listening"),
        pytest.param(
            connected,
            "127.0.0.1",
            id="the source of a connection",
            marks=pytest.mark.skipif(on_wine(), reason="Wine gives away a port from which a connection was made"),
        ),
    ],
)
def test_a_port_that_somebody_has_is_refused(hold: Holder, address: str) -> None:
    with hold() as port:
        refused = refusal(port, *LOOPBACK)
        assert (refused.errno, refused.address, refused.port) == (errno.EADDRINUSE, address, port)
        assert (refused.cause, refused.words) == (RefusalCause.IN_USE, "is in use")


@pytest.mark.parametrize(
    ("hold", "bind"),
    [
        pytest.param(lambda: held("127.0.0.2"), LOOPBACK, id="another loopback address"),
        pytest.param(lambda: held("::1"), ("127.0.0.1",), id="IPv6, where only IPv4 is wanted"),
        pytest.param(
            lambda: held(listen=False),
            LOOPBACK,
            id="bound, to be shared until one listens",
            marks=pytest.mark.linux_alone(reason="a bound port is shared until one listens"),
        ),
    ],
)
def test_who_is_not_in_the_way_is_no_reason_to_refuse(hold: Holder, bind: tuple[str, ...]) -> None:
    with hold() as port:
        try_binding(port, bind)
        assert listen(port, *bind) == [(address, port) for address in bind]


def test_nothing_stays_open_of_a_port_that_is_refused() -> None:
    with held("::1") as port:
        refusal(port, *LOOPBACK)
        assert listen(port, "127.0.0.1") == [("127.0.0.1", port)]


def test_trying_takes_nothing() -> None:
    port = free_port()
    try_binding(port, LOOPBACK)
    with socket.socket() as plain:
        plain.bind(("127.0.0.1", port))


def test_the_message_names_the_address() -> None:
    with held("::1") as port:
        assert str(refusal(port, *LOOPBACK)) == f"[::1]:{port} is in use"
    assert str(refusal(free_port(), NOWHERE)).startswith(f"{NOWHERE}:")


@pytest.mark.parametrize("bind", [(NOWHERE,), ("127.0.0.1", NOWHERE), (NOWHERE, "::1")])
def test_an_address_that_is_not_there_is_refused(bind: tuple[str, ...]) -> None:
    refused = refusal(free_port(), *bind)
    assert (refused.errno, refused.address) == (errno.EADDRNOTAVAIL, NOWHERE)
    assert refused.words == "is not an address of this machine"


def test_what_is_no_address_is_refused() -> None:
    refused = refusal(free_port(), "localhost")
    assert refused.cause is RefusalCause.OTHER
    assert refused.words.startswith("cannot be opened: ")


@in_a_network_of_its_own
def test_one_loopback_address_is_enough_where_there_is_no_other() -> None:
    def work() -> None:
        DISABLE_IPV6.write_text("1")
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        assert listen(8080, *LOOPBACK) == [("127.0.0.1", 8080)]
        try_binding(8080, LOOPBACK)
        alone = refusal(8080, "::1")
        assert (alone.cause, alone.address) == (RefusalCause.NO_ADDRESS, "::1")

    assert in_new_network(work) == 0


@pytest.mark.linux_alone(reason="another user, as root becomes it")
@pytest.mark.skipif(not is_root() or not UNPRIVILEGED_PORTS.exists(), reason="needs Linux and root, to give it up")
def test_a_privileged_port_needs_privileges() -> None:
    first_free = int(UNPRIVILEGED_PORTS.read_text())
    if first_free < 2:
        pytest.skip("every port is for everybody here")

    def work() -> None:
        refused = refusal(first_free - 1, *LOOPBACK)
        assert (refused.cause, refused.errno) == (RefusalCause.PRIVILEGES, errno.EACCES)

    assert as_somebody_else(work) == 0


class WindowsError(OSError):
    """What Windows raises: its own number beside the one that Python makes of it."""

    def __init__(self, code: int, winerror: int) -> None:
        super().__init__(code, "as Windows words it")
        self.winerror = winerror


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        pytest.param(WindowsError(errno.EACCES, 10013), RefusalCause.RESERVED, id="an excluded range"),
        pytest.param(WindowsError(10048, 10048), RefusalCause.IN_USE, id="in use"),
        pytest.param(WindowsError(10049, 10049), RefusalCause.NO_ADDRESS, id="no such address"),
        pytest.param(OSError(errno.EACCES, ""), RefusalCause.PRIVILEGES, id="POSIX"),
        pytest.param(OSError(errno.EAFNOSUPPORT, ""), RefusalCause.NO_ADDRESS, id="no IPv6"),
        pytest.param(OSError(errno.EMFILE, ""), RefusalCause.OTHER, id="anything else"),
        pytest.param(OSError("no number"), RefusalCause.OTHER, id="without a number"),
    ],
)
def test_what_the_error_of_each_system_means(error: OSError, cause: RefusalCause) -> None:
    assert cause_of(error) is cause

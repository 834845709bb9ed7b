"""Which ports cannot be opened, and why: the port LocalPorts on this machine."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Collection, Mapping
from dataclasses import replace

import pytest
from tests.fakes.statefiles import SOMEBODY_ELSE, is_root
from tests.fakes.wine import on_wine, own_name
from tests.sockets.holders import LOOPBACK, as_somebody_else, connected, free_port, held, held_by_another

from connmon_agent.ports import LocalPorts
from connmon_agent.sockets.binding import PortRefused
from connmon_agent.sockets.examining import OWNER_KEPT, UNSHOWN_KEPT, Obstacle, SocketPorts, find_obstacles
from connmon_agent.sockets.owners import Owner, Use, find_owners
from connmon_agent.sockets.port_ranges import ReservedRange, ReservedRanges

needs_names = pytest.mark.skipif(on_wine(), reason="Wine tells no names of processes")
ME = f"{own_name()} (pid {os.getpid()})"

needs_root = pytest.mark.skipif(not is_root(), reason="needs root, to be somebody else")


def examine(ports: Mapping[int, tuple[str, ...]]) -> Mapping[int, str]:
    local: LocalPorts = SocketPorts()
    return asyncio.run(local.examine(ports))


@needs_names
def test_only_ports_that_cannot_be_had_are_told_each_with_its_holder() -> None:
    with held() as one, held("::1") as other, held("0.0.0.0") as third, connected() as source:
        ports = [one, other, third, source, free_port()]
        assert examine(dict.fromkeys(ports, LOOPBACK)) == {
            one: f"in use by {ME}",
            other: f"in use by {ME}",
            third: f"in use by {ME}",
            source: f"in use by an outgoing connection of {ME}",
        }


@needs_names
def test_a_port_is_examined_on_the_addresses_that_it_is_wanted_on() -> None:
    with held("::1") as port:
        assert examine({port: ("127.0.0.1",)}) == {}
        assert examine({port: ("0.0.0.0", "::")}) == {port: f"in use by {ME}"}


def test_nothing_is_remembered() -> None:
    with held() as port:
        assert port in examine({port: LOOPBACK})
    assert examine({port: LOOPBACK}) == {}


def test_a_socket_that_does_not_listen_is_in_the_way_and_in_no_table() -> None:
    with held(listen=False, reuse=False) as port:
        assert examine({port: LOOPBACK}) == {port: "in use by a hidden process"}


def test_a_holder_of_another_address_is_not_accused() -> None:
    with held(listen=False, reuse=False) as port:
        listeners = held("127.0.0.2", port=port)
        with listeners:
            assert examine({port: LOOPBACK}) == {port: "in use by a hidden process"}


@pytest.mark.linux_alone(reason="another user, as root becomes it")
@needs_root
def test_without_rights_the_holders_user_is_told() -> None:
    with held_by_another() as (port, _):

        def work() -> None:
            assert examine({port: LOOPBACK}) == {port: "in use by a process of user root"}

        assert as_somebody_else(work) == 0


@pytest.mark.linux_alone(reason="another user, as root becomes it")
@needs_root
def test_with_rights_the_process_of_another_user_is_told() -> None:
    with held_by_another(SOMEBODY_ELSE) as (port, pid):
        (text,) = examine({port: LOOPBACK}).values()
        assert text.startswith("in use by ")
        assert f"(pid {pid}, user " in text


def test_an_address_of_another_machine_is_named() -> None:
    port = free_port()
    assert examine({port: ("192.0.2.1",)}) == {port: "192.0.2.1 is not an address of this machine"}


class WindowsError(OSError):
    """What Windows raises: its own number beside the one that Python makes of it."""

    def __init__(self, code: int, winerror: int) -> None:
        super().__init__(code, "as Windows words it")
        self.winerror = winerror


def obstacle(error: OSError, owner: Owner | None = None, reserved: ReservedRange | None = None) -> Obstacle:
    return Obstacle(PortRefused("127.0.0.1", 8080, error), owner, reserved)


EXCLUDED = WindowsError(errno.EACCES, 10013)
IIS = Owner(8080, "127.0.0.1", Use.LISTENING, "iis", 7)


@pytest.mark.parametrize(
    ("found", "text"),
    [
        pytest.param(
            obstacle(EXCLUDED),
            "is reserved by Windows (netsh interface ipv4 show excludedportrange protocol=tcp)",
            id="reserved, and nobody has it",
        ),
        pytest.param(
            obstacle(EXCLUDED, None, ReservedRange(8000, 8099)),
            "is reserved by Windows for Hyper-V, WSL or Docker "
            "(8000 to 8099 in netsh interface ipv4 show excludedportrange protocol=tcp)",
            id="in a range that is known",
        ),
        pytest.param(obstacle(EXCLUDED, IIS), "in use by iis (pid 7)", id="called reserved, and somebody has it"),
        pytest.param(obstacle(OSError(errno.EACCES, "")), "needs privileges", id="privileges"),
        pytest.param(
            obstacle(OSError(errno.EMFILE, "Too many open files")),
            "cannot be opened: Too many open files",
            id="anything else",
        ),
    ],
)
def test_an_obstacle_in_words(found: Obstacle, text: str) -> None:
    assert found.text == text


def test_nothing_is_scanned_for_no_ports() -> None:
    assert find_obstacles({}) == {}


@needs_names
def test_the_owner_of_a_port_is_looked_up_once_while_the_same_socket_is_on_it() -> None:
    looked: list[list[int]] = []
    seconds = 0.0

    def find(ports: Collection[int]) -> dict[int, tuple[Owner, ...]]:
        looked.append(sorted(ports))
        return find_owners(ports)

    local = SocketPorts(find=find, now=lambda: seconds)

    def look(port: int) -> Mapping[int, str]:
        return asyncio.run(local.examine({port: LOOPBACK}))

    with held() as port:
        assert [look(port) for _ in range(20)] == [{port: f"in use by {ME}"}] * 20
        assert looked == [[port]]
        seconds = OWNER_KEPT
        look(port)
        assert looked == [[port]] * 2
    assert look(port) == {}
    with held(port=port):  # another socket, perhaps of somebody else
        assert look(port) == {port: f"in use by {ME}"}
        assert looked == [[port]] * 3


def test_an_owner_whose_socket_no_table_shows_is_looked_up_now_and_then() -> None:
    looked: list[list[int]] = []
    seconds = 0.0

    def find(ports: Collection[int]) -> dict[int, tuple[Owner, ...]]:
        looked.append(sorted(ports))
        return find_owners(ports)

    local = SocketPorts(find=find, now=lambda: seconds)
    with held(listen=False, reuse=False) as port:
        for later in (0.0, UNSHOWN_KEPT - 1.0, UNSHOWN_KEPT):
            seconds = later
            assert asyncio.run(local.examine({port: LOOPBACK})) == {port: "in use by a hidden process"}
    assert looked == [[port]] * 2


def test_a_port_in_a_reserved_range_is_told_with_its_range_where_nobody_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(port: int, bind: tuple[str, ...], kept: Collection[tuple[str, int]]) -> None:
        raise PortRefused(bind[0], port, EXCLUDED)

    monkeypatch.setattr("connmon_agent.sockets.examining.try_binding", refuse)
    local = SocketPorts(
        find=lambda ports: {8081: (replace(IIS, port=8081),)},
        ranges=ReservedRanges(lambda command: " 8000   8099   *\n"),
    )
    found = asyncio.run(local.examine(dict.fromkeys((8080, 8081, 9000), ("127.0.0.1",))))
    assert found[8080].startswith("is reserved by an administrator (8000 to 8099 in netsh")
    assert found[8081] == "in use by iis (pid 7)"
    assert found[9000].startswith("is reserved by Windows (netsh")

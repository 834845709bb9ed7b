"""Listening sockets that outlive the agent in systemd's store."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.service_managers.managers import FakeManager, a_manager
from tests.sockets.holders import LOOPBACK, free_port, free_ports, held

from connmon_agent.ports import ListenerStore
from connmon_agent.service_managers.descriptor_store import DescriptorStore, name_socket, take_descriptors
from connmon_agent.service_managers.joining import join_manager
from connmon_agent.service_managers.notification import NotificationSocket
from connmon_agent.sockets.binding import PortRefused, open_listeners, try_binding
from connmon_agent.sockets.examining import SocketPorts, find_refusals

pytestmark = pytest.mark.linux_alone(reason="systemd keeps sockets, over a Unix socket")


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[FakeManager]:
    with a_manager(tmp_path) as found:
        yield found


def start(manager: FakeManager) -> DescriptorStore:
    """The store of the next process."""
    return DescriptorStore(NotificationSocket(manager.address), manager.hand_over())


def die(listeners: dict[str, socket.socket]) -> None:
    """As the kernel does at kill -9: descriptors are closed, and nothing is said."""
    for listener in listeners.values():
        listener.close()


def names(port: int) -> set[str]:
    return {f"tcp-127.0.0.1-{port}", f"tcp-__1-{port}"}


def test_a_client_that_comes_between_two_processes_is_served_by_the_second(manager: FakeManager) -> None:
    port = free_port()
    die(open_listeners(port, LOOPBACK, start(manager)))
    manager.read()
    with ExitStack() as stack:
        clients = [stack.enter_context(socket.create_connection((address, port))) for address in LOOPBACK]
        store = start(manager)
        assert store.kept() == {(address, port) for address in LOOPBACK}
        listeners = open_listeners(port, LOOPBACK, store)
        for address, client in zip(LOOPBACK, clients, strict=True):
            stack.enter_context(listeners[address])
            served, peer = listeners[address].accept()
            stack.enter_context(served)
            assert peer[:2] == client.getsockname()[:2]
        assert store.kept() == frozenset()


def test_a_port_that_was_kept_is_not_in_our_own_way(manager: FakeManager) -> None:
    port = free_port()
    die(open_listeners(port, LOOPBACK, start(manager)))
    store = start(manager)
    with pytest.raises(PortRefused):
        try_binding(port, LOOPBACK)
    assert find_refusals({port: LOOPBACK}, store.kept()) == {}
    assert asyncio.run(SocketPorts(store=store).examine({port: LOOPBACK})) == {}
    store.release(())


def test_a_kept_address_does_not_free_the_other_one_of_its_port(manager: FakeManager) -> None:
    with held("::1") as port:
        die(open_listeners(port, ("127.0.0.1",), start(manager)))
        store = start(manager)
        assert find_refusals({port: LOOPBACK}, store.kept())[port].address == "::1"
        with pytest.raises(PortRefused):
            open_listeners(port, LOOPBACK, store)
        assert store.kept() == {("127.0.0.1", port)}  # it can still be taken
        store.release(())


def test_the_manager_is_asked_once_for_each_socket_however_often_the_agent_starts(manager: FakeManager) -> None:
    port = free_port()
    for _ in range(3):
        die(open_listeners(port, LOOPBACK, start(manager)))
    manager.read()
    assert {name: len(numbers) for name, numbers in manager.store.items()} == dict.fromkeys(names(port), 1)


def test_a_port_that_is_left_is_free_for_others_at_once(manager: FakeManager) -> None:
    """Even before the manager has read that it is to let go of it."""
    port, store = free_port(), start(manager)
    listeners = open_listeners(port, LOOPBACK, store)
    manager.read()
    for address, listener in listeners.items():
        store.remove(address, port, listener)
        listener.close()
    assert names(port) == manager.store.keys()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port)).close()
    die(open_listeners(port, LOOPBACK))
    manager.read()
    assert manager.store == {}


def test_what_the_configuration_names_no_more_is_closed_and_not_kept(manager: FakeManager) -> None:
    one, other = free_ports(2)
    store = start(manager)
    die(open_listeners(one, LOOPBACK, store) | {"": open_listeners(other, ("127.0.0.1",), store)["127.0.0.1"]})
    manager.read()
    with socket.create_connection(("127.0.0.1", other)) as waiting:
        store = start(manager)
        store.release({(address, one) for address in LOOPBACK})
        waiting.settimeout(10)
        with pytest.raises(ConnectionResetError):  # it does not wait for ever
            waiting.recv(1)
    manager.read()
    assert manager.store.keys() == names(one)
    assert store.kept() == {(address, one) for address in LOOPBACK}
    store.release(())


def test_foreign_descriptors_are_closed_and_taken_out_of_the_store(manager: FakeManager) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other_port, socket.socket() as unbound:
        reading, writing = os.pipe()
        inherited = [
            ("tcp-127.0.0.1-notaport", os.dup(other_port.fileno())),
            (f"tcp-127.0.0.1-{port}", os.dup(other_port.fileno())),  # the name of another port
            (f"tcp-__1-{port}", os.dup(unbound.fileno())),
            ("web", os.dup(other_port.fileno())),
            ("pipe", os.dup(reading)),
        ]
        os.close(reading)
        os.close(writing)
        store = DescriptorStore(NotificationSocket(manager.address), inherited)
        assert store.kept() == frozenset()
        for _, descriptor in inherited:
            with pytest.raises(OSError):
                os.fstat(descriptor)
        assert [message.split("FDNAME=")[1] for message in manager.read()] == [name for name, _ in inherited]


def test_descriptors_that_are_kept_are_not_inherited_by_children(manager: FakeManager) -> None:
    port = free_port()
    die(open_listeners(port, LOOPBACK, start(manager)))
    inherited = manager.hand_over()
    for _, descriptor in inherited:
        os.set_inheritable(descriptor, True)  # as after the manager's exec
    store = DescriptorStore(NotificationSocket(manager.address), inherited)
    assert [os.get_inheritable(descriptor) for _, descriptor in inherited] == [False, False]
    store.release(())


def test_without_a_manager_that_keeps_nothing_changes(tmp_path: Path) -> None:
    """The store is off, or the manager is gone: each process binds its ports itself."""
    port = free_port()
    for _ in range(2):
        store: ListenerStore = DescriptorStore(NotificationSocket(str(tmp_path / "nobody")))
        listeners = open_listeners(port, LOOPBACK, store)
        socket.create_connection(("127.0.0.1", port)).close()
        die(listeners)


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::", "fe80::1%br_lan"])
def test_a_name_has_no_colon_and_names_the_place(address: str) -> None:
    name = name_socket(address, 8080)
    assert ":" not in name and name.isascii()
    assert len({name_socket(other, port) for other in (address, "192.0.2.1") for port in (8080, 8081)}) == 4


def test_only_what_was_handed_to_this_process_is_taken() -> None:
    environment = {"LISTEN_PID": "100", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
    assert take_descriptors(dict(environment), 101) == []
    assert take_descriptors(environment | {"LISTEN_FDS": "x"}, 100) == []
    assert take_descriptors({}, 100) == []


def test_descriptors_without_a_notification_socket_are_closed() -> None:
    """Nobody could take them out of the store: a socket unit's, or a manager's of another kind."""
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 3)
        environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x"}
        closed = join_manager(environment, os.getpid()) is None
        try:
            os.fstat(3)
        except OSError:
            os._exit(0 if closed else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

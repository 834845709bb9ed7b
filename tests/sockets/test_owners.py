"""Who has a port: found on this machine, chosen by the address, and said in words."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
from tests.fakes.statefiles import SOMEBODY_ELSE, is_root
from tests.fakes.wine import on_wine
from tests.sockets.holders import as_somebody_else, connected, free_port, held, held_by_another

from connmon_agent.sockets.owners import AGENT, Owner, Use, choose_owner, describe, find_owners, is_agent

if sys.platform != "win32":
    import pwd

    NOBODY = pwd.getpwuid(SOMEBODY_ELSE).pw_name
needs_names = pytest.mark.skipif(on_wine(), reason="Wine tells no names of processes")
needs_holders = pytest.mark.skipif(on_wine(), reason="Wine names no process that has a socket")
ME = psutil.Process()

needs_root = pytest.mark.skipif(not is_root(), reason="needs root, to be somebody else")
needs_tables = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs the tables of Linux")


def mine(owners: Sequence[Owner]) -> list[Owner]:
    """Those of this process: another one may have the same number on another address."""
    return [owner for owner in owners if owner.pid == ME.pid]


@needs_names
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_a_listener_is_found_with_its_process(address: str) -> None:
    with held(address) as port:
        assert mine(find_owners([port])[port]) == [
            Owner(port, address, Use.LISTENING, ME.name(), ME.pid, ME.username(), foreign=False)
        ]


@needs_holders
def test_one_look_serves_many_ports() -> None:
    with held() as first, held("::1") as second, connected() as third:
        found = find_owners([first, second, third, free_port()])
        ours = {port: mine(owners) for port, owners in found.items() if mine(owners)}
        assert {port: (owner.address, owner.use) for port, (owner,) in ours.items()} == {
            first: ("127.0.0.1", Use.LISTENING),
            second: ("::1", Use.LISTENING),
            third: ("127.0.0.1", Use.CONNECTED),
        }


@needs_holders
def test_who_listens_comes_before_the_connections_that_were_accepted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        with server.accept()[0]:
            found = find_owners([server.getsockname()[1]])
            uses = [owner.use for owners in found.values() for owner in mine(owners)]
            assert uses == [Use.LISTENING, Use.CONNECTED]
        assert client.recv(1) == b""


def test_a_connection_that_has_ended_belongs_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        client = socket.create_connection(server.getsockname())
        server.accept()[0].close()
        assert client.recv(1) == b""
        client.close()
    owner = next(owner for owner in find_owners([port])[port] if owner.use is Use.ENDED)
    assert (owner.pid, describe(owner)) == (None, "a connection that has just closed")


def test_what_windows_gives_to_its_idle_process_belongs_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [SimpleNamespace(laddr=("127.0.0.1", 8080), status=psutil.CONN_TIME_WAIT, pid=0)]
    monkeypatch.setattr("psutil.net_connections", lambda kind: rows)
    (owner,) = find_owners([8080])[8080]
    assert (owner.use, owner.pid, describe(owner)) == (Use.ENDED, None, "a connection that has just closed")


@needs_holders
def test_an_ipv4_client_of_an_ipv6_socket_has_an_ipv4_address() -> None:
    with socket.socket(socket.AF_INET6) as server:
        server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        server.bind(("::", 0))
        server.listen()
        with socket.create_connection(("127.0.0.1", server.getsockname()[1])), server.accept()[0]:
            owners = find_owners([server.getsockname()[1]])[server.getsockname()[1]]
            assert [owner.address for owner in mine(owners)] == ["::", "127.0.0.1"]


@pytest.mark.linux_alone(reason="another user, as root becomes it")
@needs_root
@needs_names
def test_another_users_process_is_found_with_its_user() -> None:
    with held_by_another(SOMEBODY_ELSE) as (port, pid):
        owner = next(owner for owner in find_owners([port])[port] if owner.pid == pid)
        assert describe(owner) == f"{ME.name()} (pid {pid}, user {NOBODY})"


@pytest.mark.linux_alone(reason="another user, as root becomes it")
@needs_root
@needs_tables
def test_without_rights_only_the_user_is_known() -> None:
    with held_by_another() as (port, _):

        def work() -> None:
            owner = next(owner for owner in find_owners([port])[port] if owner.address == "127.0.0.1")
            assert owner == Owner(port, "127.0.0.1", Use.LISTENING, user="root", foreign=True)
            assert describe(owner) == "a process of user root"

        assert as_somebody_else(work) == 0


@pytest.mark.linux_alone(reason="another user, as root becomes it")
@needs_root
def test_without_rights_ones_own_process_is_found() -> None:
    def work() -> None:
        with held() as port:
            owner = next(owner for owner in find_owners([port])[port] if owner.pid is not None)
            assert (owner.pid, owner.user, owner.foreign) == (os.getpid(), NOBODY, False)

    assert as_somebody_else(work) == 0


def owner_on(address: str) -> Owner:
    return Owner(8080, address, Use.LISTENING, "nginx", 99, "me")


@pytest.mark.parametrize(
    ("held", "wanted", "clash"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.2", "127.0.0.1", False),
        ("0.0.0.0", "127.0.0.1", True),
        ("0.0.0.0", "::1", False),
        ("::", "::1", True),
        ("::", "127.0.0.1", True),
        ("::1", "127.0.0.1", False),
        ("127.0.0.1", "0.0.0.0", True),
        ("::1", "::", True),
        ("::1", "0:0:0:0:0:0:0:1", True),
        ("fe80::1", "fe80::1%eth0", True),
    ],
)
def test_the_owner_is_who_keeps_others_from_the_address(held: str, wanted: str, clash: bool) -> None:
    assert choose_owner([owner_on(held)], wanted) == (owner_on(held) if clash else None)


def test_a_bystander_is_passed_over() -> None:
    assert choose_owner([owner_on("198.51.100.1"), owner_on("0.0.0.0")], "127.0.0.1") == owner_on("0.0.0.0")


@pytest.mark.parametrize(
    ("owner", "words"),
    [
        (None, "a hidden process"),
        (Owner(1, "::", Use.LISTENING), "a hidden process"),
        (Owner(1, "::", Use.LISTENING, "nginx", 99), "nginx (pid 99)"),
        (Owner(1, "::", Use.LISTENING, "nginx", 99, "me"), "nginx (pid 99)"),
        (Owner(1, "::", Use.LISTENING, "nginx", 99, "www-data", True), "nginx (pid 99, user www-data)"),
        (Owner(1, "::", Use.LISTENING, None, 99), "a process (pid 99)"),
        (Owner(1, "::", Use.LISTENING, None, None, "www-data", True), "a process of user www-data"),
        (Owner(1, "::", Use.LISTENING, AGENT, 4711, "me"), "connmon-agent (pid 4711)"),
        (Owner(1, "::", Use.CONNECTED, "firefox", 3, "me"), "an outgoing connection of firefox (pid 3)"),
        (Owner(1, "::", Use.CONNECTED), "an outgoing connection of a hidden process"),
        (Owner(1, "::", Use.ENDED), "a connection that has just closed"),
    ],
)
def test_an_owner_in_words(owner: Owner | None, words: str) -> None:
    assert describe(owner) == words


@pytest.mark.parametrize(
    ("command_line", "is_one"),
    [
        ("/venv/bin/python /venv/bin/connmon-agent start", True),
        ("python3.11 -m connmon_agent --config x start", True),
        ("/usr/bin/python3 -I -X dev -m connmon_agent start", True),
        ("/opt/Python.app/Python -W error /usr/local/bin/connmon-agent start", True),
        ("connmon-agent.exe start", True),
        ("python.exe connmon-agent-script.py start", True),
        ("vim connmon-agent", False),
        ("python serve.py connmon-agent", False),
        ("python -m http.server", False),
        ("python -m", False),
        ("python", False),
        ("", False),
    ],
)
def test_an_agent_is_known_by_its_command_line(command_line: str, is_one: bool) -> None:
    assert is_agent(command_line.split()) is is_one


@pytest.mark.parametrize(
    "error", [IndexError("list index out of range"), FileNotFoundError(2, "no", "/proc"), ValueError()]
)
def test_where_the_system_s_tables_are_missing_nobody_is_found(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """An empty /proc makes psutil fail in the midst of parsing it."""

    def fail(*_: object, **__: object) -> object:
        raise error

    monkeypatch.setattr("psutil.net_connections", fail)
    monkeypatch.setattr("psutil.process_iter", fail)
    assert find_owners([8080]) == {}


@pytest.mark.linux_alone(reason="descriptors that are given to a child")
@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs Linux, where a process can take a name")
def test_the_agent_that_serves_a_port_is_its_owner_and_not_the_manager_that_keeps_the_socket() -> None:
    """Of the processes with a socket psutil names the one with the lowest number, which systemd always has."""
    name = Path("/proc/self/comm")
    before = name.read_text().strip()
    with socket.create_server(("127.0.0.1", 0)) as kept:
        port = kept.getsockname()[1]
        serve = "import sys; print('ready', flush=True); sys.stdin.read()"
        agent = subprocess.Popen(
            ["connmon-agent", "-c", serve],
            executable=sys.executable,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[kept.fileno()],
        )
        name.write_text("systemd")
        try:
            assert agent.stdout is not None and agent.stdout.readline() == b"ready\n"
            (owner,) = find_owners([port])[port]
            assert (owner.name, owner.pid) == ("connmon-agent", agent.pid)
        finally:
            name.write_text(before)
            agent.communicate()
        name.write_text("systemd")
        try:
            (owner,) = find_owners([port])[port]
            assert (owner.name, owner.pid) == ("systemd", os.getpid())  # no agent runs: it is kept for the next one
        finally:
            name.write_text(before)


@pytest.mark.linux_alone(reason="a process that takes another name")
@pytest.mark.skipif(not Path("/proc/self/comm").exists(), reason="needs Linux, where a process can take a name")
def test_a_name_that_would_command_a_terminal_is_written_plainly() -> None:
    name = Path("/proc/self/comm")
    before = name.read_text().strip()
    with held() as port:
        name.write_text("a\n\x1b[2Jb")
        try:
            (owner,) = mine(find_owners([port])[port])
        finally:
            name.write_text(before)
    assert describe(owner) == f"a \\x1b[2Jb (pid {os.getpid()})"

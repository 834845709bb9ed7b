"""What a service manager hears of the agent."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from tests.service_managers.managers import a_manager

from connmon_agent.ports import Announcer
from connmon_agent.service_managers.joining import join_manager
from connmon_agent.service_managers.notification import (
    LONGEST_STATUS,
    NotificationSocket,
    SystemdAnnouncer,
    take_notification,
)

pytestmark = pytest.mark.linux_alone(reason="systemd speaks over a Unix socket")


def test_a_whole_life_is_announced_in_systemds_words(tmp_path: Path) -> None:
    with a_manager(tmp_path) as manager:
        announcer: Announcer = SystemdAnnouncer(NotificationSocket(manager.address), watchdog=30.0, now=lambda: 12.5)
        announcer.extend(90.0)
        announcer.ready("STARTING: no round yet")
        announcer.status("ONLINE: 3 good rounds in a row")
        announcer.alive()
        announcer.reloading()
        announcer.reloaded(None)
        announcer.stopping()
        assert announcer.pulse == 15.0
        assert manager.read() == [
            "EXTEND_TIMEOUT_USEC=90000000",
            "READY=1\nSTATUS=STARTING: no round yet",
            "STATUS=ONLINE: 3 good rounds in a row",
            "WATCHDOG=1",
            "RELOADING=1\nMONOTONIC_USEC=12500000\nSTATUS=Reloading the configuration",
            "READY=1\nSTATUS=ONLINE: 3 good rounds in a row",
            "STOPPING=1\nSTATUS=Stopping",
        ]


def test_a_refused_reload_ends_with_the_reason_in_the_status(tmp_path: Path) -> None:
    with a_manager(tmp_path) as manager:
        announcer = SystemdAnnouncer(NotificationSocket(manager.address), watchdog=None)
        announcer.ready("ONLINE: good")
        announcer.reloading()
        announcer.reloaded("connmon.yaml:3: link.fall: must be a number\nconnmon.yaml:4: x: unknown key")
        assert manager.read()[-1] == (
            "READY=1\nSTATUS=ONLINE: good; the new configuration was refused: "
            "connmon.yaml:3: link.fall: must be a number connmon.yaml:4: x: unknown key"
        )


@pytest.mark.parametrize("text", ["two\nlines", "READY=1\nMAINPID=1", "long " * 1000, "\ud800 and é"])
def test_a_text_cannot_become_another_assignment(tmp_path: Path, text: str) -> None:
    with a_manager(tmp_path) as manager:
        SystemdAnnouncer(NotificationSocket(manager.address), watchdog=None).status(text)
        (message,) = manager.read()
        assert message.startswith("STATUS=") and "\n" not in message and len(message) <= LONGEST_STATUS + 7


def test_an_abstract_socket_is_found() -> None:
    name = f"connmon-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        NotificationSocket(f"@{name}").send("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    NotificationSocket(str(tmp_path / "nobody")).send("READY=1")


def test_what_a_busy_manager_could_not_take_comes_later_and_in_order(tmp_path: Path) -> None:
    with a_manager(tmp_path) as manager:
        way = NotificationSocket(manager.address)
        sent = [f"STATUS={number}" for number in range(100)]
        for message in sent:  # more than the kernel queues (net.unix.max_dgram_qlen, 10 by default)
            way.send(message)
        received = manager.read()
        while len(received) < len(sent):
            way.send("WATCHDOG=1")
            received += [message for message in manager.read() if message != "WATCHDOG=1"]
        assert received == sent


def test_a_watchdog_is_ours_unless_it_names_another_process() -> None:
    def watchdog(**variables: str) -> float | None:
        found = take_notification({"NOTIFY_SOCKET": "/run/x", **variables}, 100)
        assert found is not None
        return found[1]

    assert watchdog(WATCHDOG_USEC="30000000") == 30.0
    assert watchdog(WATCHDOG_USEC="30000000", WATCHDOG_PID="100") == 30.0
    assert watchdog(WATCHDOG_USEC="30000000", WATCHDOG_PID="101") is None
    assert watchdog() is watchdog(WATCHDOG_USEC="0") is watchdog(WATCHDOG_USEC="soon") is None


@pytest.mark.parametrize("address", ["", "relative", "@", "vsock:2:1234"])
def test_without_a_socket_of_a_known_kind_there_is_no_manager(address: str) -> None:
    assert take_notification({"NOTIFY_SOCKET": address}, 1) is None


def test_children_inherit_no_variable_of_the_manager() -> None:
    environment = {
        "NOTIFY_SOCKET": "/run/x",
        "WATCHDOG_USEC": "1",
        "WATCHDOG_PID": "1",
        "LISTEN_PID": "1",
        "LISTEN_FDS": "0",
        "LISTEN_FDNAMES": "",
        "LISTEN_PIDFDID": "7",
        "STATE_DIRECTORY": "/var/lib/x",
    }
    assert join_manager(environment, 1) is not None
    assert environment == {"STATE_DIRECTORY": "/var/lib/x"}

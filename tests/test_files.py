"""What lies in a file's place and is none: refused at once, whoever would read it."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from connmon_agent.errors import ClusterError, ConfigurationError, ConnmonError, StoreError
from connmon_agent.files import NotAFile, TooLarge, read_file, refuse_special
from connmon_agent.kube.kubeconfig import Access, Places, read_access
from connmon_agent.loading.documents import read_bytes
from connmon_agent.presence import LOCK_FILE, AgentLock, find_agent
from connmon_agent.runtime.logs import MAIN_LOG, Log
from connmon_agent.settings import LoggingSettings
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.opening import open_store
from connmon_agent.store.readonly import open_readonly

# A test that opened one of these as a file would never end.
Place = Callable[[Path], None]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    """It never ends."""
    path.symlink_to("/dev/zero")


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


SPECIALS = {pipe: "it is a named pipe, not a file", device: "it is a device, not a file", listener: "it is a socket"}


@pytest.fixture(params=SPECIALS, ids=lambda place: str(place.__name__))
def place(request: pytest.FixtureRequest) -> Place:
    made: Place = request.param
    return made


@pytest.mark.linux_alone(reason="pipes and devices among the files")
def test_what_is_no_file_is_neither_read_nor_opened(place: Place, tmp_path: Path) -> None:
    place(tmp_path / "x")
    for refuse in (lambda: read_file(tmp_path / "x", 100), lambda: refuse_special(tmp_path / "x")):
        with pytest.raises(NotAFile) as caught:
            refuse()
        assert str(caught.value.strerror).startswith(SPECIALS[place])


@pytest.mark.linux_alone(reason="symbolic links, which only administrators make on Windows")
def test_a_file_is_read_whole_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"y" * 2_000_000)
    (tmp_path / "link").symlink_to(tmp_path / "x")
    assert len(read_file(tmp_path / "link", 2_000_000)) == 2_000_000
    with pytest.raises(TooLarge, match="larger than 1 MB"):
        read_file(tmp_path / "x", 1_999_999)


def test_the_null_device_is_as_good_as_an_empty_file() -> None:
    """KUBECONFIG=/dev/null is what people write for none at all."""
    assert read_file(Path(os.devnull), 100) == b""
    refuse_special(Path(os.devnull))


def test_what_is_not_there_or_a_folder_is_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "x", 100)
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path, 100)
    refuse_special(tmp_path / "x")
    refuse_special(tmp_path)


def read_configuration(folder: Path, place: Place) -> None:
    place(folder / "connmon.yaml")
    read_bytes(folder / "connmon.yaml")


def read_kubeconfig(folder: Path, place: Place) -> Access:
    place(folder / "kubeconfig")
    return read_access(folder / "kubeconfig", None, Places({}, home=folder, k3s=folder, service_account=folder))


def read_token(folder: Path, place: Place) -> Access:
    place(folder / "token")
    (folder / "kubeconfig").write_text(
        """{"clusters": [{"name": "a", "cluster": {"server": "https://192.0.2.1"}}],
        "users": [{"name": "a", "user": {"tokenFile": "token"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}], "current-context": "a"}"""
    )
    return read_access(folder / "kubeconfig", None, Places({}, home=folder, k3s=folder, service_account=folder))


def look_for_agent(folder: Path, place: Place) -> None:
    place(folder / LOCK_FILE)
    find_agent(folder)


def become_agent(folder: Path, place: Place) -> None:
    place(folder / LOCK_FILE)
    AgentLock(folder).acquire()


def begin_log(folder: Path, place: Place) -> None:
    place(folder / MAIN_LOG)
    Log(LoggingSettings(dir=folder))


def read_memory(folder: Path, place: Place) -> None:
    place(folder / DATABASE_FILE)
    open_readonly(folder / DATABASE_FILE)


def open_memory(folder: Path, place: Place) -> None:
    place(folder / DATABASE_FILE)
    open_store(folder / DATABASE_FILE, wall=lambda: 0.0, trace=None)


def open_memory_beside_a_log(folder: Path, place: Place) -> None:
    place(folder / f"{DATABASE_FILE}-wal")
    open_store(folder / DATABASE_FILE, wall=lambda: 0.0, trace=None)


USES = {
    read_configuration: ConfigurationError,
    read_kubeconfig: ClusterError,
    read_token: ClusterError,
    look_for_agent: ConnmonError,
    become_agent: ConnmonError,
    begin_log: ConnmonError,
    read_memory: StoreError,
    open_memory: StoreError,
    open_memory_beside_a_log: StoreError,
}


@pytest.mark.linux_alone(reason="pipes and devices among the files")
@pytest.mark.parametrize("use", USES, ids=lambda use: str(use.__name__))
def test_whoever_would_use_it_says_what_lies_there(
    use: Callable[[Path, Place], object], place: Place, tmp_path: Path
) -> None:
    with pytest.raises(USES[use]) as caught:
        use(tmp_path, place)
    assert "not a file" in str(caught.value)

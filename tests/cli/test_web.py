"""`connmon-agent web` as a process: its address, its end, its sockets, and what it is told to do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.fakes.local_sites import LocalAgent, environment_of_commands
from tests.fakes.memories import live_through_an_outage
from tests.fakes.statefiles import is_root, with_reading_rights_only

from connmon_agent.cli import connmon_agent
from connmon_agent.cli.web import warn_of_listening
from connmon_agent.presence import AgentLock
from connmon_agent.settings import WebSettings
from connmon_agent.store import DATABASE_FILE

PATIENCE = 120.0  # seconds; for what takes a fraction of one, unless the machine stands still
TOKEN = "a-token-that-is-long-enough"
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def spawn(*arguments: str | Path, **settings: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "connmon_agent", *map(str, arguments)],
        env=environment_of_commands(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **settings,
    )


@contextmanager
def serving(*arguments: str | Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The page's address and its process, which is gone when the block is left."""
    process = spawn(*arguments)
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline().strip()
        assert line.startswith("http://"), process.stderr.read()
        yield line, process
    finally:
        process.kill()
        process.communicate()


def ask(url: str, body: object = None, **fields: str) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {name.replace("_", "-"): value for name, value in fields.items()})
    with _OPENER.open(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read())


def end(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(PATIENCE)


def run(*arguments: str | Path) -> Any:
    return CliRunner().invoke(connmon_agent, [str(word) for word in arguments])


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    live_through_an_outage(folder)
    with AgentLock(folder):
        pass
    return folder


def test_its_first_line_is_its_address(state: Path) -> None:
    with serving("--state-dir", state, "web", "--listen", "127.0.0.1:0") as (address, process):
        found = ask(f"{address}api/state")
        assert (found["link"]["state"], found["watch"]["state"]) == ("ONLINE", "dead")
        assert process.poll() is None


@pytest.mark.linux_alone(reason="Windows has no signal that ends a process in order")
def test_it_ends_in_order_with_many_who_watch(state: Path) -> None:
    with serving("--state-dir", state, "web", "--listen", "127.0.0.1:0") as (address, process):
        port = int(address.rstrip("/").rpartition(":")[2])
        watching = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(50)]
        for one in watching:
            one.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one.recv(64).startswith(b"HTTP/1.1 200")
        assert end(process) == 0
        for one in watching:
            one.close()
        assert process.stderr is not None and process.stderr.read() == ""


def test_a_port_that_is_taken_is_told_with_who_has_it(state: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        process = spawn("--state-dir", state, "web", "--listen", f"127.0.0.1:{port}")
        output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, output) == (1, "")
    assert errors.startswith(f"Error: the page cannot be served on 127.0.0.1:{port}: in use by ")
    assert errors.endswith("Stop it, or choose another port with --listen or web.listen.\n")
    if sys.platform == "linux":
        assert f"(pid {os.getpid()})" in errors


def test_an_address_of_another_machine_is_told(state: Path) -> None:
    process = spawn("--state-dir", state, "web", "--listen", "192.0.2.1:0")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "the page cannot be served on 192.0.2.1:0" in errors
    assert "can be reached from other machines" in errors


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--listen", "nonsense"), "is no IP address and port"),
        (("--listen", "erp.example:80"), "is no IP address and port"),
        (("--listen", "127.0.0.1:70000"), "is no IP address and port"),
        (("--idle-timeout", "soon"), "is no duration"),
        (("--idle-timeout", "0"), "is no duration"),
    ],
)
def test_a_wrong_option_is_wrong_usage(state: Path, arguments: tuple[str, ...], words: str) -> None:
    result = run("--state-dir", state, "web", *arguments)
    assert (result.exit_code, words in result.stderr) == (2, True)


def test_a_token_that_is_too_short_is_refused_at_the_start(state: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("short", encoding="utf-8")
    process = spawn("--state-dir", state, "web", "--listen", "127.0.0.1:0", "--token-file", token)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and f"the token in {token} is too short" in errors


def test_it_takes_its_place_from_the_configuration(tmp_path: Path) -> None:
    config = tmp_path / "connmon.yaml"
    config.write_text("web: {listen: null}\nservices: {}\n", encoding="utf-8")
    process = spawn("--config", config, "web")
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1 and "web.listen is null" in errors
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    config.write_text(f"web: {{listen: '127.0.0.1:{port}', allowed_hosts: [erp.example]}}\nservices: {{}}\n", "utf-8")
    with serving("--config", config, "web") as (address, _):
        assert address == f"http://127.0.0.1:{port}/"
        assert ask(f"{address}api/state", Host="erp.example")["watch"]["state"] == "never"
        with pytest.raises(urllib.error.HTTPError, match="421"):
            ask(f"{address}api/state", Host="other.example")


def test_it_ends_by_itself_when_nobody_comes(state: Path) -> None:
    process = spawn("--state-dir", state, "web", "--listen", "127.0.0.1:0", "--idle-timeout", "100ms")
    output, errors = process.communicate(timeout=PATIENCE)
    assert (process.returncode, errors) == (0, "") and output.startswith("http://127.0.0.1:")


@pytest.mark.linux_alone(reason="sockets of systemd")
def test_it_serves_the_socket_that_systemd_has_made(state: Path) -> None:
    """Whoever connected before it ran is answered by it."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
        client = socket.create_connection(("127.0.0.1", port), PATIENCE)
        client.sendall(b"GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n")
        script = f'exec 3<&{listening.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
        command = [sys.executable, "-m", "connmon_agent", "--state-dir", str(state), "web", "--idle-timeout", "100ms"]
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            env=environment_of_commands(),
            pass_fds=[listening.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        )
        answered = client.makefile("rb").read()
        client.close()
        output, _ = process.communicate(timeout=PATIENCE)
    assert answered.startswith(b"HTTP/1.1 200") and b'"headline"' in answered
    assert (process.returncode, output) == (0, f"http://127.0.0.1:{port}/\n")


@pytest.mark.linux_alone(reason="users by number, and rights by mode")
@pytest.mark.skipif(not is_root(), reason="only root can become somebody else")
def test_somebody_who_may_only_read_the_directory_sees_it_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = Path(tempfile.mkdtemp(prefix="connmon-web-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        live_through_an_outage(folder)
        with AgentLock(folder):
            pass

        def work() -> None:
            from connmon_agent.cli.web_views import FileViews  # here, as somebody else

            found = FileViews(folder / DATABASE_FILE, orders=False).state().document
            assert (found["link"]["state"], found["file"]["read_only"]) == ("ONLINE", True)

        from connmon_agent.cli import web_views  # before: somebody else may not be able to read the modules

        assert web_views
        assert with_reading_rights_only(folder, work) == 0
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


@pytest.mark.parametrize(
    ("address", "settings", "warnings"),
    [
        ("127.0.0.1", WebSettings(), 0),
        ("::1", WebSettings(), 0),
        ("192.0.2.10", WebSettings(), 1),
        ("0.0.0.0", WebSettings(), 2),
        ("::", WebSettings(allowed_hosts=("erp",)), 1),
        ("192.0.2.10", WebSettings(token_file=Path("token")), 2),
    ],
)
def test_a_page_for_other_machines_is_warned_about(address: str, settings: WebSettings, warnings: int) -> None:
    found = warn_of_listening(address, settings)
    assert len(found) == warnings and all("\n" not in line for line in found)


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_beside_a_live_agent_it_shows_it_and_passes_orders_on(running: LocalAgent, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN, encoding="utf-8")
    fields = {"Content_Type": "application/json", "X_Connmon_Token": TOKEN}
    options = ("--listen", "127.0.0.1:0", "--token-file", token)
    with serving("--state-dir", running.state, "web", *options) as (address, _):
        found = ask(f"{address}api/state")
        assert (found["headline"]["word"], found["watch"]["state"]) == ("ONLINE", "live")
        assert found["watch"]["text"].startswith(f"The agent is running (pid {running.process.pid}")
        assert ask(f"{address}api/orders", {"order": "pause"}, **fields)["running"] is True
        paused = ask(f"{address}api/state")
        assert paused["agent"]["paused"] and paused["headline"]["notes"][0].startswith("PAUSED")
        assert ask(f"{address}api/orders", {"order": "resume"}, **fields)["accepted"] is True
        assert ask(f"{address}api/decisions?limit=1")["decisions"][0]["event"] == "Ordered"
        with pytest.raises(urllib.error.HTTPError, match="409") as refused:
            ask(f"{address}api/orders", {"order": "recover", "services": ["nosuch"]}, **fields)
        assert "unknown service: nosuch" in json.loads(refused.value.read())["error"]["message"]
        assert ask(f"{address}api/explain/web")["state"] == "READY"


def test_without_an_agent_an_order_is_recorded(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    token = tmp_path / "token"
    token.write_text(TOKEN, encoding="utf-8")
    options = ("--listen", "127.0.0.1:0", "--token-file", token)
    with serving("--state-dir", tmp_path, "web", *options) as (address, _):
        fields = {"Content_Type": "application/json", "X_Connmon_Token": TOKEN}
        answer = ask(f"{address}api/orders", {"order": "pause"}, **fields)
        assert answer["running"] is False and "takes effect when the agent next starts" in answer["message"]
        assert ask(f"{address}api/state")["agent"]["paused"]

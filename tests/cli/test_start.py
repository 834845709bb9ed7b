"""The agent as a process: how it begins, how it ends, and what keeps it from beginning."""

import errno
import json
import os
import re
import shutil
import signal
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.fakes.local_sites import SOURCE_ROOT, LocalAgent, LocalSite
from tests.fakes.system_wording import worded

from connmon_agent.cli import connmon_agent
from connmon_agent.core.events import AgentStarted, AgentStopped, Event
from connmon_agent.runtime import build
from connmon_agent.runtime.control_transports.unix_socket import FILE_NAME as SOCKET
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_lab.kubernetes import Hang

if sys.platform != "win32":
    import resource

ERROR_PATH_NOT_FOUND, ERROR_INVALID_NAME, ERROR_ALREADY_EXISTS = 3, 123, 183  # winerror.h


def events_of(agent: LocalAgent) -> list[Event]:
    with closing(Reader(agent.state / DATABASE_FILE)) as reader:
        return [row.event for row in reader.recorded()]


# How it ends.


@pytest.mark.linux_alone(reason="signals of others that end in order")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_ends_it_in_order(agent: LocalAgent, number: signal.Signals) -> None:
    agent.start()
    assert agent.end(number) == 0
    assert re.search(rf"agent: stopped: {number.name} \[\d+\]$", agent.log.splitlines()[-1])
    last = events_of(agent)[-1]
    assert isinstance(last, AgentStopped) and last.reason == number.name
    assert not (agent.state / SOCKET).exists()
    assert agent.run("status").exit_code == 3


def test_it_ends_in_order_while_the_api_keeps_silent(site: LocalSite, agent: LocalAgent) -> None:
    rule = site.api.faults.add(Hang(), times=None)
    try:
        agent.start()
        assert agent.end() == 0
    finally:
        site.api.faults.remove(rule)


def test_it_goes_on_after_kill_9(agent: LocalAgent) -> None:
    agent.start()
    agent.until_service("db", "READY")
    agent.kill()
    if sys.platform != "win32":
        assert (agent.state / SOCKET).exists(), "a killed agent leaves its socket behind"
    agent.start()
    assert agent.run("pause").exit_code == 0
    started = [event.pid for event in events_of(agent) if isinstance(event, AgentStarted)]
    assert len(started) == 2 and started[-1] == agent.process.pid
    agent.verify()


# What keeps it from beginning.


def test_a_second_agent_on_the_same_state_is_refused(running: LocalAgent) -> None:
    refused = running.run("start")
    words = refused.stderr
    assert refused.exit_code == 1
    assert words.startswith(f"Error: another agent (pid {running.process.pid}) already runs on the state directory")
    assert "\nStop it with `connmon-agent stop`" in words
    assert running.process.poll() is None


@pytest.mark.parametrize(
    ("name", "content", "key"),
    [
        ("system_config.json", '{"ConnectionMonitor": {"Enabled": false}}', "ConnectionMonitor.Enabled"),
        ("connmon.yaml", "start: {enabled: false}\n", "start.enabled"),
    ],
)
def test_a_configuration_that_disables_the_agent_refuses_its_start(
    tmp_path: Path, name: str, content: str, key: str
) -> None:
    path, state = tmp_path / name, tmp_path / "state"
    path.write_text(content)
    refused = CliRunner().invoke(connmon_agent, ["--config", str(path), "--state-dir", str(state), "start"])
    told = f"Error: {path}: {key} is false, so the agent is not started\nSet it to true to start the agent.\n"
    assert (refused.exit_code, refused.stderr) == (2, told)
    assert not state.exists()


def test_a_configuration_that_cannot_be_used_is_told_whole(agent: LocalAgent) -> None:
    agent.write("link: {fall: x}\nrecovery: {parallel: 0}\nnonsense: 1\n")
    refused = agent.run("start")
    assert refused.exit_code == 2
    assert [key for key in ("link.fall", "recovery.parallel", "nonsense") if key not in refused.stderr] == []
    assert not agent.state.exists()


def test_a_chart_that_cannot_be_used_is_told(
    agent: LocalAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    charts = shutil.copytree(SOURCE_ROOT.parent / "statecharts", tmp_path / "statecharts")
    chart = charts / "link.yaml"
    chart.write_text(chart.read_text().replace("trigger: round_good", "trigger: round_god"))
    monkeypatch.setattr(build, "find_charts_folder", lambda: charts)
    refused = agent.run("start")
    assert refused.exit_code == 2
    assert "link.yaml:" in refused.stderr and "round_god" in refused.stderr
    assert not agent.state.exists()


IMPOSSIBLE = "a?b" if sys.platform == "win32" else "/proc/connmon"  # where nothing can be made


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("file", worded(errno.EEXIST, ERROR_ALREADY_EXISTS)),
        ("file/deeper", worded(errno.ENOTDIR, ERROR_PATH_NOT_FOUND)),
        (IMPOSSIBLE, worded(errno.ENOENT, ERROR_INVALID_NAME)),
    ],
    ids=["a file", "below a file", "where nothing can be made"],
)
def test_a_state_directory_that_cannot_be_made_is_named(
    agent: LocalAgent, tmp_path: Path, place: str, why: str
) -> None:
    (tmp_path / "file").touch()
    agent.configuration["state_dir"] = str(tmp_path / place)
    agent.write()
    result = agent.run("start")
    assert result.exit_code == 1
    assert result.stderr == (
        f"Error: the state directory {tmp_path / place} cannot be made: {why}\n"
        "Create it and make the agent's user its owner, or use another --state-dir.\n"
    )


# What does not keep it from watching.


def test_a_damaged_state_file_is_set_aside_and_told(agent: LocalAgent) -> None:
    agent.state.mkdir()
    (agent.state / DATABASE_FILE).write_bytes(b"SQLite format 3\0" + b"\xa5" * 8000)
    agent.start()
    (kept,) = agent.state.glob(f"{DATABASE_FILE}.corrupt-*Z")
    assert (
        f"error    agent: the state file was damaged (file is not a database); it was renamed to {kept.name}"
        in agent.log
    )


def test_without_a_kubeconfig_it_watches_the_link_and_says_why_it_knows_nothing_of_the_services(
    agent: LocalAgent,
) -> None:
    right = agent.configuration["kubernetes"]["kubeconfig"]
    agent.configuration["kubernetes"]["kubeconfig"] = "none"
    agent.write()
    agent.start()
    agent.until_said("web: UNKNOWN: the kubeconfig")
    assert agent.service("web")["state"] == "UNKNOWN"
    assert "does not exist. Correct kubernetes.kubeconfig" in agent.service("web")["reason"]
    agent.configuration["kubernetes"]["kubeconfig"] = right
    agent.write()
    agent.reload()
    agent.until_service("web", "READY")


def test_with_an_api_that_refuses_connections_it_watches_the_link(agent: LocalAgent, tmp_path: Path) -> None:
    file = tmp_path / "kubeconfig"
    document = json.loads(file.read_text())
    document["clusters"][0]["cluster"]["server"] = "http://127.0.0.1:1"
    file.write_text(json.dumps(document))
    agent.start()
    agent.until_said("web: UNKNOWN: http://127.0.0.1:1 cannot be reached: connection refused")
    agent.until_link("ONLINE")


@pytest.mark.linux_alone(reason="a limit on the size of files, set for another process")
def test_with_a_full_disk_it_watches_and_takes_no_orders(agent: LocalAgent) -> None:
    agent.start()
    agent.until_service("web", "READY")
    _, hard = resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(agent.process.pid, resource.RLIMIT_FSIZE, (4096, hard))
    refused = agent.run("pause")
    assert refused.exit_code == 1
    assert re.search(r"cannot (record event|note the newest round)", refused.stderr)
    assert "nothing is restarted" in refused.stderr
    agent.until_said("the state file cannot be written, so nothing is restarted")
    assert agent.status()["agent"]["running"] and not agent.status()["agent"]["paused"]
    assert agent.end() == 0
    assert "Traceback" not in agent.log


def test_a_log_that_nobody_reads_ends_nothing(agent: LocalAgent) -> None:
    read, write = os.pipe()
    os.close(read)
    agent.start(log=write)
    os.close(write)
    assert agent.run("pause").exit_code == 0
    assert agent.end() == 0
    assert isinstance(events_of(agent)[-1], AgentStopped)


# Another configuration while it runs.


def test_a_new_configuration_is_taken_over_whole(agent: LocalAgent) -> None:
    agent.start()
    agent.until_service("web", "READY")
    agent.configuration["services"] = {"db": {}, "jobs": {}}
    agent.write()
    agent.reload()
    agent.until_said(f"configuration reloaded from {agent.file}")
    assert [service["name"] for service in agent.status()["services"]] == ["db", "jobs"]


def test_another_log_is_turned_to(agent: LocalAgent, tmp_path: Path) -> None:
    agent.start()
    agent.configuration["logging"] = {"dir": str(tmp_path / "logs"), "format": "json"}
    agent.write()
    agent.reload()
    agent.until_said("configuration reloaded")
    lines = (tmp_path / "logs" / "connection_monitor.log").read_text().splitlines()
    assert any("configuration reloaded" in json.loads(line)["text"] for line in lines)


BAD_CONFIGURATIONS = {
    "link: {fall: x}\nnonsense: 1\n": ("link.fall: must be", "nonsense: unknown key"),
    "link: [\n": ("this is not YAML",),
    "state_dir: elsewhere\n": ("state_dir cannot change while the agent runs",),
}


@pytest.mark.linux_alone(reason="pipes among the files")
def test_a_pipe_in_the_place_of_the_configuration_holds_up_nothing(agent: LocalAgent) -> None:
    agent.start()
    agent.until_service("web", "READY")
    agent.file.unlink()
    os.mkfifo(agent.file)
    agent.reload()
    agent.until_said("configuration not reloaded: ")
    assert "it is a named pipe, not a file" in agent.log
    agent.file.unlink()
    agent.write()
    agent.reload()
    agent.until_said("configuration reloaded")


def test_a_configuration_that_cannot_be_used_changes_nothing(agent: LocalAgent) -> None:
    agent.start()
    for text, words in BAD_CONFIGURATIONS.items():
        agent.write(text)
        agent.reload()
        for expected in words:
            agent.until_said(expected)
    complaints = [line for line in agent.log.splitlines() if " error " in line]
    assert all("agent: configuration not reloaded: " in line for line in complaints)
    assert [service["name"] for service in agent.status()["services"]] == ["web", "db"]
    assert agent.end() == 0
    assert "Traceback" not in agent.log

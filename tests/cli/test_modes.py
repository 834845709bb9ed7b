"""The modes of `start`, and `stop`, `restart` and `reload`: the real command, with the agent in the background."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import IO

import psutil
import pytest
from tests.fakes.local_sites import PATIENCE, LocalAgent, LocalSite, environment_of_commands, frozen

from connmon_agent.core.events import AgentStarted, AgentStopped
from connmon_agent.presence import LOCK_FILE, AgentLock, Holder, Signature, find_agent, find_holder
from connmon_agent.private_files import FOLDER
from connmon_agent.processes import find_birth
from connmon_agent.runtime.logs import LAUNCHER_LOG, MAIN_LOG
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_lab.kubernetes import Hang

if sys.platform != "win32":
    import pty

pytestmark = pytest.mark.skipif(sys.platform == "darwin", reason="looks at processes in /proc")
of_terminals = pytest.mark.linux_alone(reason="terminals, their signals, and processes in /proc")


@pytest.fixture
def site_agent(agent: LocalAgent) -> Iterator[LocalAgent]:
    """An agent whose process in the background is never left behind."""
    yield agent
    with suppress(psutil.NoSuchProcess):
        if pid := find_agent(agent.state):
            psutil.Process(pid).kill()


def holder_of(agent: LocalAgent) -> Holder:
    holder = find_holder(agent.state)
    assert holder is not None
    return holder


def on_terminal(agent: LocalAgent, *arguments: str) -> tuple[subprocess.Popen[bytes], tuple[int, int]]:
    """Give a command on a terminal of its own, to a shell that goes on; returns the shell and the terminal's ends."""
    end, terminal = pty.openpty()
    script = 'exec <"$0" >"$0" 2>&1; "$@"; echo "code $?"; exec sleep 600'  # the first open makes it the session's
    command = [sys.executable, "-m", "connmon_agent", "--config", str(agent.file), *arguments]
    shell = subprocess.Popen(["sh", "-c", script, os.ttyname(terminal), *command], start_new_session=True)
    return shell, (end, terminal)


def read_until(end: int, words: str) -> str:
    read = b""
    while words.encode() not in read:
        read += os.read(end, 4096)
    return read.decode()


@of_terminals
def test_an_agent_in_the_background_outlives_its_terminal(site_agent: LocalAgent) -> None:
    shell, ends = on_terminal(site_agent, "start", "--mode", "BackGround")
    try:
        said = read_until(ends[0], "code ")
    finally:
        for end in ends:  # the terminal vanishes
            os.close(end)
        ended = shell.wait(PATIENCE)
    assert ended == -signal.SIGHUP
    holder = holder_of(site_agent)
    assert f"connmon-agent is running in the background (pid {holder.pid}). " in said
    assert f"Log: {site_agent.state / 'logs' / MAIN_LOG}\r\n" in said
    # Its logs made no state directory that others may enter.
    assert stat.S_IMODE(site_agent.state.stat().st_mode) == FOLDER
    # It has nothing of its starter's, and goes on.
    assert os.getsid(holder.pid) == holder.pid
    assert os.readlink(f"/proc/{holder.pid}/cwd") == "/"
    open_files = [os.readlink(f"/proc/{holder.pid}/fd/{number}") for number in range(3)]
    assert open_files == ["/dev/null", "/dev/null", str(site_agent.state / "logs" / LAUNCHER_LOG)]
    with suppress(FileNotFoundError):  # a file that it has closed since
        for file in Path(f"/proc/{holder.pid}/fd").iterdir():
            assert not os.readlink(file).startswith("/dev/pts")
    assert site_agent.run("pause").exit_code == 0
    assert holder_of(site_agent) == holder
    assert holder.signature == Signature("background", str(site_agent.file), str(site_agent.state / "logs"), 30.0)

    stopped = site_agent.run("stop")
    assert stopped.exit_code == 0, stopped.output
    assert stopped.stdout.startswith(f"The agent (pid {holder.pid}) stopped after ")
    assert find_birth(holder.pid) is None and find_agent(site_agent.state) is None
    again = site_agent.run("stop")
    assert again.exit_code == 3
    assert again.stderr.startswith(f"Error: no agent is running on the state directory {site_agent.state}\n")


def test_relative_paths_of_the_environment_mean_the_starters_working_directory(site_agent: LocalAgent) -> None:
    del site_agent.configuration["state_dir"]  # the variable's counts
    site_agent.write()
    named = {"STATE_DIRECTORY": site_agent.state.name, "LOGS_DIRECTORY": "logs here"}
    command = [sys.executable, "-m", "connmon_agent", "--config", site_agent.file.name]

    def give(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**environment_of_commands(), **named}
        return subprocess.run(
            [*command, *arguments], cwd=site_agent.folder, env=environment, capture_output=True, text=True, check=False
        )

    started = give("start", "--mode", "background")
    assert f"Log: {site_agent.folder / 'logs here' / MAIN_LOG}\n" in started.stdout, started.stderr
    reloaded = give("reload")
    assert reloaded.returncode == 0, reloaded.stderr
    assert give("stop").returncode == 0


def test_a_start_in_the_background_that_fails_says_the_agents_own_reason(site_agent: LocalAgent) -> None:
    with AgentLock(make(site_agent.state)):
        refused = site_agent.run("start", "--mode", "background")
        assert refused.exit_code == 1
        assert f"another agent (pid {os.getpid()}) already runs on the state directory" in refused.stderr
        # For a scheduler that starts it again and again all is well.
        task = site_agent.run("start", "--mode", "task")
        assert (task.exit_code, task.stderr) == (0, "")
        assert task.stdout == (
            f"another agent (pid {os.getpid()}) already runs on the state directory {site_agent.state}: nothing to do\n"
        )
    launched = (site_agent.state / "logs" / LAUNCHER_LOG).read_text()
    assert "start --mode background: another agent" in launched
    site_agent.write("nonsense: 1\n")
    wrong = site_agent.run("start", "--mode", "background")
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith(f"Error: {site_agent.file}:1: nonsense: unknown key")
    assert find_agent(site_agent.state) is None


def make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_restart_keeps_the_mode_and_the_configuration_and_never_stops_for_a_mistake(site_agent: LocalAgent) -> None:
    site_agent.configuration["stop_timeout"] = "1s"
    site_agent.write()
    assert site_agent.run("start", "--mode", "background").exit_code == 0
    first = holder_of(site_agent)

    # A reload says whether the new configuration is in force.
    done = site_agent.run("reload")
    assert (done.exit_code, done.stdout) == (0, f"The configuration is in force: {site_agent.file}\n")
    site_agent.write("link: {fall: x}\nnonsense: 1\n")
    refused = site_agent.run("--state-dir", str(site_agent.state), "reload")
    assert refused.exit_code == 2
    assert refused.stderr.startswith("Error: the new configuration is refused; the previous one stays in force:\n")
    assert "link.fall: must be" in refused.stderr and "nonsense: unknown key" in refused.stderr

    # A restart with that configuration leaves the agent alone.
    wrong = site_agent.run("--state-dir", str(site_agent.state), "restart")
    assert wrong.exit_code == 2 and holder_of(site_agent) == first

    site_agent.write()
    restarted = run_without_config(site_agent, "restart")
    assert restarted.returncode == 0, restarted.stderr
    second = holder_of(site_agent)
    assert second.pid != first.pid and second.signature == first.signature
    assert f"(pid {second.pid})" in restarted.stdout

    # An agent that does not answer is killed with --force alone.
    with frozen(second.pid):
        forced = site_agent.run("stop", "--force")
    assert forced.exit_code == 0, forced.output
    assert forced.stdout.startswith(f"The agent (pid {second.pid}) did not exit in time and was killed after ")
    with closing(Reader(site_agent.state / DATABASE_FILE)) as reader:
        lives = [row.event for row in reader.recorded() if isinstance(row.event, AgentStarted | AgentStopped)]
    assert [type(event) for event in lives] == [AgentStarted, AgentStopped, AgentStarted]
    site_agent.verify()


def run_without_config(agent: LocalAgent, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command knows the state directory alone."""
    return subprocess.run(
        [sys.executable, "-m", "connmon_agent", "--state-dir", str(agent.state), *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=agent.state,
    )


@of_terminals
def test_a_restart_whose_terminal_vanishes_or_takes_nothing_leaves_an_agent(site_agent: LocalAgent) -> None:
    assert site_agent.run("start", "--mode", "background").exit_code == 0
    first = holder_of(site_agent)
    with open("/dev/full", "w") as full:
        assert give(site_agent, "restart", stdout=full).wait(PATIENCE) == 1
    second = holder_of(site_agent)
    assert second.pid != first.pid
    os.kill(second.pid, signal.SIGSTOP)
    launched = site_agent.state / "logs" / LAUNCHER_LOG
    begun = launched.read_text().count(": stop\n")
    with give(site_agent, "restart", stdout=subprocess.DEVNULL) as restarting:
        until = time.monotonic() + PATIENCE
        while launched.read_text().count(": stop\n") == begun:
            assert time.monotonic() < until
            time.sleep(0.02)
        restarting.send_signal(signal.SIGHUP)
        os.kill(second.pid, signal.SIGCONT)
        assert restarting.wait(PATIENCE) == 0
    assert holder_of(site_agent).pid not in (first.pid, second.pid)


def give(agent: LocalAgent, *arguments: str, stdout: IO[str] | int) -> subprocess.Popen[str]:
    """Begin a command in a process of its own."""
    command = [sys.executable, "-m", "connmon_agent", "--config", str(agent.file), *arguments]
    return subprocess.Popen(command, env=environment_of_commands(), stdout=stdout, text=True)


def test_a_restart_under_way_is_left_to_the_next_start_which_repeats_none(tmp_path: Path) -> None:
    with LocalSite("db").running() as site:  # its own: what is restarted here shows in the cluster
        agent = LocalAgent(tmp_path, {**site.configuration(tmp_path, ["db"]), "stop_timeout": "1s"})
        try:
            end_amid_a_restart(site, agent)
            agent.verify()
        finally:
            agent.bury()


def end_amid_a_restart(site: LocalSite, agent: LocalAgent) -> None:
    """By force; ends in order are drawn in tests/runtime/test_stops_midway.py."""
    agent.start()
    agent.until_service("db", "READY")
    assert agent.run("rearm").exit_code == 0
    after = generation_of(site) + 1
    rule = site.api.faults.add(Hang(processed=True), method="PATCH", path="db")  # it is applied, and never answered
    try:
        agent.order("recover", "db")
        agent.until(partial(has_generation, site, after), "restart")
        with agent.frozen():
            stopped = agent.run("stop", "--force")
    finally:
        site.api.faults.remove(rule)
    assert stopped.exit_code == 0, stopped.output
    assert agent.process.wait(PATIENCE) != 0
    assert agent.service("db")["intent"] is not None
    agent.start()
    agent.until(lambda: agent.service("db")["intent"] is None, "answer of the cluster")
    agent.until_service("db", "READY")
    assert generation_of(site) == after
    assert agent.end() == 0


def has_generation(site: LocalSite, number: int) -> bool:
    return generation_of(site) == number


def generation_of(site: LocalSite) -> int:
    found = site.api.get("Deployment", "shop", "db")
    assert found is not None
    return int(found["metadata"]["generation"])


@pytest.mark.parametrize("birth", [True, False], ids=["a label with its birth", "a label with the holder's birth"])
def test_a_process_that_is_not_proven_to_be_the_agent_is_not_killed(site_agent: LocalAgent, birth: bool) -> None:
    """Another process has the id that the label names, and something else holds the lock: as beside a container."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as innocent:
        with AgentLock(make(site_agent.state), signature=Signature("foreground", stop_timeout=0.5)):
            label = json.loads((site_agent.state / LOCK_FILE).read_text())
            label["pid"] = innocent.pid
            if birth:
                label["birth"] = find_birth(innocent.pid)
            (site_agent.state / LOCK_FILE).write_text(json.dumps(label))
            refused = site_agent.run("stop", "--force")
            assert refused.exit_code == 1
            assert (
                f"process {innocent.pid} was not killed: it could not be identified as the agent of" in refused.stderr
            )
        assert innocent.poll() is None
        innocent.communicate(b"\n")


@pytest.mark.linux_alone(reason="a service manager that is told by the exit code to start it again")
def test_an_agent_of_a_service_manager_ends_so_that_it_is_started_again(site_agent: LocalAgent) -> None:
    log = site_agent.folder / "service.txt"
    command = [sys.executable, "-m", "connmon_agent", "--config", str(site_agent.file), "start", "--mode", "service"]
    with log.open("w") as stderr:
        first = subprocess.Popen(command, stderr=stderr)
        until = time.monotonic() + PATIENCE
        while find_agent(site_agent.state) in (None, 0) or not (site_agent.state / "control.sock").exists():
            assert time.monotonic() < until
            time.sleep(0.02)
        restart = subprocess.Popen([*command[:5], "restart"], stdout=subprocess.PIPE, text=True)
        code = first.wait(PATIENCE)
        second = subprocess.Popen(command, stderr=stderr)
        said, _ = restart.communicate(timeout=PATIENCE)
        assert (code, restart.returncode) == (75, 0)  # 75 makes a manager start it again
        assert f"Its service manager started it again (pid {second.pid})." in said
        assert site_agent.run("stop").exit_code == 0
        assert second.wait(PATIENCE) == 0  # what makes a manager leave it alone

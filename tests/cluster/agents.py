"""The agent as a site runs it: the real command in a process of its own, which can be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import Any

import yaml
from tests.cluster.places import PATIENCE
from tests.cluster.site import Json, Namespace

import connmon_agent
from connmon_agent.cli.rendering.status_document import status_document
from connmon_agent.cli.status import take_snapshot
from connmon_agent.errors import StoreError

SOURCE_ROOT = Path(connmon_agent.__file__).parents[1]

# Short, so that an outage takes seconds; a rollout may take its time, but less than PATIENCE: its reason is then read.
LINK: Json = {"check_interval": "1s", "confirm_interval": "200ms", "timeout": "1s", "hold": "1s"}
RECOVERY: Json = {"ready_timeout": "4m", "healthy_for": "1h", "backoff": {"first": "1s", "max": "2s"}}
# For a test in which no round may be bad because the machine is busy.
PATIENT: Json = {"check_interval": "5s", "offline_interval": "5s", "timeout": "5s"}
UNLOGGED = 0.2  # seconds between two looks at the state when nothing was logged
KUBERNETES: Json = {"connect_timeout": "2s", "read_timeout": "2s"}


class AgentProcess:
    """One agent on one state directory, in as many lives as a test gives it."""

    def __init__(
        self, namespace: Namespace, folder: Path, services: Iterable[str] | Json, *, kubeconfig: Path | None = None
    ) -> None:
        self.site = namespace.site
        self.namespace = namespace
        self.state_dir = folder / "state"
        self.config_file = folder / "connmon.yaml"
        self.config: Json = {
            "state_dir": str(self.state_dir),
            "link": {**LINK, "targets": self.site.targets},
            "recovery": dict(RECOVERY),
            "kubernetes": {**KUBERNETES, "kubeconfig": str(kubeconfig or self.site.kubeconfig)},
            "services": services if isinstance(services, dict) else {name: {"deployment": name} for name in services},
        }
        self.config["kubernetes"]["namespace"] = namespace.name
        self._life: _Life | None = None

    def configure(self, section: str, **changes: Any) -> None:
        """Change keys of one section; it holds from the next start or reload."""
        self.config[section].update(changes)
        self.config_file.write_text(yaml.safe_dump(self.config, sort_keys=False))

    # Lives.

    def start(self) -> None:
        """Begin a life; returns at once."""
        self.configure("link")
        self._life = _Life(self.site.within(self._command("start")))

    def start_calm(self, states: Collection[str] = ("READY",)) -> None:
        """Begin a life, and wait until the link is ONLINE, every service was seen and nobody's attempts are spent."""
        self.start()
        self.until_said("agent: configured")
        self.until_link("ONLINE")
        self.until(lambda status: {one["state"] for one in status["services"]} <= set(states), f"all {states}")
        self.order("rearm")

    def kill(self) -> None:
        """kill -9."""
        self._take_life().kill()

    def end(self, *, within: float = PATIENCE) -> int:
        """SIGTERM; returns the exit code, which must come ``within`` so many seconds."""
        os.kill(self.pid, signal.SIGTERM)
        return self._take_life().wait(within=within)

    def reload(self) -> None:
        """SIGHUP."""
        os.kill(self.pid, signal.SIGHUP)

    def bury(self) -> None:
        """Leave no process behind."""
        if self._life is not None:
            self.kill()

    @property
    def pid(self) -> int:
        """The agent's own process, not the command that put it behind the links."""
        return int(self.until(lambda status: status["agent"]["running"], "the agent runs")["agent"]["pid"])

    def _take_life(self) -> _Life:
        assert self._life is not None
        life, self._life = self._life, None
        return life

    # What it says.

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command on the same configuration and state directory."""
        command = self._command(*arguments)
        return subprocess.run(
            command, capture_output=True, text=True, env=_environment(), timeout=PATIENCE, check=False
        )

    def order(self, *arguments: str) -> None:
        """Give an operator's order, which must be carried out: once the link is ONLINE again, where a round was bad."""
        until = time.monotonic() + PATIENCE
        while (done := self.run(*arguments)).returncode != 0:
            assert "the link is DEGRADED" in done.stderr and time.monotonic() < until, done.stderr
            self.until_link("ONLINE")

    def read(self, *arguments: str) -> Json:
        """The JSON document that a command writes."""
        done = self.run(*arguments, "--json")
        assert done.returncode in (0, 3), done.stderr
        return dict(json.loads(done.stdout))

    def status(self) -> Json:
        """`status --json`."""
        return self.read("status")

    def services(self) -> dict[str, Json]:
        """The services of `status --json`, by name."""
        return {one["name"]: one for one in self.status()["services"]}

    def states(self) -> set[str]:
        """The states in which the services are."""
        return {one["state"] for one in self.status()["services"]}

    def outages(self) -> list[Json]:
        """`history --json`, the oldest first."""
        return list(self.read("history")["outages"])

    def link_story(self) -> list[str]:
        """The states of the link in the latest outage, from the one before it to the one after it."""
        steps = [
            step
            for event in self.read("replay", "latest")["events"]
            for step in event["transitions"]
            if step["chart"] == "link" and step["source"] != step["dest"]
        ]
        return [steps[0]["source"], *(step["dest"] for step in steps)]

    def until(self, condition: Callable[[Json], Any], what: str, *, within: float = PATIENCE) -> Json:
        """Wait until what `status --json` shows fulfils ``condition``; returns it.

        It looks when the agent has logged something, and from time to time: not every change is worth a line. For these
        many looks the document is made here, without the command's process.
        """
        end = time.monotonic() + within
        while (left := end - time.monotonic()) > 0:
            lines = self._life.log.count if self._life is not None else 0
            if (seen := self._look()) is not None and condition(seen):
                return seen
            if self._life is not None:
                self._life.log.wait_for_more(lines, min(left, UNLOGGED))
            else:
                time.sleep(UNLOGGED)
        raise AssertionError(f"not within {within:g} s: {what}")

    def _look(self) -> Json | None:
        """The document of `status --json`; None: there is no readable state yet, or it is just being replaced."""
        try:
            return json.loads(json.dumps(status_document(take_snapshot(self.state_dir / "connmon.db"))))
        except (StoreError, OSError):
            return None

    def until_link(self, state: str, *, within: float = PATIENCE) -> Json:
        """Wait until the link is in ``state``."""
        return self.until(lambda status: status["link"]["state"] == state, f"link {state}", within=within)

    def until_said(self, *words: str, times: int = 1) -> None:
        """Wait for so many lines of this life's log that hold all ``words``: no state is too short to be met so."""
        assert self._life is not None
        self._life.log.wait(words, times)

    def _command(self, *arguments: str) -> list[str]:
        options = ["--config", str(self.config_file), "--state-dir", str(self.state_dir)]
        return [sys.executable, "-m", "connmon_agent", *options, *arguments]


class _Life:
    """One process of the agent, with the command that put it where it runs, in a process group of their own."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
            start_new_session=True,
        )
        self.log = _Log(self._process)

    def kill(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self.wait()

    def wait(self, *, within: float = PATIENCE) -> int:
        """The exit code, once nothing of it lives."""
        code = self._process.wait(timeout=within)
        self.log.close()
        return code


class _Log:
    """What an agent writes on stderr. It is passed on, so that pytest shows it when a test fails."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        self._stream = process.stderr
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._ended = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def count(self) -> int:
        """How many lines there were so far."""
        with self._news:
            return len(self._lines)

    def wait_for_more(self, than: int, within: float) -> None:
        """Return as soon as there are more than so many lines, or after ``within`` seconds."""
        with self._news:
            self._news.wait_for(lambda: len(self._lines) > than, within)

    def wait(self, words: Iterable[str], times: int) -> None:
        def found() -> bool:
            return sum(all(word in line for word in words) for line in self._lines) >= times

        with self._news:
            self._news.wait_for(lambda: found() or self._ended, PATIENCE)
            assert found(), f"the agent did not say {words}"

    def close(self) -> None:
        """Wait for the last line: it comes when the last process that could write is gone."""
        self._reader.join(PATIENCE)
        self._stream.close()
        assert not any("Traceback" in line for line in self._lines)

    def _read(self) -> None:
        for line in self._stream:
            print(line, end="")
            with self._news:
                self._lines.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(SOURCE_ROOT)}


# The fixture that makes agents: conftest.new_agent.
NewAgent = Callable[..., AgentProcess]

"""An agent as a real service of Windows, through an outage in which its process is killed, from install to uninstall.

Run by Windows' Python, as `tests/windows/run` does it: prints a log of what was done and seen, and ends with 1 at the
first thing that is not so.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from click.testing import CliRunner
from tests.fakes.local_sites import ATTENTIVE, NAMESPACE, LocalSite
from tests.fakes.wine import on_wine

from connmon_agent.cli import connmon_agent, stop
from connmon_agent.cli.rendering.status_document import status_document
from connmon_agent.cli.status import take_snapshot
from connmon_agent.errors import StoreError
from connmon_agent.store import DATABASE_FILE

INSTANCE = "scenario"
SERVICE = f"connmon-agent-{INSTANCE}"
SEVEN = ("frontend", "frontend-custom", "frontend-react", "grafana", "jaeger", "api-gateway", "service-mesh")
PATIENCE = 300.0  # seconds for a step; a busy machine needs a few
GLANCE = 0.05  # seconds between two looks
BEGAN = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - BEGAN:6.1f} s  {text}", flush=True)


def check(holds: bool, what: str) -> None:
    say(f"{'ok  ' if holds else 'FAIL'} {what}")
    if not holds:
        raise SystemExit(1)


def until(condition: Callable[[], bool], what: str) -> None:
    by = time.monotonic() + PATIENCE
    while not (holds := condition()) and time.monotonic() < by:
        time.sleep(GLANCE)
    check(holds, what)


class Scenario:
    """One site and one service in ``folder``."""

    def __init__(self, folder: Path, site: LocalSite) -> None:
        self._site = site
        self._state = folder / "state"
        self._config = folder / "connmon.yaml"
        document = site.configuration(folder, SEVEN)
        document["link"].update(ATTENTIVE)
        document["recovery"].update(parallel=1)  # so that it can be killed between two
        self._config.write_text(yaml.safe_dump(document), encoding="utf-8")

    def agent(self, *words: str) -> None:
        """Run a command of connmon-agent, which must end with 0."""
        done = CliRunner().invoke(connmon_agent, ["--config", str(self._config), *words])
        for line in done.output.strip().splitlines()[:12]:
            say(f"       {line}")
        check(done.exit_code == 0, f"connmon-agent {' '.join(words)}: exit code {done.exit_code}")

    def windows(self, *words: str) -> str:
        """Run a command of Windows, whose output is returned, not shown."""
        done = subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", check=False)
        return " ".join((done.stdout + done.stderr).split())

    def install(self) -> None:
        self.agent("service", "install", "--instance", INSTANCE)
        until(lambda: "4 RUNNING" in self.windows("sc", "query", SERVICE), f"sc query {SERVICE}: RUNNING")
        self.agent("service", "status", "--instance", INSTANCE)
        until(lambda: self.link() == "ONLINE", "status: the link is ONLINE")

    def kill_in_the_middle(self) -> None:
        self._site.cut()
        until(lambda: self.link() == "OFFLINE", "the internet is cut: OFFLINE")
        self._site.restore()
        until(lambda: 0 < len(self.restarted()) < len(SEVEN), "the internet is back: the first restarts are made")
        pid = self.pid()
        before = self.windows("taskkill", "/f", "/pid", str(pid))
        done = self.restarted()
        check("terminated" in before, f"taskkill /f /pid {pid}")
        check(0 < len(done) < len(SEVEN), f"killed in the middle of it: {len(done)} of {len(SEVEN)} restarted so far")

    def start_again(self) -> None:
        if on_wine():  # it knows no failure actions
            self.windows("sc", "start", SERVICE)
        until(lambda: "4 RUNNING" in self.windows("sc", "query", SERVICE), "started again: RUNNING")
        until(lambda: set(self.restarted()) == set(SEVEN), "each of the seven services is restarted")
        until(lambda: self.link() == "ONLINE" and set(self.states()) == {"READY"}, "ONLINE, and all are READY")
        counts = [self._deployment(name)["metadata"]["generation"] - 1 for name in SEVEN]
        check(counts == [1] * len(SEVEN), f"restarts of each, as the cluster has counted them: {counts}")

    def uninstall(self) -> None:
        self.agent("replay", "--verify")
        if on_wine():  # which starts nothing again, so that there is nothing to wait for
            stop.MANAGER_PATIENCE = 0.5
        self.agent("restart")
        said = self.windows("sc", "stop", SERVICE)
        until(lambda: "1 STOPPED" in self.windows("sc", "query", SERVICE), f"sc stop: {said[:60] or 'STOPPED'}")
        check("SERVICE_EXIT_CODE : 0" in self.windows("sc", "query", SERVICE), "it ended with 0")
        self.agent("history")
        self.agent("service", "uninstall", "--instance", INSTANCE)
        check("4 RUNNING" not in self.windows("sc", "query", SERVICE), "sc query: it is gone")

    def background(self) -> None:
        self.agent("start", "--mode", "background")
        self.agent("restart", "--force", "--mode", "background")
        self.agent("stop")

    def link(self) -> str:
        return str(self._status().get("link", {}).get("state"))

    def states(self) -> list[str]:
        return [str(service["state"]) for service in self._status().get("services", [])]

    def pid(self) -> int:
        return int(self._status()["agent"]["pid"])

    def restarted(self) -> list[str]:
        return [name for name in SEVEN if self._deployment(name)["metadata"]["generation"] > 1]

    def _deployment(self, name: str) -> dict[str, Any]:
        return self._site.api.get("Deployment", NAMESPACE, name) or {"metadata": {"generation": 0}}

    def _status(self) -> dict[str, Any]:
        try:
            return status_document(take_snapshot(self._state / DATABASE_FILE))
        except (StoreError, OSError):
            return {}


def main() -> None:
    """The whole story."""
    with tempfile.TemporaryDirectory(prefix="connmon-scenario-", ignore_cleanup_errors=True) as place:
        site = LocalSite(*SEVEN, ready_after=2.0)  # so that it can be killed in time, by a command of Windows
        with site.running():
            scenario = Scenario(Path(place), site)
            try:
                scenario.install()
                scenario.kill_in_the_middle()
                scenario.start_again()
                scenario.uninstall()
                scenario.background()
            except BaseException:
                for log in sorted(Path(place).rglob("*.log"))[:3]:
                    for line in log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:]:
                        say(f"{log.name}: {line}")
                scenario.windows("sc", "stop", SERVICE)
                scenario.windows("sc", "delete", SERVICE)
                raise
    say("all of it is so")


if __name__ == "__main__":
    main()

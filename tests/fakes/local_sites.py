"""A whole site on loopback for the real command: an internet to cut, a Kubernetes API, and agents in processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import yaml
from click.testing import CliRunner, Result

import connmon_agent
from connmon_agent.cli import connmon_agent as command
from connmon_agent.cli.rendering.status_document import status_document
from connmon_agent.cli.status import take_snapshot
from connmon_agent.errors import StoreError
from connmon_agent.settings import DnsTarget, HttpTarget, TcpTarget
from connmon_agent.store import DATABASE_FILE
from connmon_lab.internet import Cut, LoopbackInternet
from connmon_lab.kubernetes import EmbeddedKubernetes, Timing, manifests

SOURCE_ROOT = Path(connmon_agent.__file__).parents[1]
PATIENCE = 120.0  # seconds; for what takes a fraction of one, unless the machine stands still
GLANCE = 0.02  # seconds between two looks
NAMESPACE = "shop"
AGE = 3600.0  # seconds; how old the workloads are at the beginning

Json = dict[str, Any]

# Probes, requests and rollouts have the time that a busy machine may need, and a link is never too slow for it.
LINK: Json = {
    "check_interval": "30s",
    "confirm_interval": "50ms",
    "timeout": "30s",
    "hold": "100ms",
    "quality": {"enter_latency": "29s", "enter_loss": 0.99},
}
RECOVERY: Json = {"ready_timeout": "10m", "healthy_for": "1h", "backoff": {"first": "200ms", "max": "200ms"}}
KUBERNETES: Json = {"connect_timeout": "30s", "read_timeout": "30s"}
# For a link that is cut: it refuses at once, but the next round must come before anybody loses patience. Where this
# process stands still for as long as the timeout, that is an outage.
ATTENTIVE: Json = {"check_interval": "3s", "timeout": "3s", "quality": {}}


class LocalSite:
    """The internet and the cluster, on an event loop of their own; callable from the test's thread."""

    def __init__(self, *workloads: str, ready_after: float = 0.05) -> None:
        """``ready_after``: seconds that a pod takes to get ready."""
        self.internet = LoopbackInternet()
        self._age = AGE
        self.api = EmbeddedKubernetes(
            pace=Timing(ready_after=ready_after), namespaces=(NAMESPACE,), now=lambda: time.time() - self._age
        )
        self._workloads = workloads
        self._loop = asyncio.new_event_loop()

    def cut(self) -> None:
        """Break the internet: nothing answers."""
        self._do(self.internet.cut(Cut.REFUSE))

    def restore(self) -> None:
        """Mend it."""
        self._do(self.internet.restore())

    def configuration(self, folder: Path, services: Iterable[str]) -> Json:
        """A configuration for this site, with its kubeconfig written to ``folder`` and the state in a folder there."""
        kubeconfig = self.api.write_kubeconfig(folder / "kubeconfig")
        return {
            "state_dir": str(folder / "state"),
            "stop_timeout": "30s",
            "link": {**LINK, "targets": [_write_target(target) for target in self.internet.targets()]},
            "recovery": dict(RECOVERY),
            "kubernetes": {**KUBERNETES, "kubeconfig": str(kubeconfig), "namespace": NAMESPACE},
            "services": {name: {} for name in services},
        }

    @contextmanager
    def running(self) -> Iterator[LocalSite]:
        """The site serves while the block lasts."""
        thread = threading.Thread(target=self._loop.run_forever, name="site", daemon=True)
        thread.start()
        self._do(self.internet.start())
        self._do(self.api.start())
        self._settle()
        try:
            yield self
        finally:
            self._do(self.api.stop())
            self._do(self.internet.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            thread.join()
            self._loop.close()

    def _settle(self) -> None:
        """Let the workloads be rolled out long ago: a service that was restarted just now is not restarted again."""
        for name in self._workloads:
            self.api.create(manifests.deployment(name, NAMESPACE))
        while not all(self._is_available(name) for name in self._workloads):
            time.sleep(GLANCE)
        self._age = 0.0

    def _is_available(self, name: str) -> bool:
        deployment = self.api.get("Deployment", NAMESPACE, name) or {}
        return bool(deployment.get("status", {}).get("availableReplicas"))

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)


def _write_target(target: object) -> Json:
    if isinstance(target, TcpTarget):
        return {"kind": "tcp", "host": target.host, "port": target.port}
    if isinstance(target, DnsTarget):
        return {"kind": "dns", "server": target.server, "name": target.query, "port": target.port}
    assert isinstance(target, HttpTarget)
    return {"kind": "http", "url": target.url, "status": target.status}


class LocalAgent:
    """One configuration and state directory, the agent's processes on it, and the commands given beside them."""

    def __init__(self, folder: Path, configuration: Json) -> None:
        self.folder = folder
        self.configuration = configuration
        self.file = folder / "connmon.yaml"
        self.state = Path(configuration["state_dir"])
        self.write()
        self._process: subprocess.Popen[str] | None = None
        self._lives = 0

    def write(self, text: str | None = None) -> None:
        """Write the configuration down, or another text in its place."""
        content = text if text is not None else yaml.safe_dump(self.configuration, sort_keys=False)
        self.file.write_text(content, encoding="utf-8")

    # The process.

    def start(self, *, log: int | None = None) -> None:
        """Begin a life, and wait until it takes orders and the link is ONLINE. ``log`` takes its stderr."""
        self._lives += 1
        with self._log_file().open("w") as own:
            self._process = spawn(self._arguments("start"), stderr=own if log is None else log)
        self.until(self._has_begun, "beginning")
        self.until_link("ONLINE")

    @contextmanager
    def living(self) -> Iterator[LocalAgent]:
        """One life, which ends with the block at the latest."""
        try:
            self.start()
            yield self
        finally:
            self.bury()

    @property
    def process(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """kill -9, and the process is gone."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask for an end in order and wait for the exit code: by a signal, or by ``stop`` where signals only kill."""
        if sys.platform == "win32":
            self._ask("stop")
        else:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def reload(self) -> None:
        """SIGHUP, or ``reload`` where there is none; whether it is refused stands in the log."""
        if sys.platform == "win32":
            self._ask("reload")
        else:
            self.process.send_signal(signal.SIGHUP)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let the process stand still, as a whole, while the block lasts."""
        with frozen(self.process.pid):
            yield

    def bury(self) -> None:
        """Leave no process behind."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _ask(self, order: str) -> None:
        """Beside the process, whatever the configuration has become."""
        CliRunner().invoke(command, ["--state-dir", str(self.state), order])

    # What it says and remembers.

    @property
    def log(self) -> str:
        """What this life has written on stderr."""
        return self._log_file().read_text()

    def run(self, *arguments: str) -> Result:
        """Give another command on the same configuration, in the test's own process."""
        return CliRunner().invoke(command, self._arguments(*arguments))

    def verify(self) -> None:
        """`replay --verify` must find everything decided as it is recorded."""
        verified = self.run("replay", "--verify")
        assert verified.exit_code == 0, verified.stderr

    def order(self, *arguments: str) -> Result:
        """Give an order that is carried out; one that stood still just now first judges the link afresh."""
        until = time.monotonic() + PATIENCE
        while (result := self.run(*arguments)).exit_code != 0:
            assert "the link is DEGRADED" in result.stderr and time.monotonic() < until, result.output
            self.until_link("ONLINE")
        return result

    def status(self) -> Json:
        """`status --json`."""
        return dict(status_document(take_snapshot(self.state / DATABASE_FILE)))

    def service(self, name: str) -> Json:
        """One service of `status --json`."""
        return dict(next(one for one in self.status()["services"] if one["name"] == name))

    def _has_begun(self) -> bool:
        try:
            began = take_snapshot(self.state / DATABASE_FILE).agent
            return began is not None and began.pid == self.process.pid
        except StoreError:  # damaged, until it has been set aside
            return False

    def until_link(self, state: str) -> None:
        self.until(lambda: self.status()["link"]["state"] == state, f"link {state}")

    def until_service(self, name: str, state: str) -> None:
        self.until(lambda: self.service(name)["state"] == state, f"{name} {state}")

    def until_said(self, words: str) -> None:
        self.until(lambda: words in self.log, f"the words {words!r}")

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for ``condition``; fails the test when it does not come or the agent ends."""
        until = time.monotonic() + PATIENCE
        while not _holds(condition):
            assert self.process.poll() is None, f"the agent has ended: {self.log}"
            assert time.monotonic() < until, f"no {what}: {self.log}"
            time.sleep(GLANCE)

    def _arguments(self, *arguments: str) -> list[str]:
        return ["--config", str(self.file), *arguments]

    def _log_file(self) -> Path:
        return self.folder / f"log-{self._lives}.txt"


def _holds(condition: Callable[[], bool]) -> bool:
    try:
        return condition()
    except StoreError:  # the agent stands still while nobody else may read
        return False


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Let a process stand still, as a whole, while the block lasts; it may be killed in it."""
    process = psutil.Process(pid)
    process.suspend()
    try:
        while sys.platform != "win32" and process.status() != psutil.STATUS_STOPPED:  # there it is at once
            time.sleep(GLANCE)
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            process.resume()


def environment_of_commands() -> dict[str, str]:
    """What the command needs in a process of its own: all that can be imported here, and nothing of the caller's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CONNMON_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(SOURCE_ROOT), *filter(None, sys.path)]))}


def spawn(arguments: Iterable[str], **settings: Any) -> subprocess.Popen[str]:
    """The real command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "connmon_agent", *arguments],
        env=environment_of_commands(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        text=True,
        **settings,
    )

"""The real site that the cluster suite works on: a cluster, and the links that the lab can break.

``CONNMON_TEST_KUBECONFIG`` names the cluster. ``CONNMON_TEST_LAB`` names a command that breaks what the tests want
broken: ``link``, ``apilink`` and ``apiserver`` with a mode, ``kubectl ...``, and ``exec site ...`` to run a command
where these links are. Without it, whatever needs no breaking is tested with the machine's own ``kubectl``.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml

Json = dict[str, Any]

# What a busy machine may take for anything; only a failing test waits so long.
PATIENCE = 90.0
INTERVAL = 0.25  # seconds between two looks: each costs a process, and the pods need the processor too


def wait_for(condition: Callable[[], Any], what: str, *, within: float = PATIENCE) -> Any:
    """Look until ``condition`` is true, and return its value. Fails after ``within`` seconds, telling ``what``."""
    until = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < until, f"not within {within:g} s: {what}"
        time.sleep(INTERVAL)
    return value


def run(command: Sequence[str], *, text: str | None = None) -> str:
    """Run a command that must succeed; returns what it wrote."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}"
    return done.stdout


@dataclass
class Site:
    """The cluster at ``kubeconfig``, with the lab's command (None: there is none, and nothing can be broken)."""

    kubeconfig: Path
    lab: str | None
    image: str
    broken: set[str] = field(default_factory=set)

    @classmethod
    def of_environment(cls) -> Self | None:
        """The site that the environment names; None: it names none."""
        kubeconfig = os.environ.get("CONNMON_TEST_KUBECONFIG")
        if not kubeconfig:
            return None
        image = os.environ.get("CONNMON_TEST_IMAGE") or "docker.io/library/busybox:latest"
        return cls(Path(kubeconfig), os.environ.get("CONNMON_TEST_LAB") or None, image)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """What kubectl writes. ``text`` is its input."""
        prefix = [self.lab, "kubectl"] if self.lab else ["kubectl", f"--kubeconfig={self.kubeconfig}"]
        return run([*prefix, *arguments], text=text)

    def within(self, command: Sequence[str]) -> list[str]:
        """The command that runs ``command`` behind the links that can be broken."""
        return [self.lab, "exec", "site", *command] if self.lab else list(command)

    @property
    def targets(self) -> list[Json]:
        """What the agent probes: the lab's internet, or what surely answers where nothing is to be broken."""
        if self.lab:
            return [
                {"kind": "tcp", "host": "192.0.2.1", "port": 443},
                {"kind": "dns", "server": "192.0.2.2", "name": "example.com"},
                {"kind": "http", "url": "http://192.0.2.1/generate_204", "status": 204},
            ]
        server = urlsplit(self.cluster["server"])
        return [{"kind": "tcp", "host": server.hostname, "port": server.port or 443}]

    @property
    def cluster(self) -> Json:
        """The kubeconfig's ``cluster``: server and authority."""
        config = yaml.safe_load(self.kubeconfig.read_text())
        current = next(one for one in config["contexts"] if one["name"] == config["current-context"])
        name = current["context"]["cluster"]
        return dict(next(one["cluster"] for one in config["clusters"] if one["name"] == name))

    def link(self, mode: str) -> None:
        """The link to the internet: up, down, drop or reject."""
        self._break("link", mode, whole="up")

    def api_link(self, mode: str) -> None:
        """The link to the API server: up, down, drop or reject."""
        self._break("apilink", mode, whole="up")

    def api_server(self, mode: str) -> None:
        """The API server: stop and cont (it hangs meanwhile), kill and start."""
        self._break("apiserver", mode, whole={"stop": "cont", "kill": "start"}.get(mode, mode))

    def repair(self) -> None:
        """Make whole what a test left broken."""
        for command in list(self.broken):
            part, mode = command.split()
            self._break(part, mode, whole=mode)

    def _break(self, part: str, mode: str, *, whole: str) -> None:
        assert self.lab is not None
        self.broken.add(f"{part} {whole}")
        run([self.lab, part, mode])
        if mode == whole:
            self.broken.discard(f"{part} {whole}")


@dataclass(frozen=True)
class Namespace:
    """A namespace of the cluster that belongs to one test, or to those of one module."""

    site: Site
    name: str

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """What kubectl writes, about this namespace."""
        return self.site.kubectl("--namespace", self.name, *arguments, text=text)

    def create(self) -> None:
        """Make it, and wait for what pods need in it."""
        self.site.kubectl("create", "namespace", self.name)
        wait_for(lambda: "default" in self.kubectl("get", "serviceaccounts", "--output=name"), "a service account")

    def delete(self) -> None:
        """Have it deleted; nobody waits for that."""
        self.site.kubectl("delete", "namespace", self.name, "--wait=false")

    def apply(self, *objects: Json) -> None:
        """Create or change objects."""
        self.kubectl("apply", "--filename=-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def workloads(self) -> dict[str, Json]:
        """Every workload, by its name."""
        found = json.loads(self.kubectl("get", "deployments,statefulsets,daemonsets", "--output=json"))
        return {one["metadata"]["name"]: one for one in found["items"]}

    def generations(self) -> dict[str, int]:
        """Every workload's generation, which each change of its spec raises by one."""
        return {name: one["metadata"]["generation"] for name, one in self.workloads().items()}

    def restarts_since(self, before: Mapping[str, int]) -> dict[str, int]:
        """By how much each generation has grown since ``before``."""
        return {name: generation - before[name] for name, generation in self.generations().items()}

    def annotations(self, key: str) -> dict[str, str | None]:
        """The annotation ``connmon.io/key`` of every pod template; None: it has none."""
        return {
            name: (one["spec"]["template"]["metadata"].get("annotations") or {}).get(f"connmon.io/{key}")
            for name, one in self.workloads().items()
        }

    def until_available(self) -> None:
        """Wait until every workload has all its pods."""
        for name, one in self.workloads().items():
            self.kubectl("rollout", "status", f"{one['kind'].lower()}/{name}", f"--timeout={PATIENCE:.0f}s")

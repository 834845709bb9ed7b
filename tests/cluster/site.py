"""The real site that the cluster suite works on: a cluster, and the links that the lab can break.

``CONNMON_TEST_KUBECONFIG`` names the cluster. ``CONNMON_TEST_LAB`` names a command that has made a cluster and an
internet in network namespaces: ``exec cluster|internet ...`` runs a command there, ``apiserver`` with a mode breaks
what is everybody's, ``kubectl ...`` is its kubectl. The links are the worker's own (``places.Place``). Without it,
whatever needs no breaking is tested with the machine's own ``kubectl``.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import yaml
from tests.cluster.places import API, INTERNET, PATIENCE, Place, run

Json = dict[str, Any]

INTERVAL = 0.25  # seconds between two looks: each costs a process, and the pods need the processor too


def wait_for(condition: Callable[[], Any], what: str, *, within: float = PATIENCE) -> Any:
    """Look until ``condition`` is true, and return its value. Fails after ``within`` seconds, telling ``what``."""
    until = time.monotonic() + within
    while not (value := condition()):
        assert time.monotonic() < until, f"not within {within:g} s: {what}"
        time.sleep(INTERVAL)
    return value


@dataclass
class Site:
    """The cluster at ``kubeconfig``, with the lab's command and the place of this worker, whose links can be cut.

    Both are None where nothing can be broken.
    """

    kubeconfig: Path
    lab: str | None
    image: str
    place: Place | None
    _broken: dict[str, Callable[[], None]] = field(default_factory=dict)

    @classmethod
    def of_environment(cls) -> Self | None:
        """The site that the environment names; None: it names none."""
        kubeconfig = os.environ.get("CONNMON_TEST_KUBECONFIG")
        if not kubeconfig:
            return None
        image = os.environ.get("CONNMON_TEST_IMAGE") or "docker.io/library/busybox:latest"
        lab = os.environ.get("CONNMON_TEST_LAB") or None
        worker = re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or "99"
        return cls(Path(kubeconfig), lab, image, Place(lab, int(worker)) if lab else None)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """What kubectl writes. ``text`` is its input."""
        prefix = [self.lab, "kubectl"] if self.lab else ["kubectl", f"--kubeconfig={self.kubeconfig}"]
        return run([*prefix, *arguments], text=text)

    def within(self, command: Sequence[str]) -> list[str]:
        """The command that runs ``command`` behind the links that can be broken."""
        return self.place.within(command) if self.place else list(command)

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
        self.cut(INTERNET, mode)

    def api_link(self, mode: str) -> None:
        """The link to the API server: up, down, drop or reject."""
        self.cut(API, mode)

    def api_server(self, mode: str) -> None:
        """The API server, which is everybody's: stop and cont (it hangs in between), kill and start."""
        lab, whole = self.lab, {"stop": "cont", "kill": "start"}.get(mode, mode)
        assert lab is not None
        self._broken["apiserver"] = lambda: inconclusive(run([lab, "apiserver", whole]))
        run([lab, "apiserver", mode])
        if mode == whole:
            del self._broken["apiserver"]

    def repair(self) -> None:
        """Make whole what a test left broken."""
        for part, mend in list(self._broken.items()):
            mend()
            del self._broken[part]

    def cut(self, link: str, mode: str) -> None:
        """One of the place's links, as in ``places``: up, down, drop or reject."""
        assert self.place is not None
        place = self.place
        if mode == "up":
            place.mend(link)
            self._broken.pop(link, None)
        else:
            self._broken[link] = lambda: place.mend(link)
            place.cut(link, mode)


def inconclusive(_: object) -> None:
    """Forget a value."""


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
        """Wait until every workload is rolled out and has all its pods, and no other pod is left."""
        wait_for(lambda: all(is_settled(one) for one in self.workloads().values()), f"all of {self.name} is available")


def is_settled(workload: Json) -> bool:
    """Whether a workload is rolled out, with every pod available and no older one left."""
    spec, status = workload["spec"], workload["status"]
    if status.get("observedGeneration", 0) < workload["metadata"]["generation"]:
        return False
    if workload["kind"] == "DaemonSet":
        wanted = status["desiredNumberScheduled"]
        return wanted > 0 and status.get("updatedNumberScheduled") == status.get("numberAvailable") == wanted
    if workload["kind"] == "StatefulSet":
        same = status.get("currentRevision") == status.get("updateRevision")
        return same and status.get("readyReplicas", 0) == spec["replicas"]
    counts = (status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas"))
    return all(number == spec["replicas"] for number in counts)

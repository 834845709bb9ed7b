"""A real place: a cluster, and a link that a lab's command breaks.

The command knows ``kubectl ...``, ``exec site COMMAND...`` (run it behind the link) and ``link up|down|drop``;
tests/cluster works with the same one.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.bench.agents import PATIENCE, BenchError, Json
from tests.bench.places import NAMESPACE

from connmon_agent.core.observations import Rollout
from connmon_agent.core.plan import Kind
from connmon_agent.kube.rollouts import read_workload
from connmon_lab.internet import Cut
from connmon_lab.kubernetes import manifests

LOOKS = 5  # in a row that find everything at rest, a second apart: a condition lags behind what it tells of
IMAGE = "docker.io/lab/web:1"
MODES = {Cut.DROP: "drop", Cut.REFUSE: "reject"}
LOOP = 'kubectl=$0; for name; do "$kubectl" {options} rollout restart "deployment/$name" >/dev/null || exit 1; done'

# Never scheduled, replaced without waiting for the new pod, given up by the controller at once, and soon forgotten.
IDLE: Json = {
    "progressDeadlineSeconds": 1,
    "revisionHistoryLimit": 0,
    "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
}


class LabPlace:
    """The port Place over the lab's command. ``kubectl`` is the one to be measured."""

    name = "lab"

    def __init__(self, lab: Path, kubeconfig: Path, kubectl: str) -> None:
        self._lab = str(lab)
        self._kubectl = kubectl
        self.kubeconfig = kubeconfig
        self.targets: list[Json] = [
            {"kind": "tcp", "host": "192.0.2.1", "port": 443},
            {"kind": "dns", "server": "192.0.2.2", "name": "example.com"},
            {"kind": "http", "url": "http://192.0.2.1/generate_204", "status": 204},
        ]

    def enclose(self, command: Sequence[str]) -> list[str]:
        return [self._lab, "exec", "site", *command]

    def cut(self, how: Cut) -> None:
        self.run("link", MODES[how])

    def unplug(self) -> None:
        """Take the carrier away."""
        self.run("link", "down")

    def mend(self) -> None:
        self.run("link", "up")

    def deploy(self, names: Sequence[str], *, idle: bool = False) -> None:
        self.kubectl("delete", "deployments", "--all", "--wait=true", "--cascade=true")
        objects = [_describe(name, idle=idle) for name in names]
        self.kubectl("apply", "--filename=-", text=as_list(objects))
        self.settle(names, idle=idle)

    def settle(self, names: Sequence[str], *, idle: bool = False) -> None:
        if not idle:
            for name in names:
                self.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={PATIENCE:.0f}s")
            return
        until, restful = time.monotonic() + PATIENCE, 0
        while restful < LOOKS:
            if time.monotonic() > until:
                raise BenchError(f"the Deployments in {NAMESPACE} did not come to rest within {PATIENCE:g} s")
            restful = restful + 1 if self._all_given_up() else 0
            time.sleep(1.0)

    def _all_given_up(self) -> bool:
        """Whether the controller has nothing left to do for Deployments that can never become available."""
        found = json.loads(self.kubectl("get", "deployments", "--output=json"))["items"]
        seen = [read_workload(Kind.DEPLOYMENT, one) for one in found]
        return all(one.rollout is Rollout.FAILED and not one.rolling for one in seen)

    def restart_by_kubectl(self, names: Sequence[str]) -> float | None:
        loop = LOOP.format(options=f"--kubeconfig={self.kubeconfig} --namespace={NAMESPACE}")
        command = self.enclose(["sh", "-c", loop, self._kubectl, *names])
        started = time.perf_counter()
        _run(command)
        return time.perf_counter() - started

    def run(self, *arguments: str, text: str | None = None) -> str:
        """What the lab's command writes. Raises BenchError: it failed."""
        return _run([self._lab, *arguments], text=text)

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        """What the lab's kubectl writes, in our namespace. Raises BenchError."""
        return self.run("kubectl", "--namespace", NAMESPACE, *arguments, text=text)

    def command(self, *arguments: str) -> list[str]:
        """The lab's command as a command line."""
        return [self._lab, *arguments]


@contextmanager
def lab_place(lab: Path, kubeconfig: Path, kubectl: str) -> Iterator[LabPlace]:
    """The place, for the length of the block; the link is whole and our namespace gone afterwards."""
    place = LabPlace(lab, kubeconfig, kubectl)
    place.run("kubectl", "delete", "namespace", NAMESPACE, "--ignore-not-found", f"--timeout={PATIENCE:.0f}s")
    place.run("kubectl", "create", "namespace", NAMESPACE)
    try:
        yield place
    finally:
        place.mend()
        place.run("kubectl", "delete", "namespace", NAMESPACE, "--wait=false")


def as_list(objects: Sequence[Json]) -> str:
    """Objects as kubectl reads them."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})


def describe_pod(name: str) -> Json:
    """A pod template with the site's own image."""
    image = os.environ.get("CONNMON_TEST_IMAGE") or IMAGE
    return manifests.pod_template(name, image=image, pull_policy="Never" if image == IMAGE else "IfNotPresent")


def _describe(name: str, *, idle: bool) -> Json:
    template = describe_pod(name)
    if idle:
        template["spec"]["nodeSelector"] = {"connmon.io/nobody": "has-this"}
    return manifests.deployment(name, NAMESPACE, template=template, **(IDLE if idle else {}))


def _run(command: Sequence[str], *, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command[:6])} ended with {done.returncode}: {(done.stderr or done.stdout)[:300]}")
    return done.stdout

"""A place on this machine alone: the embedded Kubernetes API and an internet on the loopback interface."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.agents import PATIENCE, Json
from tests.bench.places import NAMESPACE

from connmon_agent.settings import DnsTarget, HttpTarget, Target, TcpTarget
from connmon_lab.internet import Cut, LoopbackInternet
from connmon_lab.kubernetes import EmbeddedKubernetes, Program, ThreadedKubernetes, Timing, manifests


class LoopbackPlace:
    """The port Place. Its API and its internet run in threads of this process, the agent in one of its own."""

    name = "loopback"

    def __init__(self, api: EmbeddedKubernetes, internet: LoopbackInternet, loop: asyncio.AbstractEventLoop) -> None:
        self._api = api
        self._internet = internet
        self._loop = loop
        self.kubeconfig = Path()
        self.targets: list[Json] = [_as_configured(target) for target in internet.targets()]

    def enclose(self, command: Sequence[str]) -> list[str]:
        return list(command)

    def cut(self, how: Cut) -> None:
        _wait(self._loop, self._internet.cut(how))

    def mend(self) -> None:
        _wait(self._loop, self._internet.restore())

    def deploy(self, names: Sequence[str], *, idle: bool = False) -> None:
        for name in names:
            if self._api.get("Deployment", NAMESPACE, name) is None:
                self._api.create(manifests.deployment(name, NAMESPACE))
        self.settle(names)

    def serve(self, name: str, port: int, program: Program) -> None:
        """Have a Service of this name, and ``program`` behind ``port`` of its pod."""
        self._api.programs.run("Deployment", NAMESPACE, name, port, program)
        self._api.create(manifests.service(name, NAMESPACE, target=port))
        self._api.create(manifests.deployment(name, NAMESPACE, template=manifests.pod_template(name, port=port)))
        self.settle([name])

    def settle(self, names: Sequence[str], *, idle: bool = False) -> None:
        pause = threading.Event()
        while not all(self._is_available(name) for name in names):
            pause.wait(0.05)

    def restart_by_kubectl(self, names: Sequence[str]) -> float | None:
        return None  # kubectl wants the OpenAPI document and discovery that the embedded API does not serve

    def _is_available(self, name: str) -> bool:
        deployment = self._api.get("Deployment", NAMESPACE, name) or {}
        status = deployment.get("status", {})
        return bool(status.get("updatedReplicas") == status.get("replicas") == status.get("availableReplicas") == 1)


@contextmanager
def loopback_place(folder: Path) -> Iterator[LoopbackPlace]:
    """The place, for the length of the block. ``folder`` holds its kubeconfig."""
    internet = LoopbackInternet()
    with _running_loop() as loop, ThreadedKubernetes(EmbeddedKubernetes(pace=Timing(ready_after=0.5))) as api:
        _wait(loop, internet.start())
        try:
            place = LoopbackPlace(api, internet, loop)
            place.kubeconfig = api.write_kubeconfig(folder / "loopback.kubeconfig")
            yield place
        finally:
            _wait(loop, internet.stop())


@contextmanager
def _running_loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _wait(loop: asyncio.AbstractEventLoop, doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run_coroutine_threadsafe(doing, loop).result(PATIENCE)


def _as_configured(target: Target) -> Json:
    """The target as a configuration file writes it."""
    kinds = {TcpTarget: "tcp", DnsTarget: "dns", HttpTarget: "http"}
    keys = {"query": "name"}
    values = {
        keys.get(name, name): getattr(target, name)
        for name in target.__struct_fields__
        if name != "name" and getattr(target, name) is not None
    }
    return {"kind": kinds[type(target)], **values}

"""A Kubernetes site on loopback for the adapter's tests: the embedded API, or a server that answers as told."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.fakes.wine import on_wine

from connmon_agent.core.effects import Restart
from connmon_agent.core.observations import Observation, Unobserved
from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.kube.calls import Calls
from connmon_agent.kube.client import KubernetesClient
from connmon_agent.kube.cluster import KubernetesCluster
from connmon_agent.settings import KubernetesSettings
from connmon_lab.kubernetes import EmbeddedKubernetes

from .loopback import HOST, Handler

PATIENT = 120.0  # seconds; for what answers at once, unless the machine stands still
SOON = 0.8 if on_wine() else 0.15  # seconds; for what never ends, and mostly long enough to connect
RISING = (SOON, 8 * SOON, 64 * SOON)  # for what must have been sent before it is given up
AT = Timestamp(100.0, 1795431600.0)
TOKEN = "site/1/1"


def plan(name: str, kind: Kind = Kind.DEPLOYMENT) -> ServicePlan:
    """A service whose workload has its name, in the namespace default."""
    return ServicePlan(name, kind, "default", name)


def restart_of(service: ServicePlan, seen: Observation | Unobserved, *, token: str = TOKEN) -> Restart:
    """The restart that the core would order after ``seen``."""
    assert isinstance(seen, Observation)
    return Restart(
        service=service.name,
        kind=service.kind,
        namespace=service.namespace,
        workload=service.workload,
        token=token,
        previous_token=seen.token,
        generation=seen.generation,
        uid=seen.uid,
        annotated=seen.annotated,
        reason="the link is back",
    )


def write_kubeconfig(path: Path, server: str, *, cluster: dict[str, Any] | None = None, **user: Any) -> Path:
    """A kubeconfig of one cluster, one user and one context."""
    config = {
        "clusters": [{"name": "a", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "a", "user": user}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "current-context": "a",
    }
    path.write_text(json.dumps(config))
    return path


@contextlib.asynccontextmanager
async def calls_of(
    kubeconfig: Path, *, connect: float = PATIENT, read: float = PATIENT, deadline: float = PATIENT
) -> AsyncIterator[Calls]:
    """The way to the cluster that ``kubeconfig`` names; keys pass through the folder ``keys`` beside it."""
    settings = KubernetesSettings(kubeconfig=kubeconfig, connect_timeout=connect, read_timeout=read)
    calls = Calls(KubernetesClient(settings, temp_dir=kubeconfig.parent / "keys"), deadline=deadline)
    try:
        yield calls
    finally:
        await calls.close()


@contextlib.asynccontextmanager
async def site(
    folder: Path, api: EmbeddedKubernetes, *, read: float = PATIENT, deadline: float = PATIENT
) -> AsyncIterator[KubernetesCluster]:
    """The adapter, beside the embedded API it talks to."""
    async with api:
        kubeconfig = api.write_kubeconfig(folder / "kubeconfig")
        async with calls_of(kubeconfig, read=read, deadline=deadline) as calls:
            yield KubernetesCluster(calls)


async def until_seen(cluster: KubernetesCluster, service: ServicePlan) -> Observation:
    """The first sight of the workload; a busy machine may need more than one look."""
    while True:
        if isinstance(seen := await cluster.inspect(service, closely=False), Observation):
            return seen
        await asyncio.sleep(0.005)


async def until_complete(cluster: KubernetesCluster, service: ServicePlan) -> Observation:
    """What is seen once the rollout is complete."""
    while True:
        seen = await cluster.inspect(service, closely=False)
        if isinstance(seen, Observation) and seen.healthy:
            return seen
        await asyncio.sleep(0.005)


def speak(*parts: bytes, pause: float = 0.0, then_hold: bool = False) -> Handler:
    """A handler that answers every request with ``parts``, ``pause`` seconds apart, and hangs up (or holds on)."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)
        if then_hold:
            await reader.read()

    return handle


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """One request's head; its body is read too, or closing would reset the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    for line in head.lower().splitlines():
        if line.startswith(b"content-length:"):
            await reader.readexactly(int(line.split(b":")[1]))
    return head


def http(body: bytes, *, status: str = "200 OK", content_type: str = "application/json") -> bytes:
    """A whole answer."""
    fields = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    return "\r\n".join([*fields, "", ""]).encode() + body


def local(port: int, scheme: str = "http") -> str:
    """The URL of a server on loopback."""
    return f"{scheme}://{HOST}:{port}"

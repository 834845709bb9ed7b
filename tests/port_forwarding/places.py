"""A site with local ports on loopback: the embedded API, the forwarder beside it, and plain sockets as clients."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.kube_sites import PATIENT, calls_of
from tests.fakes.virtual_time import run_unhurried

from connmon_agent.core.effects import Listen
from connmon_agent.core.observations import Traffic
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.port_forwarding.api_streams import ApiStreams
from connmon_agent.port_forwarding.forwarder import Forwarder
from connmon_agent.port_forwarding.networks import LocalNetworks
from connmon_agent.port_forwarding.resolver import Destination
from connmon_agent.ports import ListenerStore
from connmon_agent.settings import ForwardingSettings, ForwardSettings, Transport
from connmon_lab.kubernetes import NEWEST, EmbeddedKubernetes, Timing, manifests

AT = Timestamp(100.0, 1795431600.0)
BIND = ("127.0.0.1",)
NOWHERE = LocalNetworks(())
TAKES_SPDY = True
SOON = 5.0 if sys.platform == "win32" else 1.5  # seconds for a pod to refuse, before its client is refused, too
RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # of SO_LINGER: closing resets


def run(conversation: Coroutine[Any, Any, None]) -> None:
    """Run a test to its end; one that hangs fails."""
    run_unhurried(asyncio.wait_for(conversation, PATIENT))


def cluster(
    *, replicas: int = 1, port_name: str | None = None, pace: Timing | None = None, version: str = NEWEST
) -> EmbeddedKubernetes:
    """A cluster with the Deployment and the Service ``web``, whose pods are ready at once."""
    api = EmbeddedKubernetes(pace=pace or Timing(ready_after=0.0, linger=0.05), version=version)
    api.forwards.takes_spdy = TAKES_SPDY
    template = manifests.pod_template("web", port_name=port_name)
    template["spec"]["terminationGracePeriodSeconds"] = 30  # or a pod would be gone at once, whatever the pace says
    api.create(manifests.deployment("web", replicas=replicas, template=template))
    api.create(manifests.service("web", target=port_name or 8080))
    return api


@dataclass
class Place:
    """What a test has in hand. ``said`` are the sentences for the log, ``debugged`` the debug lines."""

    api: EmbeddedKubernetes
    forwarder: Forwarder
    streams: ApiStreams
    port: int = 0
    said: list[tuple[str, str]] = field(default_factory=list)
    debugged: list[tuple[str, str]] = field(default_factory=list)

    @property
    def traffic(self) -> Traffic:
        (only,) = self.forwarder.traffic()
        return only

    async def wait_long(self) -> None:
        """From now on a client waits for a pod for as long as this machine may take."""
        await self.forwarder.configure({"web": destination()}, ForwardingSettings(bind=BIND, backend_wait=PATIENT))

    def pods(self) -> list[str]:
        return [pod["metadata"]["name"] for pod in self.api.list_objects("Pod", "default")]

    def opened(self) -> int:
        """WebSockets that were ever opened to the pods that are there now."""
        return sum(self.api.forwards.count_opened("default", pod) for pod in self.pods())

    def open(self) -> int:
        return sum(self.api.forwards.count_open("default", pod) for pod in self.pods())


def destination(namespace: str = "default", **fields: Any) -> Destination:
    """Where ``web`` leads; by port-forward, where a test does not say otherwise."""
    given = {"service": "web", "port": 1, "transport": Transport.PORT_FORWARD, **fields}
    return Destination(namespace, ForwardSettings(**given))


def order(port: int, *, service: str = "web", bind: tuple[str, ...] = BIND) -> Listen:
    return Listen(service, port, "web/1", bind, "it is free")


@contextlib.asynccontextmanager
async def place(
    folder: Path,
    api: EmbeddedKubernetes,
    *,
    around: LocalNetworks = NOWHERE,
    backend_wait: float = PATIENT,
    max_connections: int = 1000,
    listening: bool = True,
    names: tuple[str, ...] = ("web",),
    store: ListenerStore | None = None,
    **fields: Any,
) -> AsyncIterator[Place]:
    """The API, and the forwarder with a port for the first of ``names``; each leads to ``web``. ``fields`` are those of
    its ForwardSettings.
    """
    folder.mkdir(exist_ok=True)
    async with api, calls_of(api.write_kubeconfig(folder / "kubeconfig")) as calls:
        streams = ApiStreams(calls, temp_dir=folder / "keys", connect_timeout=PATIENT)
        said: list[tuple[str, str]] = []
        debugged: list[tuple[str, str]] = []
        forwarder = Forwarder(
            {name: destination(**fields) for name in names},
            ForwardingSettings(bind=BIND, backend_wait=backend_wait, max_connections=max_connections),
            streams,
            say=lambda service, text: said.append((service, text)),
            networks=lambda: around,
            store=store,
            debug=lambda service, text: debugged.append((service, text())),
        )
        found = Place(api, forwarder, streams, free_port(), said, debugged)
        try:
            if listening:
                assert (await forwarder.listen(order(found.port), AT)).refusal is None
            yield found
        finally:
            await forwarder.close()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def connect(port: int) -> socket.socket:
    """A client. The test closes it: by a reset but on Linux, which alone tells an end from a half-close."""
    client = socket.socket()
    if sys.platform != "linux":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.setblocking(False)
    try:
        await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    except OSError:
        client.close()
        raise
    return client


async def send(client: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(client, data)


async def receive(client: socket.socket, count: int) -> bytes:
    """So many bytes; fewer only where the connection ends before."""
    got, loop = b"", asyncio.get_running_loop()
    while len(got) < count and (data := await loop.sock_recv(client, min(count - len(got), 65_536))):
        got += data
    return got


async def receive_all(client: socket.socket) -> bytes:
    return await receive(client, 1 << 30)


async def exchange(port: int, data: bytes) -> bytes:
    """Send, and return everything that comes until the end."""
    client = await connect(port)
    try:
        await send(client, data)
        return await receive_all(client)
    finally:
        client.close()


async def page(port: int) -> str:
    """The name of the pod that answers over HTTP."""
    answer = await exchange(port, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return answer.decode().rpartition(" pod ")[2].strip()


async def until(true: Callable[[], bool]) -> None:
    """Return once it is so."""
    while not true():
        await asyncio.sleep(0.002)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A program that sends everything back."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()

"""However an upstream fails and however many clients wait: a few attempts a second, counted in virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from tests.fakes.broken_networks import Fault, run_broken
from tests.fakes.kube_sites import http

from connmon_agent.errors import ClusterError
from connmon_agent.kube.calls import Calls
from connmon_agent.kube.kubeconfig import Access, refuse
from connmon_agent.port_forwarding.api_streams import ApiStreams
from connmon_agent.port_forwarding.connecting import Connector, Gate
from connmon_agent.port_forwarding.informers import Informers
from connmon_agent.port_forwarding.networks import LocalNetworks
from connmon_agent.port_forwarding.pod_failures import PodRefused
from connmon_agent.port_forwarding.pool import Pool
from connmon_agent.port_forwarding.resolver import Destination, NoConnection, Resolver
from connmon_agent.port_forwarding.sessions import Host, Session, lead
from connmon_agent.port_forwarding.traffic_counters import TrafficCounters
from connmon_agent.port_forwarding.transports import Transports
from connmon_agent.settings import ForwardSettings, Transport

CLIENTS = 12  # that wait all the time
SECONDS = 15.0
START = 3.0  # seconds in which everybody may try once
MOST = 5.0  # attempts a second, of each upstream
SERVER = "198.51.100.2"
POD = "10.1.0.1"


def status(code: int) -> bytes:
    """The API server's own answer."""
    return http(json.dumps({"kind": "Status", "code": code, "message": "no"}).encode(), status=f"{code} No")


def answering(answer: bytes, *, hold: bool = False) -> Fault:
    return Fault(answer=lambda sent: answer if sent else None, hold=hold)


def passing(answer: Callable[[bytes], bytes | None]) -> Fault:
    """A proxy that lets pass, and a server behind it."""
    return Fault(answer=lambda sent: b"HTTP/1.1 200 OK\r\n\r\n" if b"CONNECT" in sent else answer(sent), hold=True)


HTML = http(b"<html>", content_type="text/html")
SERVER_FAULTS = {
    "refused": Fault(refusal=ConnectionRefusedError(111, "Connection refused")),
    "no route": Fault(refusal=OSError(113, "No route to host")),
    "its name is unknown": Fault(refusal=socket.gaierror(-2, "Name or service not known")),
    "nobody answers": Fault(silent=True),
    "accepts and keeps silent": Fault(),
    "hangs up at once": Fault(answer=lambda sent: b""),
    "hangs up when asked": Fault(answer=lambda sent: b"" if sent else None),
    "another protocol": answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "a portal": answering(HTML),
    "401": answering(status(401)),
    "403": answering(status(403)),
    "404": answering(status(404)),
    "429": answering(status(429)),
    "500": answering(status(500)),
    "502 of a proxy": answering(http(b"<html>", status="502 Bad Gateway", content_type="text/html")),
    "a list that is none": answering(http(b'{"kind": "PodList"}')),
}
TLS_FAULTS = {
    "hangs up in the handshake": Fault(answer=lambda sent: b"" if sent else None),
    "refuses the certificate": answering(bytes.fromhex("15030300020229")),  # fatal, certificate_revoked
    "speaks no TLS": answering(HTML),
    "keeps silent in the handshake": Fault(),
}
PROXY_FAULTS = {
    "403": answering(http(b"", status="403 Forbidden")),
    "407": answering(http(b"", status="407 Proxy Authentication Required")),
    "502": answering(http(b"", status="502 Bad Gateway")),
    "hangs up": Fault(answer=lambda sent: b"" if sent else None),
    "keeps silent": Fault(),
    "lets pass to a server that hangs up": passing(lambda sent: b""),
}


class FakeCalls:
    """The access to one server; ``failure`` is that of a credential plugin, None: it works."""

    def __init__(self, access: Access, failure: ClusterError | None = None) -> None:
        self._access = access
        self._failure = failure

    async def access(self, *, refused: Access | None = None) -> Access:
        if self._failure is not None:
            raise self._failure
        return self._access


def access(scheme: str = "http", proxy: str | None = None) -> Access:
    return Access("here", f"{scheme}://{SERVER}:6443", verify=False, proxy=proxy)


async def crowd(calls: FakeCalls, folder: Path, *, transport: Transport = Transport.PORT_FORWARD) -> None:
    """So many clients of two services wait for so many seconds; whoever fails comes again soon."""
    streams = ApiStreams(cast(Calls, calls), temp_dir=folder, environment={})
    informers, gate = Informers(streams), Gate()
    transports = Transports(streams, networks=lambda: LocalNetworks(()))
    connectors = []
    for name in ("web", "db"):
        destination = Destination("shop", ForwardSettings(name, 1, transport=transport))
        resolver = Resolver(destination, informers)
        connectors.append(Connector(destination, resolver, transports, gate, lambda words: None))

    async def wait(connector: Connector) -> None:
        while True:
            with contextlib.suppress(NoConnection):
                connected = await connector.connect(asyncio.get_running_loop().time() + 10.0)
                await connected.stream.abort()
            await asyncio.sleep(0.05)

    waiting = [asyncio.create_task(wait(connectors[number % 2])) for number in range(CLIENTS)]
    await asyncio.sleep(SECONDS)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await informers.close()


def rate(attempts: list[float]) -> float:
    return sum(at >= START for at in attempts) / (SECONDS - START)


def attempts_of(fault: Fault, calls: FakeCalls, folder: Path, **options: Any) -> list[float]:
    _, attempts = run_broken(lambda host, port: fault, crowd(calls, folder, **options))
    assert attempts, "nobody has tried"
    return attempts


@pytest.mark.parametrize("fault", SERVER_FAULTS.values(), ids=SERVER_FAULTS)
def test_an_api_server_that_fails(tmp_path: Path, fault: Fault) -> None:
    assert rate(attempts_of(fault, FakeCalls(access()), tmp_path)) <= MOST


@pytest.mark.parametrize("fault", TLS_FAULTS.values(), ids=TLS_FAULTS)
def test_tls_that_fails(tmp_path: Path, fault: Fault) -> None:
    assert rate(attempts_of(fault, FakeCalls(access("https")), tmp_path)) <= MOST


@pytest.mark.parametrize("fault", PROXY_FAULTS.values(), ids=PROXY_FAULTS)
def test_a_proxy_that_fails(tmp_path: Path, fault: Fault) -> None:
    assert rate(attempts_of(fault, FakeCalls(access(proxy="http://198.51.100.9:3128")), tmp_path)) <= MOST


def test_a_credential_plugin_that_fails(tmp_path: Path) -> None:
    asked = []

    class Counting(FakeCalls):
        async def access(self, *, refused: Access | None = None) -> Access:
            asked.append(asyncio.get_running_loop().time())
            raise refuse("the credential plugin failed")

    run_broken(lambda host, port: Fault(), crowd(Counting(access()), tmp_path))
    assert 0.0 < rate(asked) <= MOST


def pod(name: str) -> dict[str, Any]:
    ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T10:00:00Z"}
    return {
        "metadata": {"name": f"{name}-1", "uid": f"uid-{name}", "labels": {"app": name}},
        "status": {"phase": "Running", "podIP": POD, "hostIP": POD, "conditions": [ready]},
    }


def service(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}}


LISTS = {
    kind: http(json.dumps({"kind": kind, "metadata": {"resourceVersion": "1"}, "items": items}).encode())
    for kind, items in {
        "PodList": [pod("web"), pod("db")],
        "ServiceList": [service("web"), service("db")],
    }.items()
}


def known(at_the_pod: bytes | None) -> Fault:
    """An API server that knows its pods, holds every watch, and answers a port-forward with ``at_the_pod``."""

    def answer(sent: bytes) -> bytes | None:
        if b"portforward" in sent:
            return at_the_pod
        if b"watch=1" in sent:
            return b"HTTP/1.1 200 OK\r\n\r\n"
        return LISTS["PodList" if b"/pods" in sent else "ServiceList"] if sent else None

    return Fault(answer=answer, hold=True)


POD_FAULTS = {
    "404": status(404),
    "500: its node is dead": status(500),
    "403": status(403),
    "400": status(400),
    "no upgrade": http(b'{"message": "Upgrade request required"}', status="400 Bad Request"),
    "502 of a proxy": http(b"<html>", status="502 Bad Gateway", content_type="text/html"),
    "silence": None,
    "the end": b"",
    "SPDY, and then silence": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: SPDY/3.1\r\n\r\n",
    "garbage": b"\x00" * 100,
}


@pytest.mark.parametrize("answer", POD_FAULTS.values(), ids=POD_FAULTS)
def test_pods_that_fail(tmp_path: Path, answer: bytes | None) -> None:
    attempts = attempts_of(known(answer), FakeCalls(access()), tmp_path)
    assert len(attempts) > 4, "nobody has gone to a pod"
    assert rate(attempts) <= 2 * MOST  # of two pods, by SPDY and by a WebSocket


@pytest.mark.parametrize(
    "fault", [Fault(refusal=ConnectionRefusedError(111, "no")), Fault(silent=True)], ids=["refused", "silence"]
)
def test_addresses_that_fail(tmp_path: Path, fault: Fault) -> None:
    conversation = crowd(FakeCalls(access()), tmp_path, transport=Transport.DIRECT)
    _, attempts = run_broken(lambda host, port: fault if host == POD else known(None), conversation)
    assert rate(attempts) <= 2 * MOST


class Refusing:
    """Transports to pods that accept a connection and then do not take it: what comes to light by reading only."""

    cheap, renewable = True, False

    def __init__(self) -> None:
        self.opened: list[float] = []

    async def open(self, *args: object, **options: object) -> Refusing:
        self.opened.append(asyncio.get_running_loop().time())
        return self

    async def read(self) -> bytes:
        raise PodRefused("unreachable", "the pod accepts no connection")

    async def write(self, frame: memoryview) -> None:
        return None

    def finish(self) -> bool:
        return True

    async def abort(self) -> None:
        return None


def test_pods_that_refuse_after_the_way_is_open(tmp_path: Path) -> None:
    refusing = Refusing()

    async def scenario() -> None:
        streams = ApiStreams(cast(Calls, FakeCalls(access())), temp_dir=tmp_path, environment={})
        informers = Informers(streams)
        destination = Destination("shop", ForwardSettings("web", 1, transport=Transport.DIRECT))
        resolver = Resolver(destination, informers)
        connector = Connector(destination, resolver, cast(Transports, refusing), Gate(), lambda words: None)

        async def no_spare() -> Any:
            raise NoConnection("none")

        host = Host(connector, Pool(no_spare, resolver), lambda words: None)

        async def session() -> None:
            while True:
                ours, theirs = socket.socketpair()
                ours.setblocking(False)
                with theirs, contextlib.suppress(NoConnection):
                    await lead(Session(ours, checked=True), host, TrafficCounters(), patience=10.0)
                await asyncio.sleep(0.05)

        sessions = [asyncio.create_task(session()) for _ in range(CLIENTS)]
        await asyncio.sleep(SECONDS)
        for task in sessions:
            task.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)
        await informers.close()

    run_broken(lambda host, port: known(None), scenario())
    assert 0.0 < rate(refusing.opened) <= MOST


def test_the_end_of_a_long_failure_is_noticed_soon(tmp_path: Path) -> None:
    """The backoff of what somebody waits for stays short, however long it has failed."""
    mended = Fault(answer=known(None).answer, hold=True)

    async def scenario() -> float:
        streams = ApiStreams(cast(Calls, FakeCalls(access())), temp_dir=tmp_path, environment={})
        informers, loop = Informers(streams), asyncio.get_running_loop()
        resolver = Resolver(Destination("shop", ForwardSettings("web", 1)), informers)
        while True:
            resolver.nudge()
            with contextlib.suppress(NoConnection):
                if resolver.find().ends:
                    break
            await asyncio.sleep(0.25)
        await informers.close()
        return loop.time()

    def choose(host: str, port: int) -> Fault:
        return SERVER_FAULTS["refused"] if asyncio.get_running_loop().time() < 600.0 else mended

    (took, _) = run_broken(choose, scenario())
    assert 600.0 <= took <= 603.0

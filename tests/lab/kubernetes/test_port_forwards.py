"""Port-forwards of the embedded API: what a client is sent, what it is refused, and how the connections end."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from tests.fakes.loopback import closed_port, serve_tcp
from tests.fakes.virtual_time import let_pass, run_held, until

from connmon_lab.kubernetes import Answer, EmbeddedKubernetes, Html, Malformed, Reset, Timing, manifests

V4 = ("v4.channel.k8s.io",)
PODS = "/api/v1/namespaces/erp/pods"
WEB = ("Deployment", "erp", "web")
READY = 10.0  # seconds until a pod is Ready
LINGER = 1.0  # seconds one direction has left when the other is over, where that matters
MUCH = bytes(64 * 1024 * 1024)  # more than any socket takes


class Forwarding:
    """A client of one port-forward."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, data: bytes, channel: int = 0) -> None:
        await self.socket.send_bytes(bytes([channel]) + data)

    async def take(self) -> bytes:
        """The next message."""
        return await self.socket.receive_bytes()

    async def read(self, channel: int = 0, size: int = 1) -> bytes:
        """At least ``size`` bytes that come on the channel, and nothing on another."""
        data = b""
        while len(data) < size:
            message = await self.take()
            assert message[0] == channel, message
            data += message[1:]
        return data

    async def end(self) -> int | None:
        """How it ends: with the code of the CLOSE, or with none."""
        message = await self.socket.receive()
        assert message.type in (WSMsgType.CLOSE, WSMsgType.CLOSED, WSMsgType.ERROR), message
        return message.data if message.type == WSMsgType.CLOSE else None


Forward = Callable[..., contextlib.AbstractAsyncContextManager[Forwarding]]
Story = Callable[[EmbeddedKubernetes, Forward, str], Awaitable[None]]


def tell(story: Story, *, linger: float = 0.0, **options: Any) -> None:
    """Run a story beside an API whose clock stands still, with the name of a pod that is Ready."""

    async def live() -> None:
        pace = Timing(ready_after=READY, terminate_after=5, linger=linger)
        async with (
            EmbeddedKubernetes(pace=pace, **options) as api,
            aiohttp.ClientSession(api.url, timeout=aiohttp.ClientTimeout()) as session,
        ):

            @contextlib.asynccontextmanager
            async def forward(
                pod: str, query: str = "?ports=8080", *, protocols: tuple[str, ...] = V4
            ) -> AsyncIterator[Forwarding]:
                path = f"{PODS}/{pod}/portforward{query}"
                async with session.ws_connect(path, protocols=protocols, max_msg_size=0) as socket:
                    forwarding = Forwarding(socket)
                    for channel in (0, 1):
                        assert (await forwarding.take())[:1] == bytes([channel])
                    yield forwarding

            await story(api, forward, await make_pod(api))

    run_held(live())


async def make_pod(api: EmbeddedKubernetes) -> str:
    template = manifests.pod_template("web")
    template["spec"]["terminationGracePeriodSeconds"] = 30
    api.create(manifests.deployment("web", "erp", template=template))
    await until(lambda: [pod for pod in api.list_objects("Pod") if "nodeName" in pod["spec"]])
    let_pass(READY)
    await until(lambda: api.list_objects("Pod")[0]["status"]["phase"] == "Running")
    return str(api.list_objects("Pod")[0]["metadata"]["name"])


async def pass_until(condition: Callable[[], bool]) -> None:
    """Let the time that one direction has left pass again and again, whenever it began."""

    def holds() -> bool:
        let_pass(LINGER)
        return condition()

    await until(holds)


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


async def hold(reader: StreamReader, writer: StreamWriter) -> None:
    await asyncio.Event().wait()


async def refusal(forwarding: contextlib.AbstractAsyncContextManager[Forwarding]) -> int:
    with pytest.raises(WSServerHandshakeError) as caught:
        await forwarding.__aenter__()
    return caught.value.status


def test_a_port_with_nothing_set_greets_over_http() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        async with forward(pod) as forwarding:
            await forwarding.send(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
            answer = await forwarding.read()
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n") and b"Connection: close\r\n" in answer
            assert answer.endswith(f"\r\n\r\nhello from pod {pod}\n".encode())
            assert await forwarding.end() == 1000
        await until(lambda: api.forwards.count_open("erp", pod) == 0)
        assert (api.forwards.count_opened("erp", pod), api.forwards.count_open("erp", pod)) == (1, 0)

    tell(story)


def test_bytes_go_both_ways_to_a_server_on_loopback() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        async with serve_tcp(echo) as target:
            api.programs.serve(*WEB, 5432, target_port=target)
            async with forward(pod, "?ports=5432") as forwarding:
                await forwarding.send(b"SELECT 1")
                assert await forwarding.read(size=8) == b"SELECT 1"
                await forwarding.send(MUCH[:1_000_000])
                assert await forwarding.read(size=1_000_000) == MUCH[:1_000_000]
                assert api.forwards.count_open("erp", pod) == 1

    tell(story)


def test_two_ports_on_one_websocket() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.run(*WEB, 1, echo)
        for query in ("?ports=9&ports=1", "?ports=9,1"):
            async with forward(pod, query) as forwarding:
                assert [await forwarding.take() for _ in range(2)] == [b"\x02\x01\x00", b"\x03\x01\x00"]
                assert b"connection refused" in await forwarding.read(1)
                await forwarding.send(b"still there", 2)
                assert await forwarding.read(2, size=11) == b"still there"

    tell(story)


def test_a_port_where_nothing_listens() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        async with forward(pod, "?ports=17999") as forwarding:
            uid = api.list_objects("Pod")[0]["metadata"]["uid"]
            assert (await forwarding.read(1)).decode() == (
                f"error forwarding port 17999 to pod {uid.replace('-', '')}, uid : failed to execute portforward in "
                f'network namespace "/var/run/netns/cni-{uid}": failed to dial 17999: dial tcp4 127.0.0.1:17999: '
                "connect: connection refused"
            )
            assert await forwarding.end() == 1000
        with closed_port() as target:
            api.programs.serve(*WEB, 8080, target_port=target)
            async with forward(pod) as forwarding:
                assert b"connection refused" in await forwarding.read(1)
        api.programs.refuse(*WEB, 8080)
        async with forward(pod) as forwarding:
            assert b"connection refused" in await forwarding.read(1)
        api.programs.forget(*WEB, 8080)
        async with forward(pod) as forwarding:
            await forwarding.send(b"GET / HTTP/1.0\r\n\r\n")
            assert (await forwarding.read()).startswith(b"HTTP/1.1 200")

    tell(story)


def test_a_program_of_one_pod_goes_before_that_of_its_workload() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.refuse(*WEB, 8080)
        api.programs.run("Pod", "erp", pod, 8080, echo)
        async with forward(pod) as forwarding:
            await forwarding.send(b"x")
            assert await forwarding.read() == b"x"

    tell(story)


def test_a_pod_that_does_not_run_refuses() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.run(*WEB, 8080, echo)
        api.workloads.fail_rollouts(*WEB)
        patch = {"spec": {"template": {"metadata": {"annotations": {"connmon.io/restart-token": "t1"}}}}}
        path = "/apis/apps/v1/namespaces/erp/deployments/web"
        assert api.request("PATCH", path, patch, content_type="application/merge-patch+json").status == 200
        await until(lambda: len([item for item in api.list_objects("Pod") if "nodeName" in item["spec"]]) == 2)
        (new,) = (item["metadata"]["name"] for item in api.list_objects("Pod") if item["metadata"]["name"] != pod)
        assert await refusal(forward(new)) == 500, "it has no address yet"
        let_pass(READY)
        await until(lambda: len([item for item in api.list_objects("Pod") if "podIP" in item["status"]]) == 2)
        async with forward(new) as forwarding:
            assert b"connection refused" in await forwarding.read(1)

    tell(story)


def test_when_the_pod_closes_the_client_has_a_short_time_left() -> None:
    received = bytearray()

    async def say_bye(reader: StreamReader, writer: StreamWriter) -> None:
        writer.write(b"bye")
        writer.write_eof()
        received.extend(await reader.read())

    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.run(*WEB, 8080, say_bye)
        async with forward(pod) as forwarding:
            assert await forwarding.read(size=3) == b"bye"
            await forwarding.send(b"and you")
            ending = asyncio.ensure_future(forwarding.end())
            await pass_until(ending.done)
            assert await ending == 1000
        await until(lambda: received == b"and you")

    tell(story, linger=LINGER)


def test_when_the_client_closes_the_pod_is_told_after_a_short_time() -> None:
    received: list[bytes] = []

    async def listen(reader: StreamReader, writer: StreamWriter) -> None:
        received.append(await reader.readexactly(5))
        received.append(await reader.read())

    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.run(*WEB, 8080, listen)
        async with forward(pod) as forwarding:
            await forwarding.send(b"hello")
            await until(lambda: received)
        assert api.forwards.count_open("erp", pod) == 1
        await pass_until(lambda: received == [b"hello", b""])
        await until(lambda: api.forwards.count_open("erp", pod) == 0)

    tell(story, linger=LINGER)


def test_a_stream_breaks_in_the_middle() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.run(*WEB, 8080, echo)
        async with forward(pod) as one, forward(pod) as other:
            assert api.forwards.kill("erp", pod) == 2
            assert [await one.end(), await other.end()] == [None, None]
            assert one.socket.close_code == 1006
        await until(lambda: api.forwards.count_open("erp", pod) == 0)
        assert (api.forwards.kill("erp", pod), api.forwards.count_opened("erp", pod)) == (0, 2)

    tell(story)


def test_a_pod_s_streams_live_until_the_pod_is_gone() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.run(*WEB, 8080, echo)
        async with forward(pod) as forwarding:
            api.request("DELETE", f"{PODS}/{pod}")
            await forwarding.send(b"x")
            assert await forwarding.read() == b"x"
            async with forward(pod):
                pass  # it still runs
            let_pass(5)
            await until(lambda: api.get("Pod", "erp", pod) is None)
            assert await forwarding.end() == 1000
        assert await refusal(forward(pod)) == 404

    tell(story)


def test_streams_break_with_the_api_server() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.run(*WEB, 8080, hold)
        async with forward(pod) as forwarding:
            api.refuse_connections()
            assert await forwarding.end() is None
        with pytest.raises(aiohttp.ClientConnectorError):
            await forward(pod).__aenter__()
        api.accept_connections()
        async with forward(pod) as forwarding:
            await api.stop()
            assert await forwarding.end() is None

    tell(story)


@pytest.mark.parametrize("downwards", [True, False], ids=["the client stalls", "the pod stalls"])
def test_a_stalled_side_stalls_the_other(downwards: bool) -> None:
    sent = 0

    async def flood(reader: StreamReader, writer: StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(MUCH[:65_536])
            await writer.drain()
            sent += 65_536

    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        nonlocal sent
        api.programs.run(*WEB, 8080, flood if downwards else hold)

        async def upload(forwarding: Forwarding) -> None:
            nonlocal sent
            while True:
                await forwarding.send(MUCH[:65_536])
                sent += 65_536

        async with forward(pod) as forwarding:
            uploading = None if downwards else asyncio.ensure_future(upload(forwarding))
            before = -1
            while sent == 0 or before != sent < len(MUCH):
                before = sent
                for _ in range(20):
                    await asyncio.to_thread(lambda: None)
            assert 0 < sent < len(MUCH)
            if uploading is not None:
                uploading.cancel()
            api.forwards.kill("erp", pod)

    tell(story)


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 400, 'query parameter "port" is required'),
        ("?ports=0", 400, 'port "0" must be > 0'),
        ("?ports=x", 400, "invalid syntax"),
        ("?ports=70000", 400, "value out of range"),
    ],
)
def test_ports_that_make_no_sense(query: str, status: int, text: str) -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        assert await refusal(forward(pod, query)) == status
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        url = f"{api.url}{PODS}/{pod}/portforward{query}"
        async with aiohttp.request("GET", url, headers=headers) as response:
            assert text in await response.text()

    tell(story)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_wants_no_websocket(method: str) -> None:
    async def story(api: EmbeddedKubernetes, _: Forward, pod: str) -> None:
        path = f"{PODS}/{pod}/portforward?ports=8080"
        reply = api.request(method, path)
        assert isinstance(reply.body, dict)
        assert (reply.status, reply.body["message"]) == (400, "Upgrade request required")
        assert api.request("PUT", path).status == 405
        async with aiohttp.request(method, api.url + path, headers={"Upgrade": "SPDY/3.1"}) as response:
            assert response.status == 400
        assert api.history == []

    tell(story)


def test_pods_that_are_not_there() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, _: str) -> None:
        assert await refusal(forward("nobody")) == 404
        spec = {**manifests.pod_template("idle")["spec"], "schedulerName": "nobody"}
        api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "idle", "namespace": "erp"}, "spec": spec})
        assert await refusal(forward("idle")) == 400
        assert api.request("GET", f"{PODS}/idle/exec").status == 404

    tell(story)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (V4, "v4.channel.k8s.io"),
        (("v5.channel.k8s.io", "v4.channel.k8s.io"), "v4.channel.k8s.io"),
        (("SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io"), "v4.channel.k8s.io"),
        ((), None),
    ],
)
def test_a_protocol_is_chosen(offered: tuple[str, ...], chosen: str | None) -> None:
    async def story(_: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        async with forward(pod, protocols=offered) as forwarding:
            assert forwarding.socket.protocol == chosen

    tell(story)


def test_a_protocol_that_is_not_spoken() -> None:
    async def story(_: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        assert await refusal(forward(pod, protocols=("v9.channel.k8s.io",))) == 403

    tell(story)


@pytest.mark.parametrize(
    ("version", "denied", "status"),
    [("v1.35.0", "get", 403), ("v1.35.0", "create", 403), ("v1.34.2", "get", 403), ("v1.34.2", "create", 101)],
)
def test_since_1_35_a_websocket_takes_the_verb_create_too(version: str, denied: str, status: int) -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.access.deny(denied, "pods/portforward")
        if status == 101:
            async with forward(pod):
                return
        assert await refusal(forward(pod)) == status
        headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
        async with aiohttp.request("GET", f"{api.url}{PODS}/{pod}/portforward?ports=1", headers=headers) as response:
            message = (await response.json())["message"]
        assert f'User "connmon" cannot {denied} resource "pods/portforward" in API group ""' in message

    tell(story, version=version)


def test_faults_happen_at_the_upgrade() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        for fault, status in ((Answer(503), 503), (Html(), 200), (Malformed(), 200)):
            api.faults.add(fault, path="/portforward$", times=1)
            assert await refusal(forward(pod)) == status
        rule = api.faults.add(Reset(), path="/portforward$")
        with pytest.raises(aiohttp.ClientError):
            await forward(pod).__aenter__()
        api.faults.remove(rule)
        async with forward(pod):
            assert api.forwards.count_opened("erp", pod) == 1

    tell(story)


def test_pings_are_answered_and_pongs_and_nonsense_passed_over() -> None:
    async def story(api: EmbeddedKubernetes, forward: Forward, pod: str) -> None:
        api.programs.run(*WEB, 8080, echo)
        async with forward(pod) as forwarding:
            await forwarding.socket.pong(b"unasked")
            for nonsense in (b"", b"\x01error", b"\x09nowhere"):
                await forwarding.socket.send_bytes(nonsense)
            await forwarding.socket.send_str("\x00text")
            assert await forwarding.read(size=4) == b"text"

    tell(story)


def test_discovery_knows_the_subresource() -> None:
    body = EmbeddedKubernetes().request("GET", "/api/v1").body
    assert isinstance(body, dict)
    found = {item["name"]: (item["kind"], item["verbs"]) for item in body["resources"]}
    assert found["pods/portforward"] == ("PodPortForwardOptions", ["create", "get"])

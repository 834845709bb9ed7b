"""How the ports of a pod are forwarded, checked against the embedded API and against a real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from tests.contract.clients import PATIENCE, KubernetesClient
from tests.contract.workloads import deployment, status_of, template

V4 = ("v4.channel.k8s.io",)
GET = b"\x00GET / HTTP/1.0\r\n\r\n"
OPENING = [b"\x00\x90\x1f", b"\x01\x90\x1f"]  # 8080, little endian, on both channels


@pytest.fixture(scope="session")
def pod(api: KubernetesClient, still: str) -> str:
    """The name of a pod that runs the lab image."""
    (found,) = api.list("pods", f"app={still}", group="api/v1")
    name: str = found["metadata"]["name"]
    return name


def run(conversation: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(conversation, PATIENCE))


async def take(socket: ClientWebSocketResponse, number: int) -> list[bytes]:
    return [await socket.receive_bytes() for _ in range(number)]


async def take_rest(socket: ClientWebSocketResponse) -> tuple[dict[int, bytes], int]:
    """What comes on each channel up to the CLOSE, and its code."""
    channels: dict[int, bytes] = {}
    while (message := await socket.receive()).type == WSMsgType.BINARY:
        channels[message.data[0]] = channels.get(message.data[0], b"") + message.data[1:]
    assert message.type == WSMsgType.CLOSE, message
    return channels, message.data


async def refusal(api: KubernetesClient, pod: str, query: str, protocols: tuple[str, ...] = V4) -> int:
    with pytest.raises(WSServerHandshakeError) as caught:
        async with api.forward(pod, query, protocols):
            pass
    return caught.value.status


@pytest.mark.parametrize(
    ("offered", "chosen"), [(V4, V4[0]), (("v5.channel.k8s.io", *V4), V4[0]), ((), None)], ids=["v4", "v5,v4", "none"]
)
def test_a_page_through_the_forward(
    api: KubernetesClient, pod: str, offered: tuple[str, ...], chosen: str | None
) -> None:
    async def converse() -> None:
        async with api.forward(pod, "?ports=8080", offered) as socket:
            assert socket.protocol == chosen
            assert await take(socket, 2) == OPENING
            await socket.send_bytes(GET)
            channels, code = await take_rest(socket)
        assert (list(channels), code) == ([0], 1000)
        assert channels[0].startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\n\r\nhello" in channels[0]

    run(converse())


def test_a_port_where_nothing_listens(api: KubernetesClient, pod: str) -> None:
    async def converse() -> None:
        async with api.forward(pod, "?ports=17999") as socket:
            assert await take(socket, 2) == [b"\x00\x4f\x46", b"\x01\x4f\x46"]
            channels, code = await take_rest(socket)
        assert (list(channels), code) == ([1], 1000)
        assert channels[1].startswith(b"error forwarding port 17999 to pod ")
        assert b"dial tcp4 127.0.0.1:17999: connect: connection refused" in channels[1]

    run(converse())


@pytest.mark.parametrize("query", ["?ports=17999&ports=8080", "?ports=17999,8080"])
def test_one_port_that_fails_leaves_the_other(api: KubernetesClient, pod: str, query: str) -> None:
    async def converse() -> None:
        async with api.forward(pod, query) as socket:
            assert sorted(await take(socket, 4))[2:] == [b"\x02\x90\x1f", b"\x03\x90\x1f"]
            await socket.send_bytes(b"\x02" + GET[1:])
            channels, code = await take_rest(socket)
        assert (sorted(channels), code) == ([1, 2], 1000)
        assert b"connection refused" in channels[1] and b"hello" in channels[2]

    run(converse())


def test_pings_are_answered_and_pongs_and_nonsense_passed_over(api: KubernetesClient, pod: str) -> None:
    async def converse() -> None:
        async with api.forward(pod, "?ports=8080") as socket:
            await take(socket, 2)
            await socket.ping(b"here?")
            answer = await socket.receive()
            assert (answer.type, bytes(answer.data)) == (WSMsgType.PONG, b"here?")
            await socket.pong(b"unasked")
            for nonsense in (b"", b"\x01error", b"\x09nowhere"):
                await socket.send_bytes(nonsense)
            await socket.send_str(GET.decode())
            channels, _ = await take_rest(socket)
        assert b"hello" in channels[0]

    run(converse())


@pytest.mark.parametrize(("query", "code"), [("", 400), ("?ports=0", 400), ("?ports=x", 400), ("?ports=70000", 400)])
def test_ports_that_make_no_sense(api: KubernetesClient, pod: str, query: str, code: int) -> None:
    async def converse() -> None:
        assert await refusal(api, pod, query) == code

    run(converse())


def test_a_protocol_that_is_not_spoken(api: KubernetesClient, pod: str) -> None:
    async def converse() -> None:
        assert await refusal(api, pod, "?ports=8080", ("v9.channel.k8s.io",)) == 403

    run(converse())


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_wants_no_websocket(api: KubernetesClient, pod: str, method: str) -> None:
    answer = api.request(method, api.path("pods", pod, group="api/v1") + "/portforward?ports=8080")
    assert status_of(answer) == (400, "Status", "BadRequest")
    assert answer.body["message"] == "Upgrade request required"
    answer = api.request(method, api.path("pods", "nobody", group="api/v1") + "/portforward?ports=8080")
    assert status_of(answer) == (404, "Status", "NotFound")


def test_pods_that_are_not_there(api: KubernetesClient) -> None:
    spec = {**template("unplaced")["spec"], "schedulerName": "nobody"}
    api.create(
        "pods", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "unplaced"}, "spec": spec}, group="api/v1"
    )

    async def converse() -> None:
        assert await refusal(api, "nobody", "?ports=8080") == 404
        assert await refusal(api, "unplaced", "?ports=8080") == 400

    run(converse())


def test_a_pod_without_its_image_refuses_every_port(api: KubernetesClient) -> None:
    container = {"name": "x", "image": "missing.invalid/nothing:1", "imagePullPolicy": "Never"}
    spec = {**template("imageless")["spec"], "containers": [container]}
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "imageless"}, "spec": spec}
    api.create("pods", made, group="api/v1")
    api.wait("pods", "imageless", lambda found: found["status"].get("podIP"), group="api/v1")

    async def converse() -> None:
        async with api.forward("imageless", "?ports=8080") as socket:
            await take(socket, 2)
            channels, code = await take_rest(socket)
        assert (list(channels), code) == ([1], 1000)
        assert b"connection refused" in channels[1]

    run(converse())


def test_a_stream_lives_until_its_pod_is_gone(api: KubernetesClient) -> None:
    slow = template("parting")
    slow["spec"]["terminationGracePeriodSeconds"] = 1
    deployment(api, "parting", template=slow)
    pods = api.wait_list("pods", "app=parting", lambda items: any(map(runs, items)), group="api/v1")
    name = pods[0]["metadata"]["name"]

    async def converse() -> None:
        async with api.forward(name, "?ports=8080") as socket:
            assert await take(socket, 2) == OPENING
            await asyncio.to_thread(api.request, "DELETE", api.path("deployments", "parting"))
            await asyncio.to_thread(
                api.wait_list, "pods", "app=parting", lambda items: all(map(is_going, items)), group="api/v1"
            )
            assert (await take_rest(socket)) == ({}, 1000)
        await asyncio.to_thread(api.wait_list, "pods", "app=parting", lambda items: not items, group="api/v1")
        assert await refusal(api, name, "?ports=8080") == 404

    run(converse())


def runs(pod: dict[str, Any]) -> bool:
    return bool(pod["status"]["phase"] == "Running")


def is_going(pod: dict[str, Any]) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def test_discovery_knows_the_subresource(api: KubernetesClient) -> None:
    resources = {item["name"]: item for item in api.request("GET", "/api/v1").body["resources"]}
    found = resources["pods/portforward"]
    assert (found["kind"], found["namespaced"], found["verbs"]) == ("PodPortForwardOptions", True, ["create", "get"])
    assert "watch" in resources["pods"]["verbs"]

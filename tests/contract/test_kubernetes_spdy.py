"""How the ports of a pod are forwarded over SPDY, checked against the embedded API and against a real cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.contract.clients import PATIENCE, KubernetesClient
from tests.contract.workloads import deployment, template
from tests.fakes.spdy_clients import NotUpgraded, SpdyClient

GET = b"GET / HTTP/1.0\r\n\r\n"


@pytest.fixture(scope="session")
def pod(api: KubernetesClient, still: str) -> str:
    """The name of a pod that runs the lab image."""
    (found,) = api.list("pods", f"app={still}", group="api/v1")
    name: str = found["metadata"]["name"]
    return name


def run(conversation: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(conversation, PATIENCE))


async def take_page(client: SpdyClient, first: int) -> None:
    """Both streams of a connection that asked for a page have ended in order, with the page."""
    said, page = await client.read_to_end(first, first + 2)
    assert said == b""
    assert page.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\n\r\nhello" in page
    assert client.came[first].accepted and client.came[first + 2].accepted


def test_a_page_that_is_asked_for_before_the_streams_are_accepted(api: KubernetesClient, pod: str) -> None:
    async def converse() -> None:
        async with api.tunnel(pod) as client:
            client.begin(1, 8080, GET)
            await take_page(client, 1)

    run(converse())


def test_one_connection_after_another(api: KubernetesClient, pod: str) -> None:
    async def converse() -> None:
        async with api.tunnel(pod) as client:
            for first in (1, 5, 9):
                client.begin(first, 8080, GET)
                await take_page(client, first)

    run(converse())


def test_the_next_connection_need_not_wait_for_the_end_of_the_one_before(api: KubernetesClient, pod: str) -> None:
    async def converse() -> None:
        async with api.tunnel(pod) as client:
            client.begin(1, 8080)
            client.send(3, last=True)
            client.begin(5, 8080, GET)
            await take_page(client, 5)
            assert await client.read_to_end(1, 3) == [b"", b""]

    run(converse())


def test_five_pings_are_answered_once_everything_before_them_was_taken(api: KubernetesClient, pod: str) -> None:
    async def converse() -> None:
        async with api.tunnel(pod) as client:
            client.begin(1, 8080, GET)
            await take_page(client, 1)
            client.send(3, last=True)
            for number in range(1, 10, 2):
                client.ping(number)
            while len(client.pongs) < 5:
                await client.read()
            assert sorted(client.pongs) == [1, 3, 5, 7, 9]

    run(converse())


def test_a_port_where_nothing_listens_leaves_the_connection(api: KubernetesClient, pod: str) -> None:
    async def converse() -> None:
        async with api.tunnel(pod) as client:
            client.begin(1, 17999)
            said, data = await client.read_to_end(1, 3)
            assert said.startswith(b"error forwarding port 17999 to pod ")
            assert b"dial tcp4 127.0.0.1:17999: connect: connection refused" in said
            assert data == b""
            client.begin(5, 8080, GET)
            await take_page(client, 5)

    run(converse())


@pytest.mark.parametrize(
    "headers",
    [
        {"port": "8080", "requestID": "1"},
        {"streamType": "other", "port": "8080", "requestID": "1"},
        {"streamType": "data", "requestID": "1"},
        {"streamType": "data", "port": "0", "requestID": "1"},
        {"streamType": "data", "port": "70000", "requestID": "1"},
    ],
)
def test_a_stream_that_makes_no_sense_is_reset(api: KubernetesClient, pod: str, headers: dict[str, str]) -> None:
    async def converse() -> None:
        async with api.tunnel(pod) as client:
            client.open_stream(1, headers)
            while client.came[1].reset is None:
                await client.read()
                assert not client.closed
            client.begin(3, 8080, GET)
            await take_page(client, 3)

    run(converse())


def test_who_is_refused(api: KubernetesClient, pod: str) -> None:
    async def refusal(name: str, **options: str) -> int:
        with pytest.raises(NotUpgraded) as caught:
            async with api.tunnel(name, **options):
                pass
        return caught.value.status

    async def converse() -> None:
        spec = {**template("nowhere")["spec"], "schedulerName": "nobody"}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "nowhere"}, "spec": spec}
        await asyncio.to_thread(api.create, "pods", made, group="api/v1")
        assert await refusal("nobody") == 404
        assert await refusal("nowhere") == 400
        assert await refusal(pod, protocol="other.k8s.io") == 403

    run(converse())


def test_a_connection_lives_until_its_pod_is_gone(api: KubernetesClient) -> None:
    slow = template("leaving")
    slow["spec"]["terminationGracePeriodSeconds"] = 1
    deployment(api, "leaving", template=slow)
    (found,) = api.wait_list("pods", "app=leaving", lambda items: any(map(runs, items)), group="api/v1")

    async def converse() -> None:
        async with api.tunnel(found["metadata"]["name"]) as client:
            client.begin(1, 8080)
            await asyncio.to_thread(api.request, "DELETE", api.path("deployments", "leaving"))
            _, data = await client.read_to_end(1, 3)
            assert data == b""

    run(converse())


def runs(pod: dict[str, Any]) -> bool:
    return bool(pod["status"]["phase"] == "Running")

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.fakes.kube_sites import PATIENT
from tests.fakes.virtual_time import run_unhurried
from tests.port_forwarding.places import Place, cluster, echo, place, run, until

from connmon_agent.errors import ClusterError
from connmon_agent.port_forwarding.pod_failures import PodBroke, PodRefused
from connmon_agent.port_forwarding.pod_frames import FRAME, HEADROOM
from connmon_agent.port_forwarding.pod_streams import PodStream, open_pod
from connmon_agent.port_forwarding.tunnels import TunnelStream
from connmon_lab.kubernetes import EmbeddedKubernetes

pytestmark = pytest.mark.usefixtures("either_way")


def frame(data: bytes) -> memoryview:
    return memoryview(bytearray(HEADROOM) + data)


@contextlib.asynccontextmanager
async def pod_of(
    folder: Path, api: EmbeddedKubernetes, port: int = 8080
) -> AsyncIterator[tuple[Place, PodStream | TunnelStream]]:
    async with place(folder, api, listening=False) as here:
        await until_running(api)
        stream = await open_pod(here.streams, "default", here.pods()[0], port, timeout=PATIENT)
        try:
            yield here, stream
        finally:
            await stream.abort()


async def until_running(api: EmbeddedKubernetes) -> None:
    await until(lambda: [pod["status"].get("phase") for pod in api.list_objects("Pod")] == ["Running"])


async def read_all(stream: PodStream | TunnelStream) -> bytes:
    data = b""
    while piece := await stream.read():
        data += piece
    return data


def echoing() -> EmbeddedKubernetes:
    api = cluster()
    api.programs.run("Deployment", "default", "web", 8080, echo)
    return api


def test_the_pod_answers_and_ends(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pod_of(tmp_path, cluster()) as (here, stream):
            await stream.write(frame(b"GET / HTTP/1.1\r\n\r\n"))
            assert (await read_all(stream)).endswith(f"hello from pod {here.pods()[0]}\n".encode())

    run(scenario())


@pytest.mark.parametrize("size", [1, 125, 126, 65535 - 1])
def test_frames_of_every_length_come_back(tmp_path: Path, size: int) -> None:
    async def scenario() -> None:
        async with pod_of(tmp_path, echoing()) as (_, stream):
            sent, got = bytes(range(256)) * (size // 256 + 1), b""
            whole = frame(sent[:size])
            assert len(whole) <= FRAME
            await stream.write(whole)
            while len(got) < size:
                got += await stream.read()
            assert got == sent[:size]

    run(scenario())


def test_the_kubelet_answers_a_ping_while_somebody_reads(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pod_of(tmp_path, echoing()) as (_, stream):
            attending = asyncio.create_task(stream.attend())
            assert await stream.ping(PATIENT)
            attending.cancel()

    run(scenario())


def test_what_came_before_anybody_listened_is_not_lost(tmp_path: Path, either_way: str) -> None:
    if either_way == "spdy":
        pytest.skip("nothing is open to the pod before somebody uses it")

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")

    async def scenario() -> None:
        api = cluster()
        api.programs.run("Deployment", "default", "web", 8080, greet)
        async with pod_of(tmp_path, api) as (_, stream):
            await stream.attend()  # up to the end that the pod made of it
            assert await read_all(stream) == b"220 ready\r\n"

    run(scenario())


def test_a_port_that_refuses(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pod_of(tmp_path, cluster(), port=9999) as (here, stream):
            with pytest.raises(
                PodRefused, match=f"the pod {here.pods()[0]} accepts no connection on port 9999: .*refused"
            ):
                await read_all(stream)

    run(scenario())


def test_a_way_that_breaks_is_not_an_end(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pod_of(tmp_path, echoing()) as (here, stream):
            here.api.forwards.kill("default", here.pods()[0])
            with pytest.raises(PodBroke, match="closed the connection"):
                await read_all(stream)

    run(scenario())


def test_only_what_has_ended_in_order_is_used_again(tmp_path: Path, either_way: str) -> None:
    async def scenario() -> None:
        async with pod_of(tmp_path, echoing()) as (_, stream):
            await stream.write(frame(b"one"))
            assert await stream.read() == b"one"
            renewed = await stream.renew()
            assert (renewed is not None) == stream.renewable == (either_way == "spdy")
            if renewed is not None:
                await renewed.write(frame(b"two"))
                assert await renewed.read() == b"two"

    run(scenario())


def test_without_spdy_it_is_a_websocket_for_a_while(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with pod_of(tmp_path, echoing()) as (here, _):
            kinds = []
            for takes in (True, False, True):
                here.api.forwards.takes_spdy = takes
                stream = await open_pod(here.streams, "default", here.pods()[0], 8080, timeout=PATIENT)
                kinds.append(type(stream))
                await stream.abort()
            assert kinds[1:] == [PodStream, PodStream]

    run(scenario())


class TestRefusals:
    async def refusal(self, folder: Path, api: EmbeddedKubernetes, pod: str | None = None) -> ClusterError:
        async with place(folder, api, listening=False) as here:
            await until_running(api)
            with pytest.raises(ClusterError) as caught:
                await open_pod(here.streams, "default", pod or here.pods()[0], 8080, timeout=PATIENT)
        return caught.value

    def test_no_such_pod(self, tmp_path: Path) -> None:
        error = run_unhurried(self.refusal(tmp_path, cluster(), "gone"))
        assert error.kind == "not-found"
        assert str(error).startswith("the pod gone no longer exists in the namespace default")

    @pytest.mark.parametrize("verb", ["get", "create"])
    def test_no_permission(self, tmp_path: Path, verb: str, either_way: str) -> None:
        if (verb, either_way) == ("get", "spdy"):
            pytest.skip("SPDY is asked for by a POST, which takes create alone")
        api = cluster()
        api.access.deny(verb, "pods/portforward")
        error = run_unhurried(self.refusal(tmp_path, api))
        assert error.kind == "forbidden"
        assert "Grant create and get of pods/portforward" in str(error)


def test_a_role_that_may_only_get_goes_by_websocket_where_that_is_enough(tmp_path: Path, either_way: str) -> None:
    async def scenario() -> None:
        api = cluster(version="v1.34.0")
        api.access.deny("create", "pods/portforward")
        async with pod_of(tmp_path, api) as (_, stream):
            assert type(stream) is PodStream

    run_unhurried(scenario())

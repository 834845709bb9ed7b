"""Local ports through whole lives of pods, clients and API servers."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest
from tests.fakes.kube_sites import PATIENT
from tests.fakes.virtual_time import run_unhurried
from tests.port_forwarding.places import (
    AT,
    SOON,
    Place,
    cluster,
    connect,
    destination,
    echo,
    exchange,
    free_port,
    order,
    page,
    place,
    receive,
    receive_all,
    run,
    send,
    until,
)

from connmon_agent.settings import ForwardingSettings
from connmon_lab.kubernetes import EmbeddedKubernetes, Hang, Timing, manifests

pytestmark = pytest.mark.usefixtures("either_way")
WEB = ("Deployment", "default", "web")
HUNDREDS = 500


def echoing(**options: int) -> EmbeddedKubernetes:
    api = cluster(**options)
    api.programs.run(*WEB, 8080, echo)
    return api


def roll(api: EmbeddedKubernetes, number: int = 1) -> None:
    """Change the pod template, so that every pod is replaced."""
    body = {"spec": {"template": {"metadata": {"annotations": {"changed": str(number)}}}}}
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    assert api.request("PATCH", path, body, content_type="application/strategic-merge-patch+json").status == 200


class TestReachingPods:
    def test_a_client_gets_the_pods_page(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, cluster()) as here:
                assert await page(here.port) == here.pods()[0]
                await until(lambda: here.traffic.open == 0)
                assert (here.traffic.served, here.traffic.failed, here.traffic.error) == (1, 0, None)
                assert here.traffic.received > 0 < here.traffic.sent
                ((service, text),) = here.debugged
                assert (service, text.partition(" for ")[0]) == ("web", f"a client was connected to {here.pods()[0]}")

        run(scenario())

    def test_a_client_that_found_no_pod_is_in_the_debug_log_with_the_reason(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, cluster(replicas=0), backend_wait=0.05) as here:
                client = await connect(here.port)
                await until(lambda: here.debugged)
                client.close()
                ((_, text),) = here.debugged
                assert text.startswith("a client was connected to no backend for ") and ": " in text

        run(scenario())

    def test_a_client_that_comes_before_the_pods_is_held(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster(replicas=0)
            async with place(tmp_path, api) as here:
                asking = asyncio.create_task(page(here.port))
                await until(lambda: here.traffic.open == 1)
                path = "/apis/apps/v1/namespaces/default/deployments/web"
                api.request("PATCH", path, {"spec": {"replicas": 1}}, content_type="application/merge-patch+json")
                assert await asking == here.pods()[0]

        run(scenario())

    def test_after_a_rollout_the_new_pod_answers(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster()
            async with place(tmp_path, api) as here:
                old = await page(here.port)
                roll(api)
                await until(lambda: old not in here.pods())
                assert await page(here.port) == here.pods()[0] != old

        run(scenario())

    def test_a_pod_that_is_going_gets_nobody(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster(pace=Timing(ready_after=0.0, terminate_after=PATIENT))
            async with place(tmp_path, api) as here:
                old = await page(here.port)
                roll(api)
                await until(lambda: any(pod["metadata"].get("deletionTimestamp") for pod in api.list_objects("Pod")))
                seen = {await page(here.port) for _ in range(3)}
                assert seen == set(here.pods()) - {old}

        run(scenario())

    def test_a_named_port_that_differs_between_pods(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster(port_name="http")
            async with place(tmp_path, api) as here:
                old = await page(here.port)
                template = manifests.pod_template("web", port=9090, port_name="http")
                path = "/apis/apps/v1/namespaces/default/deployments/web"
                changed = api.get(*WEB)
                assert changed is not None
                body = {**changed, "spec": {**changed["spec"], "template": template}}
                assert api.request("PUT", path, body).status == 200
                await until(lambda: old not in here.pods())
                assert await page(here.port) == here.pods()[0]

        run(scenario())

    def test_the_api_server_goes_and_comes_back(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster()
            async with place(tmp_path, api) as here:
                await page(here.port)
                api.refuse_connections()
                asking = asyncio.create_task(page(here.port))
                await until(lambda: here.traffic.open == 1)
                api.accept_connections()
                assert await asking == here.pods()[0]

        run(scenario())

    @pytest.mark.alone
    def test_hundreds_at_once(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                clients = await asyncio.gather(*(connect(here.port) for _ in range(HUNDREDS)))
                await asyncio.gather(*(send(client, b"x") for client in clients))
                assert await asyncio.gather(*(receive(client, 1) for client in clients)) == [b"x"] * HUNDREDS
                for client in clients:
                    client.close()
                await until(lambda: here.traffic.open == 0)
                assert here.traffic.failed == 0

        run_unhurried(asyncio.wait_for(scenario(), 3 * PATIENT))


class TestClients:
    def test_much_data_both_ways_at_once(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            data = bytes(range(256)) * 8192
            async with place(tmp_path, echoing()) as here:
                client = await connect(here.port)
                got, _ = await asyncio.gather(receive(client, len(data)), send(client, data))
                client.close()
                assert got == data
                await until(lambda: here.traffic.open == 0)
                assert (here.traffic.received, here.traffic.sent) == (len(data), len(data))

        run(scenario())

    def test_one_that_ended_its_direction_still_gets_the_answer(self, tmp_path: Path) -> None:
        asked = asyncio.Event()

        async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(5)
            await asked.wait()
            writer.write(b"answer")

        async def scenario() -> None:
            api = cluster()
            api.programs.run(*WEB, 8080, answer_late)
            async with place(tmp_path, api) as here:
                client = await connect(here.port)
                await send(client, b"query")
                client.shutdown(socket.SHUT_WR)
                await until(lambda: here.traffic.sent == 5)
                asked.set()
                assert await receive_all(client) == b"answer"
                client.close()

        run(scenario())

    def test_one_that_closed_does_not_hold_the_pod(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                client = await connect(here.port)
                await send(client, b"x")
                await receive(client, 1)
                client.close()
                await until(lambda: here.traffic.open == 0)
                assert (here.traffic.failed, here.said) == (0, [])

        run(scenario())

    def test_one_that_resets_is_no_failure_of_ours(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                client = await connect(here.port)
                await send(client, b"x")
                await receive(client, 1)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                await until(lambda: here.traffic.open == 0)
                assert here.traffic.failed == 0

        run(scenario())

    def test_one_that_stalls_stops_the_pod_and_nobody_else(self, tmp_path: Path) -> None:
        written: list[int] = []

        async def pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                writer.write(bytes(65536))
                await writer.drain()
                written.append(65536)

        async def scenario() -> None:
            api = cluster()
            api.programs.run(*WEB, 8080, pour)
            async with place(tmp_path, api) as here:
                stalled = await connect(here.port)
                await receive(stalled, 1)
                await _settle(lambda: len(written))
                before = here.traffic.received
                other = await connect(here.port)
                assert len(await receive(other, 1 << 20)) == 1 << 20
                assert before <= 32 << 20
                stalled.close()
                other.close()

        run(scenario())

    def test_one_more_than_allowed_waits_for_its_turn(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing(), max_connections=1) as here:
                first, second = await connect(here.port), await connect(here.port)
                await send(first, b"1")
                assert await receive(first, 1) == b"1"
                await send(second, b"2")
                await until(lambda: here.traffic.open == 2)
                first.close()
                assert await receive(second, 1) == b"2"
                second.close()

        run(scenario())

    def test_one_that_waits_too_long_for_its_turn_is_reset(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing(), max_connections=1, backend_wait=1.0) as here:
                first, second = await connect(here.port), await connect(here.port)
                await send(first, b"1")
                await receive(first, 1)
                with pytest.raises(ConnectionResetError):
                    await receive(second, 1)
                assert here.traffic.failed == 1
                assert here.said == [("web", "too many connections, and none closed within 1 s")]
                first.close()
                second.close()

        run(scenario())


class TestFailures:
    async def fail(self, here: Place) -> str:
        """A client's connection is reset; what is said of it."""
        with pytest.raises(ConnectionResetError):
            await exchange(here.port, b"GET / HTTP/1.1\r\n\r\n")
        assert await here.forwarder.worth_checking() == "web"
        traffic = here.traffic
        assert (traffic.failed, traffic.error_at is not None) == (1, True)
        return traffic.error or ""

    def test_a_pod_that_refuses(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster()
            api.programs.refuse(*WEB, 8080)
            async with place(tmp_path, api, backend_wait=SOON) as here:
                error = await self.fail(here)
                assert "accepts no connection on port 8080" in error
                assert here.said == [("web", error)]

        run(scenario())

    def test_a_success_after_a_failure_is_worth_a_check_and_one_after_another_is_not(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster()
            api.programs.refuse(*WEB, 8080)
            async with place(tmp_path, api, backend_wait=SOON) as here:
                await self.fail(here)
                api.programs.forget(*WEB, 8080)
                await here.wait_long()
                await page(here.port)
                assert await here.forwarder.worth_checking() == "web"
                await page(here.port)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(here.forwarder.worth_checking(), 0.1)

        run(scenario())

    def test_another_pod_gets_what_the_first_one_refused(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster(replicas=2)
            async with place(tmp_path, api) as here:
                best = await page(here.port)
                api.programs.refuse("Pod", "default", best, 8080)
                other = {await page(here.port) for _ in range(3)} - {best}
                assert other == set(here.pods()) - {best}
                assert here.traffic.failed == 0

        run(scenario())

    def test_a_pod_that_dies_in_the_middle(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                client = await connect(here.port)
                await send(client, b"x")
                await receive(client, 1)
                here.api.forwards.kill("default", here.pods()[0])
                with pytest.raises(ConnectionResetError):
                    await receive(client, 1)
                client.close()
                assert await here.forwarder.worth_checking() == "web"
                assert "broke" in (here.traffic.error or "")

        run(scenario())

    def test_a_way_that_broke_before_anything_was_said_is_replaced_unseen(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                client = await connect(here.port)
                await until(lambda: here.open() == 2)  # the client's, and a spare
                here.api.forwards.kill("default", here.pods()[0])
                await until(lambda: here.opened() == 3 and here.open() >= 1)
                await send(client, b"x")
                assert await receive(client, 1) == b"x"
                client.close()

        run(scenario())

    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"service": "wbe"}, "no Service wbe; the Services are: web (namespace default)"),
            ({"target": "admin"}, "the Service web has no port admin; it has: http (80) (namespace default)"),
        ],
    )
    def test_what_a_person_must_mend_is_told_at_once(self, tmp_path: Path, fields: dict[str, str], words: str) -> None:
        async def scenario() -> None:
            async with place(tmp_path, cluster(), **fields) as here:
                assert await self.fail(here) == words
                assert here.said == [("web", words)]

        run(scenario())

    def test_no_ready_pod_in_time(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, cluster(replicas=0), backend_wait=0.5) as here:
                assert await self.fail(here) == "no pod matches the selector of the Service web"

        run(scenario())

    def test_an_api_that_hangs_is_given_up(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster()
            async with place(tmp_path, api, backend_wait=SOON) as here:
                api.faults.add(Hang(), path="portforward")
                assert "did not answer" in await self.fail(here)

        run(scenario())


class TestPorts:
    def test_another_port_takes_over_and_connections_live_on(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                client, other = await connect(here.port), free_port()
                await send(client, b"1")
                assert await receive(client, 1) == b"1"
                assert (await here.forwarder.listen(order(other), AT)).refusal is None
                await send(client, b"2")
                assert await receive(client, 1) == b"2"
                client.close()
                assert await exchange_one(other) == b"x"
                with pytest.raises(ConnectionRefusedError):
                    await connect(here.port)

        run(scenario())

    def test_a_taken_port_is_refused_and_the_old_one_kept(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                with socket.create_server(("127.0.0.1", 0)) as taken:
                    number = taken.getsockname()[1]
                    answer = await here.forwarder.listen(order(number), AT)
                assert "in use by" in (answer.refusal or "")
                assert await exchange_one(here.port) == b"x"

        run(scenario())

    def test_the_same_port_again_is_nothing_new(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                assert (await here.forwarder.listen(order(here.port), AT)).refusal is None
                assert await exchange_one(here.port) == b"x"

        run(scenario())

    def test_what_is_not_retained_is_left(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here:
                here.forwarder.retain({"web": here.port})
                assert await exchange_one(here.port) == b"x"
                here.forwarder.retain({})
                with pytest.raises(ConnectionRefusedError):
                    await connect(here.port)
                assert (await here.forwarder.listen(order(here.port), AT)).refusal is None

        run(scenario())

    def test_a_service_that_nobody_configured(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, cluster(), listening=False) as here:
                answer = await here.forwarder.listen(order(here.port, service="db"), AT)
                assert answer.refusal == "its port was removed from the configuration"

        run(scenario())


class TestReload:
    def test_new_connections_go_by_the_new_settings(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            api = cluster()
            api.create(manifests.deployment("other"))
            api.create(manifests.service("other"))
            async with place(tmp_path, api) as here:
                assert (await page(here.port)).startswith("web-")
                await here.forwarder.configure({"web": destination(service="other")}, ForwardingSettings())
                assert (await page(here.port)).startswith("other-")

        run(scenario())

    def test_another_way_to_the_cluster(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with place(tmp_path, echoing()) as here, place(tmp_path, echoing(), listening=False) as there:
                client = await connect(here.port)
                await send(client, b"1")
                await receive(client, 1)
                await here.forwarder.configure({"web": destination()}, ForwardingSettings(), there.streams)
                await send(client, b"2")
                assert await receive(client, 1) == b"2"
                client.close()
                assert await exchange_one(here.port) == b"x"
                assert there.opened() >= 1

        run(scenario())


async def exchange_one(port: int) -> bytes:
    """One byte there and back."""
    client = await connect(port)
    try:
        await send(client, b"x")
        return await receive(client, 1)
    finally:
        client.close()


async def _settle(count: object) -> None:
    """Return once nothing more is written."""
    assert callable(count)
    before = -1
    while count() != before:
        before = count()
        for _ in range(200):
            await asyncio.sleep(0)

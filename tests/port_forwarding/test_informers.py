from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from tests.fakes.kube_sites import PATIENT, http, local, speak, write_kubeconfig
from tests.fakes.loopback import Handler, serve_tcp
from tests.port_forwarding.places import cluster, run
from tests.port_forwarding.test_api_streams import streams_of

from connmon_agent.kube.inventory import Pod
from connmon_agent.kube.lists import PAGE
from connmon_agent.port_forwarding.informers import Informer, Informers
from connmon_lab.kubernetes import NEWEST, OLDEST, Answer, EmbeddedKubernetes, Malformed, Reset, Version, manifests


@contextlib.asynccontextmanager
async def mirrored(folder: Path, api: EmbeddedKubernetes) -> AsyncIterator[Informers]:
    async with api, streams_of(api.write_kubeconfig(folder / "c")) as streams:
        informers = Informers(streams)
        try:
            yield informers
        finally:
            await informers.close()


async def until(informer: Informer[Pod], true: Callable[[dict[str, Pod]], bool]) -> None:
    """Return once it is so, woken by nothing but the mirror itself."""
    while not true(informer.items):
        await informer.changed()


def all_ready(count: int) -> Callable[[dict[str, Pod]], bool]:
    return lambda pods: len(pods) == count and all(pod.ready_since is not None for pod in pods.values())


def test_pods_are_followed_from_birth_to_death(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = cluster()
        async with mirrored(tmp_path, api) as informers:
            pods = informers.pods("default")
            await until(pods, all_ready(1))
            (first,) = pods.items
            api.request("DELETE", f"/api/v1/namespaces/default/pods/{first}")
            await until(pods, lambda items: first not in items and all_ready(1)(items))
            assert pods.trouble is None

    run(scenario())


def test_one_namespaces_mirror_is_shared_and_knows_no_other(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = cluster()
        api.create(manifests.service("web", "other"))
        async with mirrored(tmp_path, api) as informers:
            assert informers.services("default") is informers.services("default")
            services = informers.services("other")
            await services.changed()
            assert list(services.items) == ["web"]

    run(scenario())


def test_pods_that_have_ended_are_neither_listed_nor_watched(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = cluster()
        async with mirrored(tmp_path, api) as informers:
            pods = informers.pods("default")
            await until(pods, all_ready(1))
            api.workloads.leave_evicted_pods("Deployment", "default", "web", 2 * PAGE)
            api.create(manifests.deployment("more"))
            await until(pods, all_ready(2))
            api.forget_changes()
            api.end_watches()  # so that it lists again
            api.create(manifests.deployment("most"))
            await until(pods, all_ready(3))
            assert len(api.list_objects("Pod")) == 2 * PAGE + 3

    run(scenario())


def test_a_pod_that_ends_is_forgotten(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = cluster()
        async with mirrored(tmp_path, api) as informers:
            pods = informers.pods("default")
            await until(pods, all_ready(1))
            (first,) = pods.items
            api.workloads.evict("Deployment", "default", "web")
            await until(pods, lambda items: first not in items and all_ready(1)(items))
            assert len(api.list_objects("Pod")) == 2

    run(scenario())


def test_more_objects_than_a_page_holds_are_all_there(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = EmbeddedKubernetes()
        names = {f"web-{number}" for number in range(2 * PAGE + 1)}
        for name in names:
            api.create(manifests.service(name))
        async with mirrored(tmp_path, api) as informers:
            services = informers.services("default")
            await services.changed()
            assert services.items.keys() == names

    run(scenario())


@pytest.mark.parametrize("version", [NEWEST, OLDEST])
def test_slices_of_whichever_version_the_server_has(tmp_path: Path, version: str) -> None:
    async def scenario() -> None:
        api = EmbeddedKubernetes(version=version)
        (served,) = Version(version).discovery_versions
        api.create(manifests.endpoint_slice("s", service="db", addresses=["192.0.2.7"], port=5432, version=served))
        async with mirrored(tmp_path, api) as informers:
            slices = informers.slices("default")
            await slices.changed()
            assert slices.items["s"].service == "db"

    run(scenario())


class TestRecovery:
    """Whatever ends a watch, the mirror comes back to what is so."""

    async def survives(self, folder: Path, api: EmbeddedKubernetes, disturb: Callable[[], None]) -> None:
        async with mirrored(folder, api) as informers:
            pods = informers.pods("default")
            await until(pods, all_ready(1))
            while not api.watches:
                await asyncio.sleep(0)
            disturb()
            api.create(manifests.deployment("more"))
            await until(pods, all_ready(2))

    def test_the_server_ends_the_watch(self, tmp_path: Path) -> None:
        api = cluster()
        run(self.survives(tmp_path, api, api.end_watches))

    def test_what_happened_meanwhile_is_forgotten(self, tmp_path: Path) -> None:
        api = cluster()

        def disturb() -> None:
            api.end_watches()
            api.create(manifests.deployment("lost"))
            api.request("DELETE", "/apis/apps/v1/namespaces/default/deployments/lost")
            api.forget_changes()

        run(self.survives(tmp_path, api, disturb))

    def test_the_api_server_goes_and_comes_back(self, tmp_path: Path) -> None:
        api = cluster()

        def disturb() -> None:
            api.refuse_connections()
            asyncio.get_running_loop().call_later(0.05, api.accept_connections)

        run(self.survives(tmp_path, api, disturb))

    @pytest.mark.parametrize("fault", [Answer(500), Answer(429), Reset(), Malformed()], ids=repr)
    def test_requests_that_fail(self, tmp_path: Path, fault: Answer | Reset | Malformed) -> None:
        api = cluster()

        def disturb() -> None:
            api.faults.add(fault, method="GET", path=r"/pods$", times=2)
            api.end_watches()

        run(self.survives(tmp_path, api, disturb))


def test_why_it_is_not_up_to_date_is_said(tmp_path: Path) -> None:
    async def scenario() -> None:
        api = cluster()
        api.access.deny("list", "pods")
        async with mirrored(tmp_path, api) as informers:
            pods = informers.pods("default")
            await pods.changed()
            assert pods.trouble is not None
            assert (pods.trouble.kind, pods.listed_at) == ("forbidden", None)

    run(scenario())


def test_objects_that_make_no_sense_are_a_trouble_and_no_crash(tmp_path: Path) -> None:
    async def scenario() -> None:
        body = b'{"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": [{"spec": []}]}'
        async with (
            serve_tcp(speak(http(body))) as port,
            streams_of(write_kubeconfig(tmp_path / "c", local(port))) as streams,
        ):
            informers = Informers(streams)
            pods = informers.pods("default")
            await pods.changed()
            assert pods.trouble is not None
            assert str(pods.trouble).startswith("the API server sent no PodList")
            await informers.close()

    run(scenario())


def never_answer_a_watch(asked: list[bytes]) -> Handler:
    """A server whose watches say nothing, and whose lists each have one pod more."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"watch=1" in head:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            await reader.read()
            return
        asked.append(head)
        items = ", ".join(f'{{"metadata": {{"name": "pod-{number}"}}}}' for number in range(len(asked)))
        body = f'{{"kind": "PodList", "metadata": {{"resourceVersion": "1"}}, "items": [{items}]}}'
        writer.write(http(body.encode()))

    return handle


def test_who_waits_for_news_has_a_dead_watch_replaced_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.port_forwarding.informers.RECENT", 0.0)
    asked: list[bytes] = []

    async def scenario() -> None:
        async with (
            serve_tcp(never_answer_a_watch(asked)) as port,
            streams_of(write_kubeconfig(tmp_path / "c", local(port)), timeout=PATIENT) as streams,
        ):
            informers = Informers(streams)
            pods = informers.pods("default")
            await until(pods, lambda items: len(items) == 1)
            pods.nudge()
            await until(pods, lambda items: len(items) == 2)
            await informers.close()

    run(scenario())

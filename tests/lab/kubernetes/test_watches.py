"""Watches of the embedded API over HTTP: their events, how they end, and how they are disturbed."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from tests.fakes.virtual_time import let_pass, run_held, until

from connmon_lab.kubernetes import (
    Answer,
    Delay,
    Drip,
    EmbeddedKubernetes,
    Malformed,
    Manifest,
    Reset,
    Timing,
    manifests,
)

SERVICES = "/api/v1/namespaces/erp/services"
PODS = "/api/v1/namespaces/erp/pods"
Told = tuple[str, str]  # type and name


class Watching:
    """A client of one watch."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def take(self) -> Any:
        """The next event."""
        return json.loads(await self.response.content.readline())

    async def tell(self) -> Told:
        """Type and name of the next event's object."""
        event = await self.take()
        return event["type"], event["object"]["metadata"]["name"]

    async def is_over(self) -> bool:
        """Whether nothing comes any more, in good order."""
        return await self.response.content.read() == b""


Watch = Callable[[str], contextlib.AbstractAsyncContextManager[Watching]]
Story = Callable[[EmbeddedKubernetes, Watch], Awaitable[None]]


def tell(story: Story, **options: Any) -> None:
    """Run a story beside a fresh API whose clock stands still; watches are of the services in ``erp`` by default."""

    async def live() -> None:
        async with (
            EmbeddedKubernetes(namespaces=("default", "erp"), **options) as api,
            aiohttp.ClientSession(api.url, timeout=aiohttp.ClientTimeout()) as session,
        ):

            @contextlib.asynccontextmanager
            async def watch(query: str, path: str = SERVICES) -> AsyncIterator[Watching]:
                async with session.get(f"{path}?watch=1{query}") as response:
                    assert (response.status, response.content_type) == (200, "application/json")
                    yield Watching(response)

            await story(api, watch)

    run_held(live())


def service(name: str, namespace: str = "erp") -> Manifest:
    """A Service that selects nothing, so that no controller makes changes of its own."""
    made = manifests.service(name, namespace)
    del made["spec"]["selector"]
    return made


def newest(api: EmbeddedKubernetes) -> str:
    body = api.request("GET", SERVICES).body
    assert isinstance(body, dict)
    return str(body["metadata"]["resourceVersion"])


def label(api: EmbeddedKubernetes, name: str, **labels: str | None) -> None:
    patch = {"metadata": {"labels": labels}}
    path = f"{SERVICES}/{name}"
    assert api.request("PATCH", path, patch, content_type="application/merge-patch+json").status == 200


def test_a_watch_from_a_version_tells_what_happened_since() -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        api.create(service("old"))
        since = newest(api)
        api.create(service("web"))
        label(api, "web", tier="front")
        async with watch(f"&resourceVersion={since}") as watching:
            assert [await watching.tell() for _ in range(2)] == [("ADDED", "web"), ("MODIFIED", "web")]
            api.request("DELETE", f"{SERVICES}/old")
            gone = await watching.take()
        assert (gone["type"], gone["object"]["kind"], gone["object"]["apiVersion"]) == ("DELETED", "Service", "v1")
        assert gone["object"]["metadata"]["resourceVersion"] == newest(api), "a deletion has a version of its own"

    tell(story)


@pytest.mark.parametrize("since", ["", "&resourceVersion=0", "&resourceVersion="])
def test_a_watch_without_a_version_begins_with_what_is_there(since: str) -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        for name in ("b", "a"):
            api.create(service(name))
        label(api, "a", tier="front")
        async with watch(since) as watching:
            first = await watching.take()
            assert (first["type"], first["object"]) == ("ADDED", api.get("Service", "erp", "a"))
            assert await watching.tell() == ("ADDED", "b")
            api.create(service("c"))
            assert await watching.tell() == ("ADDED", "c")

    tell(story)


def test_an_object_comes_into_a_selector_and_goes_out_of_it() -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        api.create(service("web"))
        async with watch("&labelSelector=tier%3Dfront") as watching:
            label(api, "web", tier="front")
            label(api, "web", other="x")
            label(api, "web", tier="back")
            label(api, "web", tier=None)
            label(api, "web", tier="front")
            events = [await watching.take() for _ in range(4)]
        assert [event["type"] for event in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
        assert events[2]["object"]["metadata"]["labels"] == {"tier": "front", "other": "x"}, "as it was last seen"

    tell(story)


def test_a_watch_of_one_name_and_of_every_namespace() -> None:
    async def story(api: EmbeddedKubernetes, watch: Any) -> None:
        async with (
            watch("&fieldSelector=metadata.name%3Dweb") as one,
            watch("", "/api/v1/services") as everywhere,
            watch("", "/api/v1/namespaces/nowhere/services") as nowhere,
        ):
            api.create(service("other", "default"))
            api.create(service("other"))
            api.create(service("web"))
            assert await one.tell() == ("ADDED", "web")
            seen = [(await everywhere.take())["object"]["metadata"] for _ in range(3)]
            assert [item["namespace"] for item in seen] == ["default", "erp", "erp"]
            api.end_watches()
            assert await nowhere.is_over()

    tell(story)


def test_a_pod_s_life() -> None:
    async def story(api: EmbeddedKubernetes, watch: Any) -> None:
        template = manifests.pod_template("web")
        template["spec"]["terminationGracePeriodSeconds"] = 30
        async with watch("", PODS) as watching:
            api.create(manifests.deployment("web", "erp", template=template))
            assert (await watching.take())["type"] == "ADDED"
            assert (await watching.take())["object"]["spec"]["nodeName"] == "node-1"
            let_pass(1)
            ready = await watching.take()
            assert (ready["type"], ready["object"]["status"]["phase"]) == ("MODIFIED", "Running")
            api.request("DELETE", "/apis/apps/v1/namespaces/erp/deployments/web")
            going = await watching.take()
            assert (going["type"], "deletionTimestamp" in going["object"]["metadata"]) == ("MODIFIED", True)
            let_pass(5)
            assert (await watching.take())["type"] == "DELETED"

    tell(story, pace=Timing(ready_after=1, terminate_after=5))


def test_forgotten_changes_are_an_error_410_and_the_end() -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        since = newest(api)
        for name in ("a", "b", "c"):
            api.create(service(name))
        async with watch(f"&resourceVersion={int(since) + 1}") as watching:
            assert [await watching.tell() for _ in range(2)] == [("ADDED", "b"), ("ADDED", "c")]
        async with watch(f"&resourceVersion={since}") as watching:
            event = await watching.take()
            assert await watching.is_over()
        assert event == {
            "type": "ERROR",
            "object": {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": f"too old resource version: {since} ({newest(api)})",
                "reason": "Expired",
                "code": 410,
            },
        }

    tell(story, changes_kept=2)


def test_changes_are_forgotten_on_request() -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        since = newest(api)
        async with watch(f"&resourceVersion={since}") as watching:
            api.create(service("a"))
            assert await watching.tell() == ("ADDED", "a")
            api.forget_changes()
            api.create(service("b"))
            assert await watching.tell() == ("ADDED", "b"), "a watch that keeps up does not mind"
        async with watch(f"&resourceVersion={since}") as watching:
            assert (await watching.take())["object"]["code"] == 410

    tell(story)


def test_a_watch_ends_after_its_time_with_a_last_bookmark() -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        query = f"&resourceVersion={newest(api)}&timeoutSeconds=90&allowWatchBookmarks=true"
        async with watch(query) as watching:
            api.create(service("a"))
            assert await watching.tell() == ("ADDED", "a")
            let_pass(61)
            bookmark = await watching.take()
            version = {"resourceVersion": newest(api)}
            assert bookmark == {
                "type": "BOOKMARK",
                "object": {"kind": "Service", "apiVersion": "v1", "metadata": version},
            }
            let_pass(30)
            assert (await watching.take())["type"] == "BOOKMARK"
            assert await watching.is_over()
        async with watch(f"&resourceVersion={newest(api)}&timeoutSeconds=90") as watching:
            let_pass(91)
            assert await watching.is_over(), "who did not ask gets no bookmark"

    tell(story)


def test_watches_end_with_the_api_server() -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        async with watch("") as watching:
            assert api.watches == 1
            api.refuse_connections()
            with pytest.raises(aiohttp.ClientError):
                await watching.take()
        await until(lambda: api.watches == 0)
        api.accept_connections()
        async with watch("") as watching:
            await api.stop()
            with contextlib.suppress(aiohttp.ClientError):
                assert await watching.is_over()

    tell(story)


def test_a_client_that_goes_is_noticed() -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        async with watch(""):
            assert api.watches == 1
        await until(lambda: api.watches == 0)

    tell(story)


@pytest.mark.parametrize(
    ("query", "status"), [("labelSelector=a%20b", 400), ("resourceVersion=x", 500), ("timeoutSeconds=x", 400)]
)
def test_a_watch_that_cannot_be_understood(query: str, status: int) -> None:
    async def story(api: EmbeddedKubernetes, _: Watch) -> None:
        async with aiohttp.request("GET", f"{api.url}{PODS}?watch=true&{query}") as response:
            assert (response.status, (await response.json())["kind"]) == (status, "Status")

    tell(story)


@pytest.mark.parametrize(("flag", "watching"), [("0", False), ("false", False), ("true", True), ("1", True)])
def test_watching_is_a_verb_of_its_own(flag: str, watching: bool) -> None:
    async def story(api: EmbeddedKubernetes, _: Watch) -> None:
        api.access.deny("watch", "pods")
        async with aiohttp.request("GET", f"{api.url}{PODS}?watch={flag}") as response:
            answer = await response.json()
        assert response.status == (403 if watching else 200)
        if watching:
            assert 'cannot watch resource "pods"' in answer["message"]

    tell(story)


def test_faults_happen_to_watches_too() -> None:
    async def story(api: EmbeddedKubernetes, watch: Watch) -> None:
        api.create(service("a"))
        api.faults.add(Answer(503), times=1)
        with pytest.raises(AssertionError):
            await watch("").__aenter__()
        rule = api.faults.add(Reset())
        with pytest.raises(aiohttp.ClientError):
            await watch("").__aenter__()
        api.faults.remove(rule)
        api.faults.add(Malformed(), times=1)
        async with watch("") as watching:
            text = await watching.response.content.readany()
            with pytest.raises(json.JSONDecodeError):
                json.loads(text)
        api.faults.add(Drip(0.0), times=1)
        async with watch("") as watching:
            assert await watching.tell() == ("ADDED", "a")
        rule = api.faults.add(Delay(5), times=1)
        late = asyncio.ensure_future(watch("").__aenter__())
        await until(lambda: rule.hits == 1)
        assert not late.done()
        let_pass(5)
        assert await (await late).tell() == ("ADDED", "a")

    tell(story)


def test_a_stream_needs_http() -> None:
    with pytest.raises(TypeError, match="needs HTTP"):
        EmbeddedKubernetes().request("GET", PODS + "?watch=1")

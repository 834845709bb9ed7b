"""Lists in pages: everything is seen, nothing larger than a page is asked for, and there is an end."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.errors import ClusterError
from connmon_agent.kube import lists
from connmon_agent.kube.lists import MOST, PAGE, Fetch, read_first_page, read_list, read_pages
from connmon_agent.kube.requests import ApiRequest, Json, list_by_selector, list_path
from connmon_lab.kubernetes import EmbeddedKubernetes, manifests

PODS = list_by_selector(list_path("api/v1", "shop", "pods"), "PodList", "app=web")


def server(objects: int, asked: list[ApiRequest]) -> Fetch:
    """A list of so many objects; ``asked`` gets every request."""

    async def fetch(request: ApiRequest) -> Json:
        asked.append(request)
        query = dict(request.query)
        start = int(query.get("continue", "0"))
        end = min(objects, start + int(query["limit"]))
        metadata = {"resourceVersion": "7", **({"continue": str(end)} if end < objects else {})}
        return {"kind": "PodList", "metadata": metadata, "items": [{"number": n} for n in range(start, end)] or None}

    return fetch


@given(st.integers(0, 5 * PAGE))
def test_every_object_is_seen_once_and_no_page_is_too_large(objects: int) -> None:
    asked: list[ApiRequest] = []

    async def sizes() -> list[int]:
        return [len(page.items) async for page in read_pages(PODS, server(objects, asked))]

    pages = asyncio.run(sizes())
    assert sum(pages) == objects and max(pages) <= PAGE
    assert len(asked) == len(pages) == max(1, -(-objects // PAGE))
    assert {request.query[0] for request in asked} == {("labelSelector", "app=web")}
    items = asyncio.run(read_list(PODS, server(objects, [])))
    assert [item["number"] for item in items] == list(range(objects))


def test_who_needs_some_asks_once_and_knows_that_there_are_more() -> None:
    for objects, more in ((PAGE, False), (PAGE + 1, True), (0, False)):
        asked: list[ApiRequest] = []
        page = asyncio.run(read_first_page(PODS, server(objects, asked)))
        assert (len(page.items), page.more, page.version, len(asked)) == (min(objects, PAGE), more, "7", 1)


def test_a_list_without_end_is_refused_with_its_number() -> None:
    asked: list[ApiRequest] = []
    with pytest.raises(ClusterError) as caught:
        asyncio.run(read_list(PODS, server(10 * MOST, asked)))
    assert str(caught.value).startswith("the list /api/v1/namespaces/shop/pods has more than 5000 objects that match")
    assert len(asked) == MOST // PAGE


def test_a_page_that_comes_again_and_again_is_no_endless_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lists, "PAGES", 3)

    async def fetch(request: ApiRequest) -> Json:
        return {"metadata": {"continue": "the same"}, "items": None}

    with pytest.raises(ClusterError, match="more than 3 pages"):
        asyncio.run(read_list(PODS, fetch))


def test_pages_of_a_server() -> None:
    api = EmbeddedKubernetes()
    names = [f"web-{number:03}" for number in range(2 * PAGE + 5)]
    for name in names:
        api.create(manifests.service(name, "shop"))

    async def fetch(request: ApiRequest) -> Json:
        body = api.request("GET", request.target).body
        assert isinstance(body, dict)
        return body

    request = list_by_selector(list_path("api/v1", "shop", "services"), "ServiceList")
    assert [item["metadata"]["name"] for item in asyncio.run(read_list(request, fetch))] == names

"""Lists in pages and by fields, checked against the embedded API and against a real one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.clients import KubernetesClient
from tests.contract.workloads import status_of

from connmon_lab.kubernetes import manifests

CORE = "api/v1"
UNFINISHED = "status.phase!=Failed,status.phase!=Succeeded"


@pytest.fixture(scope="session")
def five(api: KubernetesClient) -> list[str]:
    """The names of five Services with the label ``tier: paged``."""
    names = [f"paged-{number}" for number in range(5)]
    for name in names:
        manifest = manifests.service(name, api.namespace)
        manifest["metadata"]["labels"] = {"tier": "paged"}
        api.create("services", manifest, group=CORE)
    return names


def page(api: KubernetesClient, query: str) -> tuple[list[str], dict[str, Any]]:
    body = api.request("GET", f"{api.path('services', group=CORE)}?{query}").body
    return [item["metadata"]["name"] for item in body["items"]], body["metadata"]


def test_a_list_comes_in_pages_of_one_version(api: KubernetesClient, five: list[str]) -> None:
    query = "labelSelector=tier=paged&limit=2"
    first, begun = page(api, query)
    second, gone_on = page(api, f"{query}&continue={begun['continue']}")
    last, over = page(api, f"{query}&continue={gone_on['continue']}")
    assert [first, second, last] == [five[:2], five[2:4], five[4:]]
    assert "continue" not in over
    assert begun["resourceVersion"] == gone_on["resourceVersion"] == over["resourceVersion"]
    assert "remainingItemCount" not in begun, "with a selector nothing is counted"


def test_a_page_tells_what_is_left_where_nothing_is_selected(api: KubernetesClient, five: list[str]) -> None:
    names, found = page(api, "limit=1")
    assert len(names) == 1 and found["remainingItemCount"] >= len(five) - 1


def test_no_limit_is_everything(api: KubernetesClient, five: list[str]) -> None:
    for query in ("labelSelector=tier=paged", "labelSelector=tier=paged&limit=0"):
        names, found = page(api, query)
        assert (names, "continue" in found) == (five, False)


def test_a_page_that_cannot_be_understood(api: KubernetesClient) -> None:
    for query in ("limit=1&continue=nonsense", "limit=x"):
        assert api.request("GET", f"{api.path('services', group=CORE)}?{query}").code == 400


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ("status.phase=Running", True),
        ("status.phase==Running", True),
        ("status.phase!=Running", False),
        ("status.phase=Failed", False),
        (UNFINISHED, True),
        (f"{UNFINISHED},status.phase!=Running", False),
    ],
)
def test_pods_are_selected_by_their_phase(api: KubernetesClient, still: str, fields: str, found: bool) -> None:
    path = f"{api.path('pods', group=CORE)}?labelSelector=app={still}&fieldSelector={fields}"
    assert bool(api.request("GET", path).body["items"]) is found


def test_what_is_no_field_of_a_selector(api: KubernetesClient) -> None:
    for path in (api.path("pods", group=CORE), api.path("deployments")):
        answer = api.request("GET", f"{path}?fieldSelector=spec.replicas=1")
        assert status_of(answer) == (400, "Status", "BadRequest")
    assert api.request("GET", f"{api.path('deployments')}?fieldSelector=status.phase=Running").code == 400

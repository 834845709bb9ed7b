"""What a watch tells, checked against the embedded API and against a real one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from tests.contract.clients import MERGE_PATCH, PATIENCE, KubernetesClient
from tests.contract.workloads import deployment, status_of, template

from connmon_lab.kubernetes import Trait, manifests


def take_until(events: Iterator[Any], kind: str, *, having: str = "") -> list[Any]:
    """The events up to the first of this type; ``having``: whose object is also being deleted, or is Ready."""
    taken: list[Any] = []
    for event in events:
        taken.append(event)
        if event["type"] == kind and (not having or having in traits(event["object"])):
            return taken
    raise AssertionError([event["type"] for event in taken])


def traits(found: dict[str, Any]) -> set[str]:
    conditions = found["status"].get("conditions", ())
    ready = {"Ready" for item in conditions if (item["type"], item["status"]) == ("Ready", "True")}
    return ready | ({"deleting"} if "deletionTimestamp" in found["metadata"] else set())


def first_event(api: KubernetesClient, path: str) -> Any:
    with contextlib.closing(api.watch(path)) as events:
        return next(events)


def begin_again(api: KubernetesClient, path: str) -> Any:
    """The first event of a watch once its server's cache is as new as etcd, as a change of its resource makes it. There
    is a next attempt where something else has changed in between.
    """
    deployment(api, "newer", replicas=0)
    for attempt in range(10):
        api.patch("deployments", "newer", {"metadata": {"labels": {"attempt": str(attempt)}}})
        if (event := first_event(api, path))["type"] != "ERROR":
            return event
    raise AssertionError(event)


def list_version(api: KubernetesClient, path: str) -> str:
    version: str = api.request("GET", path).body["metadata"]["resourceVersion"]
    return version


def test_a_pod_s_life_from_a_list_on(api: KubernetesClient) -> None:
    path = api.path("pods", group="api/v1") + "?labelSelector=app=lived"
    since = list_version(api, path)
    slow = template("lived")
    slow["spec"]["terminationGracePeriodSeconds"] = 1
    deployment(api, "lived", template=slow)
    with contextlib.closing(api.watch(f"{path}&resourceVersion={since}&timeoutSeconds={PATIENCE}")) as events:
        born = take_until(events, "MODIFIED", having="Ready")
        assert api.request("DELETE", api.path("deployments", "lived")).code == 200
        dying = take_until(events, "MODIFIED", having="deleting")
        told = [*born, *dying, *take_until(events, "DELETED")]
    assert [event["type"] for event in told] == ["ADDED", *["MODIFIED"] * (len(told) - 2), "DELETED"]
    objects = [event["object"] for event in told]
    assert {(item["kind"], item["apiVersion"]) for item in objects} == {("Pod", "v1")}
    assert len({item["metadata"]["uid"] for item in objects}) == 1
    assert all(a < b for a, b in pairwise(int(item["metadata"]["resourceVersion"]) for item in objects))
    assert "deletionTimestamp" in objects[-1]["metadata"]
    assert objects[len(born) - 1]["status"]["podIP"]


@pytest.mark.parametrize("since", ["", "&resourceVersion=0"])
def test_a_watch_without_a_version_begins_with_what_is_there(api: KubernetesClient, still: str, since: str) -> None:
    path = f"{api.path('deployments')}?fieldSelector=metadata.name={still}&timeoutSeconds={PATIENCE}{since}"
    event = first_event(api, path)
    if not since and event["type"] == "ERROR":
        assert api.version.has(Trait.WATCH_CATCHES_UP)
        assert (event["object"]["code"], event["object"]["reason"]) == (504, "Timeout")
        assert event["object"]["message"].startswith("Timeout: Too large resource version: ")
        event = begin_again(api, path)
    assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", still)
    assert (event["object"]["kind"], event["object"]["apiVersion"]) == ("Deployment", "apps/v1")


def test_a_watch_ends_after_its_time(api: KubernetesClient, still: str) -> None:
    version = list_version(api, api.path("deployments"))
    path = f"/apis/apps/v1/deployments?labelSelector=app=nobody&resourceVersion={version}&timeoutSeconds=1"
    assert list(api.watch(path)) == []


def test_an_object_goes_out_of_a_selector_and_comes_back(api: KubernetesClient) -> None:
    service = manifests.service("marked", api.namespace)
    service["metadata"]["labels"] = {"tier": "front"}
    del service["spec"]["selector"]
    api.create("services", service, group="api/v1")
    path = api.path("services", group="api/v1")
    query = f"?labelSelector=tier=front&resourceVersion=0&timeoutSeconds={PATIENCE}"
    with contextlib.closing(api.watch(f"/api/v1/services{query}")) as events:
        assert next(events)["type"] == "ADDED"
        for tier in ("front", "back", "front"):
            patch = {"metadata": {"labels": {"tier": tier, "seen": "yes"}}}
            assert api.request("PATCH", f"{path}/marked", patch, MERGE_PATCH).code == 200
        told = [next(events) for _ in range(3)]
    assert [event["type"] for event in told] == ["MODIFIED", "DELETED", "ADDED"]
    assert told[1]["object"]["metadata"]["labels"] == {"tier": "front", "seen": "yes"}, "as it was last seen"
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in told]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize(
    ("query", "code"), [("labelSelector=a%20b", 400), ("resourceVersion=x", 500), ("timeoutSeconds=x", 400)]
)
def test_a_watch_that_cannot_be_understood(api: KubernetesClient, query: str, code: int) -> None:
    answer = api.request("GET", f"{api.path('pods', group='api/v1')}?watch=true&{query}")
    assert (answer.code, answer.body["kind"], answer.body["code"]) == (code, "Status", code)


def test_a_flag_that_says_no(api: KubernetesClient) -> None:
    for flag in ("0", "false"):
        assert api.request("GET", f"{api.path('deployments')}?watch={flag}").body["kind"] == "DeploymentList"


def test_what_is_not_served_cannot_be_watched(api: KubernetesClient) -> None:
    assert status_of(api.request("GET", api.path("nothings") + "?watch=1"))[0] == 404

"""What the endpoint slices of the embedded cluster say, on a loop whose time is simulated."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_lab.kubernetes import NEWEST, OLDEST, ApiError, EmbeddedKubernetes, Timing, manifests

Story = Callable[[EmbeddedKubernetes], Awaitable[None]]
WEB = "/apis/apps/v1/namespaces/default/deployments/web"
SERVICE = "/api/v1/namespaces/default/services/web"
MERGE = "application/merge-patch+json"


def tell(story: Story, **options: Any) -> None:
    """Run a story against a fresh cluster in virtual time; pods become Ready after 10 seconds and go after 10."""

    async def live() -> None:
        async with EmbeddedKubernetes(**{"pace": Timing(ready_after=10, terminate_after=10)} | options) as api:
            await story(api)

    run_virtually(live())


def slow_template(port: int = 8080, **labels: str) -> dict[str, Any]:
    """A pod template of ``web`` with the port named http, whose pods take their time to go."""
    template = manifests.pod_template("web", port=port, port_name="http")
    template["spec"]["terminationGracePeriodSeconds"] = 30
    template["metadata"]["labels"] |= labels
    return template


def slices(api: EmbeddedKubernetes) -> list[dict[str, Any]]:
    return api.list_objects("EndpointSlice")


def endpoints(api: EmbeddedKubernetes) -> list[dict[str, Any]]:
    return [endpoint for found in slices(api) for endpoint in found["endpoints"] or ()]


def ready(api: EmbeddedKubernetes) -> list[bool]:
    return [endpoint["conditions"]["ready"] for endpoint in endpoints(api)]


def test_a_slice_says_where_the_pods_are() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.service("web", target="http"))
        api.create(manifests.deployment("web", template=slow_template()))
        await asyncio.sleep(1)
        (empty,) = slices(api)
        assert (empty["endpoints"], empty["ports"]) == (None, None), "as the real one writes it"
        await asyncio.sleep(11)
        (found,) = slices(api)
        (pod,) = api.list_objects("Pod")
        service = api.get("Service", "default", "web")
        assert service is not None
        target = {name: pod["metadata"][name] for name in ("namespace", "name", "uid")}
        assert found["metadata"]["uid"] == empty["metadata"]["uid"]
        assert found["metadata"]["name"].startswith("web-")
        assert found["metadata"]["labels"] == {
            "kubernetes.io/service-name": "web",
            "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
        }
        assert found["metadata"]["ownerReferences"][0]["uid"] == service["metadata"]["uid"]
        assert (found["addressType"], found["metadata"]["generation"]) == ("IPv4", 2)
        assert found["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
        assert found["endpoints"] == [
            {
                "addresses": [pod["status"]["podIP"]],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", **target},
                "nodeName": "node-1",
            }
        ]

    tell(story)


def test_every_pod_has_a_loopback_address_of_its_own() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.deployment("web", replicas=300))
        await asyncio.sleep(11)
        statuses = [pod["status"] for pod in api.list_objects("Pod")]
        addresses = {status["podIP"] for status in statuses}
        assert len(addresses) == 300 and all(ipaddress.ip_address(item).is_loopback for item in addresses)
        assert all(status["podIPs"] == [{"ip": status["podIP"]}] for status in statuses)
        assert {status["hostIP"] for status in statuses} == {"127.0.0.1"}
        before = [pod["status"]["podIP"] for pod in api.list_objects("Pod")]
        api.workloads.become_unready("Deployment", "default", "web")
        await asyncio.sleep(1)
        assert [pod["status"]["podIP"] for pod in api.list_objects("Pod")] == before

    tell(story)


def test_a_named_port_may_differ_from_pod_to_pod() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.service("web", target="http"))
        api.create(manifests.deployment("web", template=slow_template(), strategy={"type": "RollingUpdate"}))
        await asyncio.sleep(11)
        change = {"spec": {"template": slow_template(port=9090)}}
        assert api.request("PATCH", WEB, change, content_type=MERGE).status == 200
        await asyncio.sleep(11)
        by_port = {found["ports"][0]["port"]: found["endpoints"] for found in slices(api)}
        assert {port: [item["conditions"]["ready"] for item in found] for port, found in by_port.items()} == {
            8080: [False],
            9090: [True],
        }
        await asyncio.sleep(11)
        assert [found["ports"][0]["port"] for found in slices(api)] == [9090]

    tell(story)


def test_a_port_name_that_no_container_has_is_left_out() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.service("web", target="metrics"))
        api.create(manifests.deployment("web"))
        await asyncio.sleep(11)
        assert [(found["ports"], len(found["endpoints"])) for found in slices(api)] == [([], 1)]

    tell(story)


def test_readiness_follows_the_pods() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.service("web"))
        api.create(manifests.deployment("web", replicas=2))
        await asyncio.sleep(11)
        assert ready(api) == [True, True]
        api.workloads.become_unready("Deployment", "default", "web")
        await asyncio.sleep(1)
        assert ready(api) == [False, False]
        api.request("PATCH", SERVICE, {"spec": {"publishNotReadyAddresses": True}}, content_type=MERGE)
        await asyncio.sleep(1)
        assert ready(api) == [True, True]

    tell(story)


@pytest.mark.parametrize(
    ("version", "left"), [(NEWEST, [{"ready": False, "serving": True, "terminating": True}]), (OLDEST, [])]
)
def test_a_pod_that_goes_is_not_ready(version: str, left: list[dict[str, bool]]) -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.service("web"))
        api.create(manifests.deployment("web", template=slow_template()))
        await asyncio.sleep(11)
        api.request("DELETE", WEB)
        await asyncio.sleep(1)
        assert [endpoint["conditions"] for endpoint in endpoints(api)] == left
        await asyncio.sleep(11)
        assert [found["endpoints"] for found in slices(api)] == [None]

    tell(story, version=version)


def test_before_v1_the_node_is_in_the_topology() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.service("web"))
        api.create(manifests.deployment("web"))
        await asyncio.sleep(11)
        (endpoint,) = endpoints(api)
        assert endpoint["topology"] == {"kubernetes.io/hostname": "node-1"}
        assert ("nodeName" in endpoint, endpoint["conditions"]) == (False, {"ready": True})
        body = api.request("GET", "/apis/discovery.k8s.io/v1beta1/endpointslices").body
        assert isinstance(body, dict) and body["apiVersion"] == "discovery.k8s.io/v1beta1"
        assert api.request("GET", "/apis/discovery.k8s.io/v1/endpointslices").status == 404

    tell(story, version=OLDEST)


def test_slices_go_with_their_service() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        api.create(manifests.service("web"))
        await asyncio.sleep(1)
        assert len(slices(api)) == 1
        api.request("DELETE", SERVICE)
        await asyncio.sleep(1)
        assert slices(api) == []

    tell(story)


def test_a_service_without_selector_has_the_slices_that_somebody_makes() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        service = manifests.service("outside")
        del service["spec"]["selector"]
        api.create(service)
        await asyncio.sleep(1)
        assert slices(api) == []
        made = manifests.endpoint_slice("outside-1", service="outside", addresses=["127.0.0.9"], port=5432)
        api.create(made)
        await asyncio.sleep(1)
        assert [(found["endpoints"], found["ports"]) for found in slices(api)] == [(made["endpoints"], made["ports"])]

    tell(story)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"addressType": "Postal"}, "addressType: Unsupported value"),
        ({"endpoints": [{"addresses": []}]}, r"endpoints\[0\].addresses: Required value"),
        ({"endpoints": {}}, "endpoints: a list is expected"),
    ],
)
def test_a_slice_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    made = manifests.endpoint_slice("outside-1", service="outside", addresses=["127.0.0.9"], port=5432)
    with pytest.raises(ApiError, match=message):
        EmbeddedKubernetes().create(made | change)


def test_a_pod_for_another_scheduler_waits_for_its_node() -> None:
    async def story(api: EmbeddedKubernetes) -> None:
        spec = {**manifests.pod_template("web")["spec"], "schedulerName": "nobody"}
        api.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": spec})
        await asyncio.sleep(60)
        (pod,) = api.list_objects("Pod")
        assert (pod["status"], "nodeName" in pod["spec"]) == ({"phase": "Pending"}, False)

    tell(story)

"""What endpoint slices say of the pods behind a Service, checked against the embedded API and a real cluster."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.clients import KubernetesClient
from tests.contract.workloads import complete, deployment, template

from connmon_lab.kubernetes import manifests

DISCOVERY = ("apis/discovery.k8s.io/v1", "apis/discovery.k8s.io/v1beta1")
OF = "kubernetes.io/service-name"


@pytest.fixture(scope="session")
def group(api: KubernetesClient) -> str:
    """The newest version of the group that is served."""
    return next(path for path in DISCOVERY if api.request("GET", f"/{path}").code == 200)


def endpoints(slices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [endpoint for found in slices for endpoint in found["endpoints"] or ()]


def ready(slices: list[dict[str, Any]]) -> list[str]:
    """The names of the pods that are ready."""
    return [item["targetRef"]["name"] for item in endpoints(slices) if item["conditions"]["ready"]]


def test_slices_resolve_named_ports_and_follow_their_pods(api: KubernetesClient, group: str) -> None:
    service = api.create("services", manifests.service("sliced", api.namespace, target="http"), group="api/v1")
    (empty,) = api.wait_list("endpointslices", f"{OF}=sliced", len, group=group)
    assert (empty["endpoints"], empty["ports"], empty["addressType"]) == (None, None, "IPv4")
    slow = template("sliced", port_name="http")
    slow["spec"]["terminationGracePeriodSeconds"] = 5
    deployment(api, "sliced", template=slow)
    (found,) = api.wait_list("endpointslices", f"{OF}=sliced", ready, group=group)
    (pod,) = api.list("pods", "app=sliced", group="api/v1")
    assert found["metadata"]["name"].startswith("sliced-")
    assert found["metadata"]["labels"] == {
        OF: "sliced",
        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
    }
    assert found["metadata"]["ownerReferences"][0]["uid"] == service["metadata"]["uid"]
    assert found["ports"] == [{"name": "http", "protocol": "TCP", "port": 8080}]
    (endpoint,) = found["endpoints"]
    assert (endpoint["addresses"], endpoint["conditions"]["ready"]) == ([pod["status"]["podIP"]], True)
    wanted = {"kind": "Pod", **{name: pod["metadata"][name] for name in ("name", "namespace", "uid")}}
    assert wanted.items() <= endpoint["targetRef"].items()

    api.request("DELETE", api.path("deployments", "sliced"))
    api.wait_list("endpointslices", f"{OF}=sliced", lambda slices: not ready(slices), group=group)
    going = api.list("pods", "app=sliced", group="api/v1")
    assert all("deletionTimestamp" in item["metadata"] for item in going), "not ready before it is gone"


def test_a_named_port_that_changes_makes_a_second_slice(api: KubernetesClient, group: str) -> None:
    api.create("services", manifests.service("moved", api.namespace, target="http"), group="api/v1")
    deployment(api, "moved", template=template("moved", port_name="http"))
    api.wait("deployments", "moved", complete)
    ports = [{"containerPort": 8080, "$patch": "delete"}, {"containerPort": 9090, "name": "http"}]
    container = {"name": "moved", "ports": ports}
    patch = {"spec": {"template": {"spec": {"containers": [container]}}}}
    assert api.patch("deployments", "moved", patch).code == 200

    def settled(slices: list[dict[str, Any]]) -> bool:
        return [[port["port"] for port in found["ports"] or ()] for found in slices if found["endpoints"]] == [[9090]]

    api.wait_list("endpointslices", f"{OF}=moved", settled, group=group)


def test_slices_go_with_their_service(api: KubernetesClient, group: str) -> None:
    api.create("services", manifests.service("brief", api.namespace), group="api/v1")
    api.wait_list("endpointslices", f"{OF}=brief", len, group=group)
    api.request("DELETE", api.path("services", "brief", group="api/v1"))
    api.wait_list("endpointslices", f"{OF}=brief", lambda slices: not slices, group=group)


def test_a_service_without_selector_has_the_slices_that_somebody_makes(api: KubernetesClient, group: str) -> None:
    service = manifests.service("outside", api.namespace)
    del service["spec"]["selector"]
    api.create("services", service, group="api/v1")
    made = manifests.endpoint_slice(
        "outside-1",
        api.namespace,
        service="outside",
        addresses=["192.0.2.7"],
        port=5432,
        version=group.rpartition("/")[2],
    )
    created = api.create("endpointslices", made, group=group)
    assert (created["addressType"], created["ports"][0]["port"]) == ("IPv4", 5432)
    (found,) = api.list("endpointslices", f"{OF}=outside", group=group)
    assert (found["metadata"]["name"], found["endpoints"][0]["addresses"]) == ("outside-1", ["192.0.2.7"])
    answer = api.request("POST", api.path("endpointslices", group=group), made | {"addressType": "Postal"})
    assert (answer.code, answer.body["details"]["causes"][0]["field"]) == (422, "addressType")

from __future__ import annotations

import asyncio
from pathlib import Path

import yaml
from msgspec.structs import replace
from tests.fakes.kube_sites import calls_of, plan, write_kubeconfig
from tests.fakes.loopback import closed_port

from connmon_agent.core.plan import ForwardPlan, Kind, ServicePlan
from connmon_agent.kube.permissions import (
    Permission,
    Reviewed,
    list_permissions,
    read_server_version,
    review_permissions,
    role_manifest,
)
from connmon_lab.kubernetes import EmbeddedKubernetes

SERVICES = (plan("web"), plan("db", Kind.STATEFUL_SET), ServicePlan("logs", Kind.DAEMON_SET, "ops", "logs"))
ACCOUNT = {"kind": "ServiceAccount", "name": "connmon", "namespace": "default"}


def brief(permissions: tuple[Permission, ...]) -> set[tuple[str, str, str]]:
    return {(one.namespace, one.resource, one.verb) for one in permissions}


def test_what_the_services_need_and_nothing_else() -> None:
    assert brief(list_permissions(SERVICES)) == {
        ("default", "deployments", "get"),
        ("default", "deployments", "patch"),
        ("default", "replicasets", "list"),
        ("default", "statefulsets", "get"),
        ("default", "statefulsets", "patch"),
        ("default", "controllerrevisions", "list"),
        ("default", "pods", "list"),
        ("default", "pods/log", "get"),
        ("default", "events", "list"),
        ("default", "poddisruptionbudgets", "list"),
        ("", "nodes", "list"),
        ("ops", "daemonsets", "get"),
        ("ops", "daemonsets", "patch"),
        ("ops", "controllerrevisions", "list"),
        ("ops", "pods", "list"),
        ("ops", "pods/log", "get"),
        ("ops", "events", "list"),
        ("ops", "poddisruptionbudgets", "list"),
    }


def test_a_local_port_needs_what_leads_to_pods() -> None:
    with_port = replace(plan("web"), forward=ForwardPlan(8080))
    assert brief(list_permissions((with_port,))) - brief(list_permissions((plan("web"),))) == {
        ("default", "services", "get"),
        ("default", "services", "list"),
        ("default", "services", "watch"),
        ("default", "pods", "get"),
        ("default", "pods", "watch"),
        ("default", "pods/portforward", "get"),
        ("default", "pods/portforward", "create"),
        ("default", "endpointslices", "list"),
        ("default", "endpointslices", "watch"),
    }


def test_a_subresource_is_asked_about_as_one(tmp_path: Path) -> None:
    async def scenario() -> dict[str, bool | None]:
        api = EmbeddedKubernetes()
        api.access.deny("create", "pods/portforward")
        wanted = list_permissions((replace(plan("web"), forward=ForwardPlan(8080)),))
        async with api, calls_of(api.write_kubeconfig(tmp_path / "c")) as calls:
            reviewed = await review_permissions(calls, [one for one in wanted if "portforward" in one.resource])
        return {one.permission.verb: one.allowed for one in reviewed}

    assert asyncio.run(scenario()) == {"create": False, "get": True}


def test_two_services_of_a_kind_need_it_once() -> None:
    assert list_permissions((plan("a"), plan("b"))) == list_permissions((plan("a"),))


def test_without_get_and_patch_nothing_works() -> None:
    essential = {one.verb for one in list_permissions(SERVICES) if one.essential}
    assert essential == {"get", "patch"}


def test_the_api_server_is_asked_about_each(tmp_path: Path) -> None:
    async def scenario() -> tuple[Reviewed, ...]:
        api = EmbeddedKubernetes()
        api.access.deny("patch", "deployments")
        async with api, calls_of(api.write_kubeconfig(tmp_path / "c")) as calls:
            return await review_permissions(calls, list_permissions((plan("web"),)))

    verdicts = {(one.permission.resource, one.permission.verb): one.allowed for one in asyncio.run(scenario())}
    assert verdicts == {
        ("deployments", "get"): True,
        ("deployments", "patch"): False,
        ("replicasets", "list"): True,
        ("pods", "list"): True,
        ("pods/log", "get"): True,
        ("events", "list"): True,
        ("poddisruptionbudgets", "list"): True,
        ("nodes", "list"): True,
    }


def test_what_cannot_be_asked_is_neither_allowed_nor_denied(tmp_path: Path) -> None:
    async def scenario(port: int) -> tuple[Reviewed, ...]:
        async with calls_of(write_kubeconfig(tmp_path / "c", f"http://127.0.0.1:{port}")) as calls:
            return await review_permissions(calls, list_permissions((plan("web"),)))

    with closed_port() as port:
        reviewed = asyncio.run(scenario(port))
    assert {one.allowed for one in reviewed} == {None}
    assert all("connection refused" in one.reason for one in reviewed)


def test_the_servers_version_is_read(tmp_path: Path) -> None:
    async def scenario() -> str:
        api = EmbeddedKubernetes(version="v1.33.1+k3s1")
        async with api, calls_of(api.write_kubeconfig(tmp_path / "c")) as calls:
            return await read_server_version(calls)

    assert asyncio.run(scenario()) == "v1.33.1+k3s1"


def test_the_role_grants_exactly_what_is_needed() -> None:
    permissions = list_permissions(SERVICES)
    documents = list(yaml.safe_load_all(role_manifest(permissions, subject=ACCOUNT)))
    granted = {
        (role["metadata"].get("namespace", ""), group, resource, verb)
        for role in documents
        if role["kind"] in ("Role", "ClusterRole")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {(one.namespace, one.group, one.resource, one.verb) for one in permissions}


def test_the_role_is_bound_to_the_subject_in_every_namespace() -> None:
    documents = list(yaml.safe_load_all(role_manifest(list_permissions(SERVICES), subject=ACCOUNT)))
    bindings = [document for document in documents if document["kind"] == "RoleBinding"]
    assert [binding["metadata"]["namespace"] for binding in bindings] == ["default", "ops"]
    assert all(binding["subjects"] == [{**ACCOUNT, "apiGroup": ""}] for binding in bindings)
    assert all(binding["roleRef"]["name"] == "connmon-agent" for binding in bindings)


def test_a_user_is_bound_as_a_user() -> None:
    text = role_manifest(list_permissions((plan("web"),)), subject={"kind": "User", "name": "system:admin"})
    bindings = [document for document in yaml.safe_load_all(text) if document["kind"].endswith("Binding")]
    group = "rbac.authorization.k8s.io"
    assert [binding["kind"] for binding in bindings] == ["ClusterRoleBinding", "RoleBinding"]
    assert all(one["subjects"] == [{"kind": "User", "name": "system:admin", "apiGroup": group}] for one in bindings)


def test_what_is_in_no_namespace_takes_a_cluster_role_bound_to_the_same_subject() -> None:
    documents = list(yaml.safe_load_all(role_manifest(list_permissions(SERVICES), subject=ACCOUNT)))
    [role] = [document for document in documents if document["kind"] == "ClusterRole"]
    [binding] = [document for document in documents if document["kind"] == "ClusterRoleBinding"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}]
    assert "namespace" not in role["metadata"] and "namespace" not in binding["metadata"]
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "ClusterRole",
        "name": "connmon-agent",
    }
    assert binding["subjects"] == [{**ACCOUNT, "apiGroup": ""}]

"""What the agent relies on of a Kubernetes API, checked against the embedded one and against a real one."""

from __future__ import annotations

from typing import Any

import pytest
from tests.contract.clients import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Answer, KubernetesClient
from tests.contract.workloads import IMAGE, annotate, deployment, status_of, template, versions

from connmon_lab.kubernetes import manifests

TOKEN = "/spec/template/metadata/annotations/connmon.io~1restart-token"
POLICY = ("apis/policy/v1", "apis/policy/v1beta1")


def test_health_and_version(api: KubernetesClient) -> None:
    assert api.request("GET", "/readyz") == Answer(200, "ok")
    version = api.request("GET", "/version").body
    assert version["gitVersion"].startswith(f"v{version['major']}.{version['minor'].rstrip('+')}.")


def test_discovery_tells_which_policy_version_is_served(api: KubernetesClient) -> None:
    groups = {group["name"]: group for group in api.request("GET", "/apis").body["groups"]}
    served = [version["groupVersion"] for version in groups["policy"]["versions"]]
    for path in POLICY:
        answer = api.request("GET", f"/{path}")
        if path.removeprefix("apis/") in served:
            assert "poddisruptionbudgets" in [resource["name"] for resource in answer.body["resources"]]
        else:
            assert status_of(answer) == (404, "Status", "NotFound")
    assert groups["policy"]["preferredVersion"]["groupVersion"] == served[0]


def test_a_new_object_gets_identity_and_defaults(api: KubernetesClient) -> None:
    made = deployment(api, "made", replicas=0)
    assert made["metadata"]["generation"] == 1
    assert made["metadata"]["uid"] and made["metadata"]["creationTimestamp"].endswith("Z")
    assert (made["spec"]["progressDeadlineSeconds"], made["spec"]["revisionHistoryLimit"]) == (600, 10)
    assert made["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}
    assert api.get("deployments", "made")["metadata"]["uid"] == made["metadata"]["uid"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("app=still", True),
        ("app==still", True),
        ("app!=still", False),
        ("app%20in%20(still,other)", True),
        ("app%20notin%20(still)", False),
        ("app", True),
        ("!app", False),
        ("app=still,missing", False),
    ],
)
def test_a_list_follows_its_label_selector(api: KubernetesClient, still: str, query: str, found: bool) -> None:
    assert (still in [item["metadata"]["name"] for item in api.list("deployments", query)]) is found


def test_a_list_over_all_namespaces(api: KubernetesClient, still: str) -> None:
    listed = api.request("GET", "/apis/apps/v1/deployments?labelSelector=app=still").body
    assert (listed["kind"], listed["apiVersion"]) == ("DeploymentList", "apps/v1")
    assert (api.namespace, still) in [(i["metadata"]["namespace"], i["metadata"]["name"]) for i in listed["items"]]
    assert "kind" not in listed["items"][0]


def test_a_selector_that_cannot_be_read(api: KubernetesClient) -> None:
    answer = api.request("GET", api.path("deployments") + "?labelSelector=a%20b%20c")
    assert status_of(answer) == (400, "Status", "BadRequest")


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
def test_an_object_that_is_not_there(api: KubernetesClient, method: str) -> None:
    body = {} if method == "PATCH" else None
    answer = api.request(method, api.path("deployments", "nowhere"), body, MERGE_PATCH)
    assert status_of(answer) == (404, "Status", "NotFound")
    assert answer.body["message"] == 'deployments.apps "nowhere" not found'
    assert answer.body["details"] == {"name": "nowhere", "group": "apps", "kind": "deployments"}


def test_a_namespace_that_is_not_there(api: KubernetesClient) -> None:
    path = "/apis/apps/v1/namespaces/connmon-nowhere/deployments"
    assert status_of(api.request("POST", path, manifests.deployment("web", "connmon-nowhere")))[0] == 404
    assert api.request("GET", path).body["items"] == []


def test_the_same_name_twice(api: KubernetesClient, still: str) -> None:
    answer = api.request("POST", api.path("deployments"), manifests.deployment(still, api.namespace))
    assert status_of(answer) == (409, "Status", "AlreadyExists")


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"selector": {"matchLabels": {"app": "other"}}}, "spec.template.metadata.labels"),
        ({"replicas": -1}, "spec.replicas"),
        ({"template": {"metadata": {"labels": {"app": "bad"}}, "spec": {}}}, "spec.template.spec.containers"),
    ],
)
def test_an_invalid_object_is_refused_with_its_causes(api: KubernetesClient, spec: Any, field: str) -> None:
    answer = api.request("POST", api.path("deployments"), manifests.deployment("bad", api.namespace, **spec))
    assert status_of(answer) == (422, "Status", "Invalid")
    assert field in [cause["field"] for cause in answer.body["details"]["causes"]]


def test_a_body_that_is_no_json(api: KubernetesClient) -> None:
    assert status_of(api.request("POST", api.path("deployments"), b"{bad"))[0::2] == (400, "BadRequest")


@pytest.mark.parametrize(
    ("content_type", "patch"),
    [
        (STRATEGIC_PATCH, annotate("first")),
        (MERGE_PATCH, annotate("first")),
        (JSON_PATCH, [{"op": "test", "path": TOKEN, "value": "first"}]),
        (JSON_PATCH, [{"op": "replace", "path": TOKEN, "value": "first"}]),
        (STRATEGIC_PATCH, {}),
        (STRATEGIC_PATCH, {"metadata": {"generation": 99}}),
    ],
    ids=["strategic", "merge", "json-test", "json-replace", "empty", "generation"],
)
def test_a_patch_that_changes_nothing(api: KubernetesClient, still: str, content_type: str, patch: Any) -> None:
    before = versions(api.get("deployments", still))
    answer = api.patch("deployments", still, patch, content_type)
    assert answer.code == 200
    assert versions(answer.body) == versions(api.get("deployments", still)) == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": TOKEN, "value": "another"},
        {"op": "test", "path": "/metadata/generation", "value": 99},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "1"},
        {"op": "test", "path": "/metadata/uid", "value": "00000000-0000-0000-0000-000000000000"},
        {"op": "test", "path": "/spec/nowhere", "value": 1},
        {"op": "test", "path": "/spec/nowhere/below", "value": None},
        {"op": "remove", "path": "/spec/nowhere"},
        {"op": "add", "path": "/spec/nowhere/below", "value": 1},
        {"op": "unheard-of", "path": "/spec/replicas"},
    ],
    ids=["token", "generation", "resourceVersion", "uid", "missing", "missing-parent", "remove", "add", "operation"],
)
def test_a_json_patch_that_fails_changes_nothing(api: KubernetesClient, still: str, operation: Any) -> None:
    before = versions(api.get("deployments", still))
    answer = api.patch(
        "deployments", still, [operation, {"op": "add", "path": "/spec/replicas", "value": 3}], JSON_PATCH
    )
    assert status_of(answer) == (422, "Status", "Invalid")
    assert versions(api.get("deployments", still)) == before


def test_a_json_patch_may_test_that_a_member_is_missing(api: KubernetesClient, still: str) -> None:
    path = "/spec/template/metadata/annotations/connmon.io~1other"
    assert api.patch("deployments", still, [{"op": "test", "path": path, "value": None}], JSON_PATCH).code == 200


def test_a_stale_resource_version_conflicts(api: KubernetesClient, still: str) -> None:
    for content_type in (STRATEGIC_PATCH, MERGE_PATCH):
        answer = api.patch("deployments", still, {"metadata": {"resourceVersion": "1"}}, content_type)
        assert status_of(answer) == (409, "Status", "Conflict")
    fresh = api.get("deployments", still)["metadata"]["resourceVersion"]
    assert api.patch("deployments", still, {"metadata": {"resourceVersion": fresh}}).code == 200


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"metadata": {"uid": "00000000-0000-0000-0000-000000000000"}}, 422),
        ({"spec": {"selector": {"matchLabels": {"app": "other"}}}}, 422),
        ({"spec": {"template": {"metadata": {"annotations": {"a": 1}}}}}, 422),
        ({"spec": {"replicas": "two"}}, 422),
        ({"spec": {"template": {"spec": {"containers": [{"name": "new"}]}}}}, 422),
        ({"spec": {"template": {"spec": {"containers": [{"image": "x"}]}}}}, 500),
        ({"metadata": {"name": "other"}}, 400),
        ({"metadata": {"namespace": "other"}}, 400),
        ([], 400),
    ],
    ids=["uid", "selector", "number", "text", "no-image", "no-merge-key", "name", "namespace", "list"],
)
def test_a_patch_that_is_refused(api: KubernetesClient, still: str, patch: Any, code: int) -> None:
    answer = api.patch("deployments", still, patch)
    assert (answer.code, answer.body["kind"], answer.body["code"]) == (code, "Status", code)


def test_a_patch_type_that_is_not_served(api: KubernetesClient, still: str) -> None:
    answer = api.patch("deployments", still, {}, "application/json")
    assert status_of(answer) == (415, "Status", "UnsupportedMediaType")


def test_a_dry_run_changes_nothing(api: KubernetesClient, still: str) -> None:
    before = versions(api.get("deployments", still))
    path = api.path("deployments", still) + "?dryRun=All"
    answer = api.request("PATCH", path, annotate("dry"), STRATEGIC_PATCH)
    assert (answer.code, answer.body["metadata"]["generation"]) == (200, before[0] + 1)
    assert versions(api.get("deployments", still)) == before


def test_an_annotation_of_the_deployment_counts_too(api: KubernetesClient) -> None:
    deployment(api, "noted", replicas=0)
    found = api.patch("deployments", "noted", {"metadata": {"annotations": {"a": "b"}}}).body
    assert found["metadata"]["generation"] == 2
    found = api.patch("deployments", "noted", {"metadata": {"labels": {"a": "b"}}}).body
    assert found["metadata"]["generation"] == 2


def test_an_access_review_answers_for_ourselves(api: KubernetesClient) -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {
            "resourceAttributes": {
                "namespace": api.namespace,
                "verb": "patch",
                "group": "apps",
                "resource": "deployments",
            }
        },
    }
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = api.request("POST", path, review)
    assert (answer.code, answer.body["status"]["allowed"]) == (201, True)
    assert api.request("POST", path, {**review, "spec": {}}).code == 422


def test_a_strategic_merge_patch_merges_containers_and_their_lists(api: KubernetesClient) -> None:
    deployment(api, "merged", replicas=0, template=template("merged", env={"A": "1"}))

    def patch_container(**fields: Any) -> dict[str, Any]:
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "merged", **fields}]}}}}
        found: dict[str, Any] = api.patch("deployments", "merged", patch).body["spec"]["template"]["spec"][
            "containers"
        ][0]
        return found

    container = patch_container(env=[{"name": "B", "value": "2"}])
    assert container["env"] == [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}]
    assert (container["image"], container["imagePullPolicy"]) == (IMAGE, "Never")
    container = patch_container(
        env=[{"name": "A", "$patch": "delete"}], ports=[{"containerPort": 8080, "name": "http"}]
    )
    assert container["env"] == [{"name": "B", "value": "2"}]
    assert container["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]


def test_an_unknown_field_is_not_stored(api: KubernetesClient, still: str) -> None:
    generation = api.get("deployments", still)["metadata"]["generation"]
    found = api.patch("deployments", still, {"spec": {"nowhere": 1}}).body
    assert (found["metadata"]["generation"], "nowhere" in found["spec"]) == (generation, False)


def test_a_service_gets_an_address(api: KubernetesClient) -> None:
    made = api.create("services", manifests.service("web", api.namespace, target="http"), group="api/v1")
    assert made["spec"]["type"] == "ClusterIP" and made["spec"]["clusterIP"]
    assert made["spec"]["ports"] == [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": "http"}]


def managers_of(deployment: Any) -> dict[str, Any]:
    """The fields of each manager but the controllers', as a tree; without the mark of who made a map."""
    entries = deployment["metadata"]["managedFields"]
    return {one["manager"]: without_marks(one["fieldsV1"]) for one in entries}


def without_marks(tree: Any) -> Any:
    return {name: without_marks(inner) for name, inner in tree.items() if name != "."}


def patch_as(api: KubernetesClient, name: str, manager: str, annotations: Any) -> Any:
    path = f"{api.path('deployments', name)}?fieldManager={manager}"
    answer = api.request("PATCH", path, {"spec": {"template": {"metadata": {"annotations": annotations}}}}, MERGE_PATCH)
    assert answer.code == 200
    return answer.body


def test_the_field_managers_of_a_pod_template(api: KubernetesClient) -> None:
    """Who wrote a value last has it; who only removes what others wrote leaves no trace."""
    deployment(api, "managed", replicas=0)
    written = managers_of(patch_as(api, "managed", "one", {"a": "1", "b": "1"}))
    assert written["one"] == {"f:spec": {"f:template": {"f:metadata": {"f:annotations": {"f:a": {}, "f:b": {}}}}}}
    taken = managers_of(patch_as(api, "managed", "two", {"b": "2"}))
    template = {name: taken[name]["f:spec"]["f:template"]["f:metadata"]["f:annotations"] for name in ("one", "two")}
    assert template == {"one": {"f:a": {}}, "two": {"f:b": {}}}
    removed = managers_of(patch_as(api, "managed", "three", {"a": None, "b": None}))
    assert {"one", "two", "three"}.isdisjoint(removed)
    same = patch_as(api, "managed", "four", None)
    assert "four" not in managers_of(same)

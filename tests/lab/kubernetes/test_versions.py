"""The table of versions, and what only some of them can be asked for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_lab.kubernetes import NEWEST, OLDEST, Denial, EmbeddedKubernetes, Trait, Version, manifests

FROZEN = "changes are frozen until Monday"
PATCH = {"spec": {"template": {"metadata": {"annotations": {"connmon.io/restart-token": "t1"}}}}}
WEB = "/apis/apps/v1/namespaces/default/deployments/web"
MERGE = "application/merge-patch+json"


@pytest.mark.parametrize("trait", Trait, ids=lambda trait: trait.name)
def test_a_trait_begins_and_ends_with_its_versions(trait: Trait) -> None:
    what, since, gone = trait.value
    assert what
    assert Version(f"v1.{since}.0").has(trait) and not Version(f"v1.{since - 1}.9").has(trait)
    if gone is not None:
        assert since < gone
        assert Version(f"v1.{gone - 1}.9").has(trait) and not Version(f"v1.{gone}.0").has(trait)


def test_every_trait_is_a_difference_between_versions_that_are_supported() -> None:
    oldest, newest = Version(OLDEST), Version(NEWEST)
    assert [trait.name for trait in Trait if oldest.has(trait) == newest.has(trait)] == []


@pytest.mark.parametrize("text", ["v1.33.1+k3s1", "v1.33.0-rc.1", "1.33"])
def test_the_minor_of_a_version(text: str) -> None:
    assert Version(text).minor == 33


@pytest.mark.parametrize("text", ["", "v2.0.0", "newest", "v1"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no version of Kubernetes; write it as v1"):
        EmbeddedKubernetes(version=text)


def ask(api: EmbeddedKubernetes, *, method: str = "PATCH") -> tuple[int, dict[str, Any]]:
    body = {"PATCH": PATCH, "DELETE": None, "GET": None}[method]
    answer = api.request(method, WEB, body, content_type=MERGE)
    assert isinstance(answer.body, dict)
    return answer.status, answer.body


def test_a_policy_refuses_in_the_words_of_a_server_and_nothing_is_stored() -> None:
    api = EmbeddedKubernetes()
    before = api.create(manifests.deployment("web"))
    rule = api.admission.refuse_by_policy(Denial(verb="patch", name="web"), name="freeze", message=FROZEN)
    words = f"ValidatingAdmissionPolicy 'freeze' with binding 'freeze' denied request: {FROZEN}"
    assert ask(api) == (
        422,
        {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": f'deployments.apps "web" is forbidden: {words}',
            "reason": "Invalid",
            "details": {"name": "web", "group": "apps", "kind": "deployments", "causes": [{"message": words}]},
            "code": 422,
        },
    )
    assert api.get("Deployment", "default", "web") == before
    assert ask(api, method="GET")[0] == 200, "reads are not admitted"
    api.admission.allow(rule)
    assert ask(api)[0] == 200


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_a_webhook_refuses_with_the_status_it_chooses(version: str) -> None:
    api = EmbeddedKubernetes(version=version)
    api.create(manifests.deployment("web"))
    api.admission.refuse_by_webhook(Denial(verb="delete"), name="guard.example.com", message="no", code=400)
    status, body = ask(api, method="DELETE")
    assert (status, body["message"]) == (400, 'admission webhook "guard.example.com" denied the request: no')
    assert ask(api)[0] == 200


def test_an_old_version_has_no_policies() -> None:
    with pytest.raises(ValueError, match=r"v1\.20\.2 has no ValidatingAdmissionPolicy"):
        EmbeddedKubernetes(version=OLDEST).admission.refuse_by_policy(Denial(), name="freeze", message=FROZEN)


def test_a_sidecar_that_crashes_leaves_its_last_words_and_the_old_pod() -> None:
    async def story() -> None:
        async with EmbeddedKubernetes() as api:
            helped = manifests.pod_template("web")
            proxy = {"name": "proxy", "image": manifests.DEFAULT_IMAGE, "restartPolicy": "Always"}
            helped["spec"]["initContainers"] = [proxy]
            api.create(manifests.deployment("web", template=helped))
            await asyncio.sleep(10)
            api.workloads.fail_rollouts("Deployment", "default", "web", how="sidecar-crash")
            assert ask(api)[0] == 200
            await asyncio.sleep(10)
            old, new = api.list_objects("Pod")
            if old["metadata"].get("annotations"):
                old, new = new, old
            (ended,) = new["status"]["initContainerStatuses"]
            assert (ended["ready"], ended["state"]["waiting"]["reason"]) == (False, "CrashLoopBackOff")
            assert ended["lastState"]["terminated"]["exitCode"] == 7
            assert ended["lastState"]["terminated"]["message"] == "cannot reach the control plane\n"
            assert [one["ready"] for one in new["status"]["containerStatuses"]] == [True]
            unready = {one["type"]: one.get("message") for one in new["status"]["conditions"]}["Ready"]
            assert unready == "containers with unready status: [proxy]"
            assert {one["type"]: one["status"] for one in old["status"]["conditions"]}["Ready"] == "True"

    run_virtually(story())

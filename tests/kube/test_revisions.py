from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.core.plan import Kind
from connmon_agent.kube.annotations import parse_time
from connmon_agent.kube.revisions import UNKNOWN, find_revision, list_revisions

OLD, NEW = "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"
NEW_SECONDS = 1795431600.0


def workload(annotations: dict[str, str] | None = None, managers: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    fields = [
        {"manager": manager, "time": time, "fieldsV1": {"f:spec": {"f:template": {}}}} for manager, time in managers
    ]
    return {
        "metadata": {"uid": "u-1", "managedFields": fields},
        "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": {"metadata": {"annotations": annotations}}},
    }


def replica_set(number: int, created: str, *, owner: str = "u-1", controller: bool = True) -> dict[str, Any]:
    return {
        "metadata": {
            "creationTimestamp": created,
            "annotations": {"deployment.kubernetes.io/revision": str(number)},
            "ownerReferences": [{"uid": owner, "controller": controller}],
        }
    }


def controller_revision(number: int, created: str) -> dict[str, Any]:
    metadata = {"creationTimestamp": created, "ownerReferences": [{"uid": "u-1", "controller": True}]}
    return {"metadata": metadata, "revision": number}


@pytest.mark.parametrize(
    ("candidates", "at"),
    [
        pytest.param([replica_set(9, OLD), replica_set(10, NEW)], NEW, id="numbers are compared as numbers"),
        pytest.param([replica_set(2, NEW), replica_set(3, OLD)], OLD, id="the number decides, not the age"),
        pytest.param([replica_set(1, OLD), replica_set(7, NEW, owner="u-2")], OLD, id="another workload's is passed"),
        pytest.param([replica_set(1, OLD), replica_set(7, NEW, controller=False)], OLD, id="a mere owner is passed"),
        pytest.param([controller_revision(1, OLD), controller_revision(2, NEW)], NEW, id="controller revisions"),
        pytest.param([], None, id="none is there"),
    ],
)
def test_the_newest_owned_revision_dates_the_template(candidates: list[dict[str, Any]], at: str | None) -> None:
    assert find_revision(workload(), candidates).at == parse_time(at)


def test_nothing_is_known_without_a_revision() -> None:
    assert find_revision(workload({"kubectl.kubernetes.io/restartedAt": NEW}), []) == UNKNOWN


@pytest.mark.parametrize(
    ("annotations", "managers", "by"),
    [
        pytest.param(
            {"kubectl.kubernetes.io/restartedAt": "2026-11-23T12:00:00+01:00"},
            (),
            "kubectl rollout restart",
            id="kubectl",
        ),
        pytest.param({"connmon.io/restarted-at": "2026-11-23T10:59:59.900000+00:00"}, (), "connmon-agent", id="we"),
        pytest.param(
            {"kubectl.kubernetes.io/restartedAt": OLD, "connmon.io/restarted-at": NEW},
            (),
            "connmon-agent",
            id="we after kubectl",
        ),
        pytest.param(
            {"kubectl.kubernetes.io/restartedAt": NEW, "connmon.io/restarted-at": OLD},
            (("connmon-agent", OLD), ("kubectl-rollout", NEW)),
            "kubectl rollout restart",
            id="kubectl after us, and the server noted it",
        ),
        pytest.param(
            {"connmon.io/restarted-at": NEW},
            (("connmon-agent", OLD),),
            "connmon-agent",
            id="the server notes only the first write of a field's manager",
        ),
        pytest.param(
            {"connmon.io/restarted-at": OLD},
            (("connmon-agent", OLD), ("argocd-controller", NEW)),
            "argocd-controller",
            id="a later change by somebody else",
        ),
        pytest.param({"connmon.io/restarted-at": OLD}, (), None, id="a later change by nobody knows whom"),
        pytest.param({"kubectl.kubernetes.io/restartedAt": "yesterday"}, (), None, id="no time at all"),
        pytest.param(None, (), None, id="no sign"),
    ],
)
def test_the_author_of_the_template_is_named(
    annotations: dict[str, str] | None, managers: tuple[tuple[str, str], ...], by: str | None
) -> None:
    found = find_revision(workload(annotations, managers), [replica_set(1, OLD), replica_set(2, NEW)])
    assert found == (NEW_SECONDS, by)


@pytest.mark.parametrize(
    ("kind", "plural"),
    [(Kind.DEPLOYMENT, "replicasets"), (Kind.STATEFUL_SET, "controllerrevisions")],
)
def test_the_candidates_are_listed_by_the_workloads_selector(kind: Kind, plural: str) -> None:
    target = list_revisions(kind, "erp", workload()).target
    assert target == f"/apis/apps/v1/namespaces/erp/{plural}?labelSelector=app%3Dweb"

from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.core.observations import Rollout
from connmon_agent.core.plan import Kind
from connmon_agent.kube.rollouts import read_workload

SETTLED = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
UPDATING = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"}
OVERDUE = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "web-7d9" has timed out progressing.',
}
COMPLETE, UNDER_WAY, FAILED = Rollout.COMPLETE, Rollout.UNDER_WAY, Rollout.FAILED


def workload(spec: dict[str, Any], status: dict[str, Any], *, generation: int = 2) -> dict[str, Any]:
    return {
        "metadata": {"name": "web", "uid": "u-1", "generation": generation},
        "spec": {"template": {"metadata": {"labels": {"app": "web"}}}, **spec},
        "status": {"observedGeneration": 2, **status},
    }


def counts(total: int, updated: int, available: int) -> dict[str, Any]:
    return {"replicas": total, "updatedReplicas": updated, "availableReplicas": available, "conditions": [SETTLED]}


DEPLOYMENTS = [
    pytest.param({}, counts(3, 3, 3), COMPLETE, False, "successfully rolled out", id="everything is there"),
    pytest.param(
        {},
        {**counts(3, 3, 3), "observedGeneration": 1},
        UNDER_WAY,
        True,
        "its controller has not observed the newest change",
        id="not observed yet",
    ),
    pytest.param(
        {},
        {**counts(4, 1, 3), "conditions": [UPDATING]},
        UNDER_WAY,
        True,
        "1 out of 3 new replicas have been updated",
        id="new replicas are missing",
    ),
    pytest.param(
        {},
        {**counts(4, 3, 3), "conditions": [UPDATING]},
        UNDER_WAY,
        True,
        "1 old replicas are pending termination",
        id="old replicas are left",
    ),
    pytest.param(
        {},
        {**counts(3, 3, 2), "conditions": [UPDATING]},
        UNDER_WAY,
        True,
        "2 of 3 updated replicas are available",
        id="new replicas are not available",
    ),
    pytest.param(
        {},
        counts(3, 3, 0),
        UNDER_WAY,
        False,
        "0 of 3 updated replicas are available",
        id="pods went down after the rollout",
    ),
    pytest.param(
        {},
        {**counts(3, 3, 2), "conditions": [OVERDUE]},
        FAILED,
        False,
        'ProgressDeadlineExceeded: ReplicaSet "web-7d9" has timed out progressing.',
        id="deadline exceeded",
    ),
    pytest.param(
        {},
        {**counts(3, 3, 3), "conditions": [OVERDUE], "observedGeneration": 1},
        UNDER_WAY,
        True,
        "its controller has not observed the newest change",
        id="an old verdict on a new change does not count",
    ),
    pytest.param({"replicas": 0}, {}, COMPLETE, False, "successfully rolled out", id="scaled to 0"),
    pytest.param(
        {"replicas": 0}, counts(1, 0, 0), UNDER_WAY, True, "1 old replicas are pending termination", id="scaling to 0"
    ),
    pytest.param({"replicas": None}, counts(1, 1, 1), COMPLETE, False, "successfully rolled out", id="default of 1"),
]


@pytest.mark.parametrize(("spec", "status", "rollout", "rolling", "progress"), DEPLOYMENTS)
def test_a_deployment_is_judged_as_kubectl_does(
    spec: dict[str, Any], status: dict[str, Any], rollout: Rollout, rolling: bool, progress: str
) -> None:
    seen = read_workload(Kind.DEPLOYMENT, workload({"replicas": 3, **spec}, status))
    assert (seen.rollout, seen.rolling, seen.progress) == (rollout, rolling, progress)


def stateful(
    replicas: int = 3, *, partition: int | None = 0, strategy: str = "RollingUpdate", rolling_update: bool = True
) -> dict[str, Any]:
    update: dict[str, Any] = {"type": strategy}
    if rolling_update:
        update["rollingUpdate"] = {} if partition is None else {"partition": partition}
    return {"replicas": replicas, "updateStrategy": update}


def revisions(ready: int, updated: int, *, changed: bool, observed: int = 2) -> dict[str, Any]:
    return {
        "observedGeneration": observed,
        "readyReplicas": ready,
        "updatedReplicas": updated,
        "currentRevision": "db-1",
        "updateRevision": "db-2" if changed else "db-1",
    }


STATEFUL_SETS = [
    pytest.param(stateful(), revisions(3, 3, changed=False), COMPLETE, False, "rolling update complete", id="done"),
    pytest.param(
        stateful(),
        revisions(3, 3, changed=False, observed=1),
        UNDER_WAY,
        True,
        "its controller has not observed the newest change",
        id="not observed yet",
    ),
    pytest.param(
        stateful(),
        revisions(3, 3, changed=False, observed=0),
        UNDER_WAY,
        True,
        "its controller has not observed the newest change",
        id="never observed",
    ),
    pytest.param(
        stateful(),
        revisions(2, 1, changed=True),
        UNDER_WAY,
        True,
        "waiting for 1 pods to be ready",
        id="a pod is not ready during the update",
    ),
    pytest.param(
        stateful(),
        revisions(2, 3, changed=True),
        UNDER_WAY,
        True,
        "waiting for 1 pods to be ready",
        id="the last new pod is not ready yet",
    ),
    pytest.param(
        stateful(),
        revisions(2, 0, changed=True),
        UNDER_WAY,
        True,
        "waiting for 1 pods to be ready; no pod is replaced while another is not ready, so delete a stuck pod manually",
        id="a stuck pod keeps the update from beginning",
    ),
    pytest.param(
        stateful(),
        revisions(1, 3, changed=False),
        UNDER_WAY,
        False,
        "waiting for 2 pods to be ready",
        id="pods went down after the update",
    ),
    pytest.param(
        stateful(),
        revisions(3, 1, changed=True),
        UNDER_WAY,
        True,
        "1 out of 3 new pods have been updated",
        id="pods are left to update",
    ),
    pytest.param(
        stateful(partition=2),
        revisions(3, 1, changed=True),
        COMPLETE,
        False,
        "rolling update complete",
        id="the partition is reached",
    ),
    pytest.param(
        stateful(partition=None),
        revisions(3, 3, changed=True),
        COMPLETE,
        False,
        "rolling update complete",
        id="rollingUpdate without a partition",
    ),
    pytest.param(
        stateful(rolling_update=False),
        revisions(3, 1, changed=True),
        UNDER_WAY,
        True,
        "1 pods are at revision db-2",
        id="no rollingUpdate: the revisions decide",
    ),
    pytest.param(
        stateful(strategy="OnDelete", rolling_update=False),
        revisions(3, 0, changed=True),
        COMPLETE,
        False,
        "3 pods are ready",
        id="OnDelete waits for nobody",
    ),
    pytest.param(stateful(0), revisions(0, 0, changed=False), COMPLETE, False, "rolling update complete", id="0 pods"),
]


@pytest.mark.parametrize(("spec", "status", "rollout", "rolling", "progress"), STATEFUL_SETS)
def test_a_stateful_set_is_judged_as_kubectl_does(
    spec: dict[str, Any], status: dict[str, Any], rollout: Rollout, rolling: bool, progress: str
) -> None:
    seen = read_workload(Kind.STATEFUL_SET, workload(spec, status))
    assert (seen.rollout, seen.rolling, seen.progress) == (rollout, rolling, progress)


def scheduled(desired: int, updated: int, available: int, *, observed: int = 2) -> dict[str, Any]:
    return {
        "observedGeneration": observed,
        "desiredNumberScheduled": desired,
        "updatedNumberScheduled": updated,
        "numberAvailable": available,
    }


DAEMON_SETS = [
    pytest.param("RollingUpdate", scheduled(2, 2, 2), COMPLETE, False, "successfully rolled out", id="done"),
    pytest.param(
        "RollingUpdate",
        scheduled(2, 2, 2, observed=1),
        UNDER_WAY,
        True,
        "its controller has not observed the newest change",
        id="not observed yet",
    ),
    pytest.param(
        "RollingUpdate",
        scheduled(2, 1, 1),
        UNDER_WAY,
        True,
        "1 out of 2 new pods have been updated",
        id="nodes are left",
    ),
    pytest.param(
        "RollingUpdate",
        scheduled(2, 2, 1),
        UNDER_WAY,
        False,
        "1 of 2 updated pods are available",
        id="a pod is not available",
    ),
    pytest.param("OnDelete", scheduled(2, 0, 2), COMPLETE, False, "successfully rolled out", id="OnDelete"),
    pytest.param("RollingUpdate", scheduled(0, 0, 0), COMPLETE, False, "successfully rolled out", id="no node"),
]


@pytest.mark.parametrize(("strategy", "status", "rollout", "rolling", "progress"), DAEMON_SETS)
def test_a_daemon_set_is_judged_as_kubectl_does(
    strategy: str, status: dict[str, Any], rollout: Rollout, rolling: bool, progress: str
) -> None:
    seen = read_workload(Kind.DAEMON_SET, workload({"updateStrategy": {"type": strategy}}, status))
    assert (seen.rollout, seen.rolling, seen.progress) == (rollout, rolling, progress)


@pytest.mark.parametrize(
    ("kind", "spec", "status", "wanted"),
    [
        pytest.param(Kind.DEPLOYMENT, {"replicas": 3}, counts(3, 3, 2), (3, 2), id="deployment: available replicas"),
        pytest.param(
            Kind.STATEFUL_SET, stateful(), revisions(1, 3, changed=False), (3, 1), id="stateful set: ready replicas"
        ),
        pytest.param(Kind.DAEMON_SET, {}, scheduled(4, 4, 1), (4, 1), id="daemon set: nodes"),
    ],
)
def test_the_replicas_wanted_and_there(
    kind: Kind, spec: dict[str, Any], status: dict[str, Any], wanted: tuple[int, int]
) -> None:
    seen = read_workload(kind, workload(spec, status))
    assert (seen.desired, seen.available) == wanted


ON_DELETE = "its update strategy is OnDelete, so a changed pod template restarts nothing"


@pytest.mark.parametrize(
    ("kind", "spec", "why"),
    [
        pytest.param(Kind.DEPLOYMENT, {}, None, id="a deployment"),
        pytest.param(Kind.STATEFUL_SET, stateful(), None, id="a stateful set"),
        pytest.param(Kind.STATEFUL_SET, stateful(strategy="OnDelete"), ON_DELETE, id="a stateful set with OnDelete"),
        pytest.param(
            Kind.STATEFUL_SET,
            stateful(partition=3),
            "its rolling update is held by a partition that leaves every pod at the old revision",
            id="a stateful set held by its partition",
        ),
        pytest.param(Kind.DAEMON_SET, {"updateStrategy": {"type": "OnDelete"}}, ON_DELETE, id="a daemon set"),
    ],
)
def test_a_template_that_would_restart_nothing_is_told(kind: Kind, spec: dict[str, Any], why: str | None) -> None:
    assert read_workload(kind, workload(spec, {})).restartable == why


@pytest.mark.parametrize(
    ("annotations", "token", "annotated"),
    [
        pytest.param(None, None, False, id="no annotations at all"),
        pytest.param({}, None, False, id="an empty map counts as none: it may be missing in storage"),
        pytest.param({"a": "b"}, None, True, id="foreign ones"),
        pytest.param({"connmon.io/restart-token": "abc/1/2"}, "abc/1/2", True, id="ours"),
    ],
)
def test_our_token_is_read_from_the_pod_template(
    annotations: dict[str, str] | None, token: str | None, annotated: bool
) -> None:
    deployment = workload({}, counts(1, 1, 1))
    deployment["spec"]["template"]["metadata"]["annotations"] = annotations
    seen = read_workload(Kind.DEPLOYMENT, deployment)
    assert (seen.token, seen.annotated) == (token, annotated)


def test_identity_generation_and_pause_are_read() -> None:
    seen = read_workload(Kind.DEPLOYMENT, workload({"paused": True}, counts(1, 1, 1), generation=2))
    assert (seen.exists, seen.uid, seen.generation, seen.paused) == (True, "u-1", 2, True)

from __future__ import annotations

import pytest
from msgspec.structs import replace

from connmon_agent.core.effects import Restart
from connmon_agent.core.plan import Kind
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.kube.restarts import build_patch, patch_workload

AT = Timestamp(100.0, 1795431600.0)  # a whole second: its fraction must be written all the same
FIRST = Restart(
    service="frontend",
    kind=Kind.DEPLOYMENT,
    namespace="erp-system",
    workload="web",
    token="s/2/1",
    previous_token=None,
    generation=7,
    uid="u-1",
    annotated=False,
    reason="the link is back",
)
VALUES = {
    "connmon.io/restart-token": "s/2/1",
    "connmon.io/restarted-at": "2026-11-23T11:00:00.000000+00:00",
    "connmon.io/reason": "the link is back",
}
ANNOTATIONS = "/spec/template/metadata/annotations"
WHOLE_MAP = [{"op": "add", "path": ANNOTATIONS, "value": VALUES}]
ONE_BY_ONE = [
    {"op": "add", "path": f"{ANNOTATIONS}/{key.replace('/', '~1')}", "value": value} for key, value in VALUES.items()
]
SAME_UID = {"op": "test", "path": "/metadata/uid", "value": "u-1"}
SAME_GENERATION = {"op": "test", "path": "/metadata/generation", "value": 7}
SAME_TOKEN = {"op": "test", "path": f"{ANNOTATIONS}/connmon.io~1restart-token", "value": "s/1/3"}


@pytest.mark.parametrize(
    ("restart", "operations"),
    [
        pytest.param(FIRST, [SAME_UID, SAME_GENERATION, *WHOLE_MAP], id="never restarted, no annotations"),
        pytest.param(
            replace(FIRST, annotated=True), [SAME_UID, SAME_GENERATION, *ONE_BY_ONE], id="never restarted by us"
        ),
        pytest.param(
            replace(FIRST, annotated=True, previous_token="s/1/3"),
            [SAME_UID, SAME_TOKEN, *ONE_BY_ONE],
            id="restarted before: the old token is the precondition",
        ),
        pytest.param(replace(FIRST, uid=None), [SAME_GENERATION, *WHOLE_MAP], id="the uid is not known"),
    ],
)
def test_the_patch_tests_before_it_changes(restart: Restart, operations: list[object]) -> None:
    assert build_patch(restart, AT) == operations


def test_the_request_goes_to_the_workload_under_our_own_name() -> None:
    request = patch_workload(FIRST, AT)
    assert request.method == "PATCH"
    assert request.target == "/apis/apps/v1/namespaces/erp-system/deployments/web?fieldManager=connmon-agent"
    assert request.content_type == "application/json-patch+json"


@pytest.mark.parametrize(
    ("kind", "plural"),
    [(Kind.DEPLOYMENT, "deployments"), (Kind.STATEFUL_SET, "statefulsets"), (Kind.DAEMON_SET, "daemonsets")],
)
def test_every_kind_has_its_path(kind: Kind, plural: str) -> None:
    path = patch_workload(replace(FIRST, kind=kind, workload="we b/x"), AT).path
    assert path == f"/apis/apps/v1/namespaces/erp-system/{plural}/we%20b%2Fx"


def test_the_same_restart_sent_again_differs_in_nothing_that_decides() -> None:
    first, again = build_patch(FIRST, AT), build_patch(replace(FIRST, again=True), AT.plus(30.0))
    assert first[:2] == again[:2]
    assert first[2]["value"]["connmon.io/restart-token"] == again[2]["value"]["connmon.io/restart-token"]


def test_an_endless_reason_is_cut() -> None:
    (change,) = build_patch(replace(FIRST, reason="x" * 9000), AT)[2:]
    assert len(change["value"]["connmon.io/reason"]) == 500

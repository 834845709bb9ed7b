from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.core.observations import Observation, Rollout
from connmon_agent.core.plan import Kind
from connmon_agent.kube.object_events import Silent, find_silent, list_warnings, tell_newest

WEB = Silent("uid-1", "web-1: ")
STARTING = Observation(desired=2, available=0, rollout=Rollout.UNDER_WAY)
WORKLOAD = {"metadata": {"name": "web", "uid": "web-uid"}}


def pod(name: str, **status: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"{name}-uid"}, "status": {"phase": "Pending", **status}}


READY = {"conditions": [{"type": "Ready", "status": "True"}]}
CREATING = {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}
CRASHING = {"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}
ENDING = {**pod("a"), "metadata": {"name": "a", "deletionTimestamp": "now"}}
LACKING = Silent("web-uid", "")


@pytest.mark.parametrize(
    ("kind", "seen", "pods", "silent"),
    [
        pytest.param(Kind.DEPLOYMENT, STARTING, [pod("a", **CREATING)], Silent("a-uid", "a: "), id="it starts"),
        pytest.param(
            Kind.DEPLOYMENT, STARTING, [pod("a"), pod("new-b")], Silent("new-b-uid", "new-b: "), id="new ones first"
        ),
        pytest.param(Kind.DEPLOYMENT, STARTING, [pod("a", **READY)], None, id="all are ready"),
        pytest.param(Kind.DEPLOYMENT, STARTING, [], None, id="a Deployment says itself why it has none"),
        pytest.param(Kind.STATEFUL_SET, STARTING, [pod("a", **READY)], LACKING, id="a StatefulSet lacks one"),
        pytest.param(Kind.DAEMON_SET, STARTING, [], LACKING, id="a DaemonSet has none"),
        pytest.param(Kind.DAEMON_SET, STARTING, [ENDING], LACKING, id="its last one is ending"),
        pytest.param(
            Kind.STATEFUL_SET, STARTING, [pod("a", **READY), pod("b", **READY)], None, id="a StatefulSet has all"
        ),
        pytest.param(Kind.DAEMON_SET, Observation(), [pod("a")], None, id="it is well"),
        pytest.param(
            Kind.DAEMON_SET, STARTING, [pod("a", **CRASHING), pod("b", **CREATING)], None, id="one says why itself"
        ),
        pytest.param(
            Kind.STATEFUL_SET, STARTING, [pod("a", phase="Failed")], LACKING, id="those that ended say nothing"
        ),
    ],
)
def test_what_does_not_say_why_is_asked_about(
    kind: Kind, seen: Observation, pods: list[dict[str, Any]], silent: Silent | None
) -> None:
    found = find_silent(kind, WORKLOAD, seen, pods, lambda one: one["metadata"]["name"].startswith("new"))
    assert found == silent


def test_only_some_warnings_about_that_object_are_listed() -> None:
    expected = "/api/v1/namespaces/erp/events?fieldSelector=involvedObject.uid%3Duid-1%2Ctype%3DWarning&limit=20"
    assert list_warnings("erp", WEB).target == expected


def event(reason: str, **more: Any) -> dict[str, Any]:
    return {"reason": reason, "message": f"because of {reason}", **more}


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([], None),
        ([{"message": "no reason"}], None),
        ([event("FailedMount")], "web-1: FailedMount (because of FailedMount)"),
        (
            [
                event("New", lastTimestamp="2026-11-23T10:00:05Z"),
                event("Old", lastTimestamp="2026-11-23T09:59:59Z"),
                event("Older", eventTime="2026-11-23T09:00:00.000000Z"),
            ],
            "web-1: New (because of New)",
        ),
        (
            [
                event("Once", lastTimestamp="2026-11-23T10:00:05Z"),
                event("Again", eventTime="2026-11-23T09:00:00Z", series={"lastObservedTime": "2026-11-23T10:00:06Z"}),
            ],
            "web-1: Again (because of Again)",
        ),
    ],
)
def test_the_newest_of_them_is_told(events: list[dict[str, Any]], told: str | None) -> None:
    assert tell_newest(WEB, events) == told

from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.kube.reasons import Ailment, Plight, examine_pod, was_never_ready

READY = {"conditions": [{"type": "Ready", "status": "True"}]}
BOOM = {"exitCode": 3, "reason": "Error", "message": "no settings\nboom\n"}
ON_ITS_WAY = {"name": "web", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}


def pod(*containers: dict[str, Any], first: tuple[dict[str, Any], ...] = (), **spec: Any) -> dict[str, Any]:
    status = {"phase": "Pending", "initContainerStatuses": list(first), "containerStatuses": list(containers)}
    return {"metadata": {"name": "web-1"}, "spec": spec, "status": status}


def container(state: dict[str, Any], *, name: str = "web", last: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "ready": False, "state": state, "lastState": {"terminated": last} if last else {}}


def waiting(reason: str, message: str = "", **more: Any) -> dict[str, Any]:
    return container({"waiting": {"reason": reason, "message": message}}, **more)


@pytest.mark.parametrize(
    "reason",
    [
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ErrSignatureValidationFailed",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "PostStartHookError",
        "PreCreateHookError",
        "RegistryUnavailable",
        "RunContainerError",
        "a reason of a Kubernetes to come",
    ],
)
def test_a_container_that_waits_for_anything_but_its_start_is_stalled(reason: str) -> None:
    assert examine_pod(pod(waiting(reason, "because"))) == Ailment(Plight.STALLED, f"{reason} (because)")


@pytest.mark.parametrize(
    ("one", "words"),
    [
        pytest.param(
            pod(waiting("CrashLoopBackOff", "back-off 10s restarting failed container", last=BOOM)),
            "CrashLoopBackOff (exit code 3: no settings boom)",
            id="a crash, with its last words",
        ),
        pytest.param(
            pod(waiting("CrashLoopBackOff", last={"exitCode": 137, "reason": "OOMKilled"})),
            "CrashLoopBackOff (OOMKilled, exit code 137)",
            id="out of memory",
        ),
        pytest.param(pod(container({"terminated": BOOM})), "Error (exit code 3: no settings boom)", id="just ended"),
        pytest.param(
            pod({**container({"terminated": BOOM}), "restartCount": 1}),
            "CrashLoopBackOff (exit code 3: no settings boom)",
            id="just ended once more",
        ),
        pytest.param(
            pod(
                ON_ITS_WAY,
                first=(waiting("CrashLoopBackOff", name="proxy", last=BOOM),),
                initContainers=[{"name": "proxy", "restartPolicy": "Always"}],
            ),
            "sidecar proxy: CrashLoopBackOff (exit code 3: no settings boom)",
            id="a native sidecar",
        ),
        pytest.param(
            pod(ON_ITS_WAY, first=(container({"terminated": BOOM}, name="migrate"),)),
            "init container migrate: Error (exit code 3: no settings boom)",
            id="an init container",
        ),
        pytest.param(
            pod(ON_ITS_WAY, waiting("ErrImagePull", name="proxy")), "container proxy: ErrImagePull", id="one of two"
        ),
    ],
)
def test_what_does_not_stay_up_is_named_with_how_it_ended(one: dict[str, Any], words: str) -> None:
    assert examine_pod(one) == Ailment(Plight.STALLED, words)


def placed(reason: str, message: str = "") -> dict[str, Any]:
    condition = {"type": "PodScheduled", "status": "False", "reason": reason, "message": message}
    return {"phase": "Pending", "conditions": [condition]}


@pytest.mark.parametrize(
    ("one", "plight", "words"),
    [
        pytest.param(
            {"status": placed("Unschedulable", "0/1 nodes: 1 Insufficient cpu.")},
            Plight.PLACELESS,
            "Unschedulable (0/1 nodes: 1 Insufficient cpu.)",
            id="no place",
        ),
        pytest.param(
            {
                "status": placed(
                    "Unschedulable",
                    "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: "
                    "0/1 nodes are available: 1 No preemption victims found for incoming pod.",
                )
            },
            Plight.PLACELESS,
            "Unschedulable (0/1 nodes are available: 1 Insufficient cpu.)",
            id="no place, and nobody to evict",
        ),
        pytest.param(
            {"spec": {"schedulingGates": [{"name": "a.b/c"}]}, "status": placed("SchedulingGated", "non-empty gates")},
            Plight.GATED,
            "has the scheduling gate a.b/c",
            id="a gate",
        ),
        pytest.param(
            {
                "spec": {"schedulingGates": [{"name": "a.b/c"}, {"name": "d.e/f"}]},
                "status": placed("SchedulingGated"),
            },
            Plight.GATED,
            "has the scheduling gates a.b/c, d.e/f",
            id="two gates",
        ),
        pytest.param(
            pod(container({"running": {}}, last=BOOM)),
            Plight.AILING,
            "started again after Error (exit code 3: no settings boom)",
            id="it tries again right now",
        ),
        pytest.param(pod(container({"running": {}})), Plight.STARTING, "running, not ready", id="not ready yet"),
        pytest.param(pod(waiting("ContainerCreating")), Plight.STARTING, "ContainerCreating", id="on its way"),
        pytest.param({"status": {"phase": "Pending"}}, Plight.STARTING, "Pending", id="just made"),
    ],
)
def test_what_else_keeps_a_pod_from_being_ready(one: dict[str, Any], plight: Plight, words: str) -> None:
    assert examine_pod(one) == Ailment(plight, words)


def test_a_pod_that_is_ready_has_no_trouble_whatever_it_went_through() -> None:
    one = pod(container({"running": {}}, last=BOOM))
    assert examine_pod({**one, "status": {**one["status"], **READY}}) is None


def ready_since(began: str | None, changed: str | None, status: str = "False") -> dict[str, Any]:
    ready = [{"type": "Ready", "status": status, "lastTransitionTime": changed}] if changed else []
    return {"status": {**({"startTime": began} if began else {}), "conditions": ready}}


@pytest.mark.parametrize(
    ("one", "never"),
    [
        (ready_since("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"), True),
        (ready_since("2026-11-23T10:00:00Z", "2026-11-23T10:00:01Z"), True),
        (ready_since("2026-11-23T10:00:00Z", "2026-11-23T10:00:09Z"), False),
        (ready_since("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z", "True"), False),
        (ready_since(None, None), True),
        (ready_since("2026-11-23T10:00:00Z", None), False),
    ],
)
def test_a_pod_that_was_never_ready_is_told_from_one_that_no_longer_is(one: dict[str, Any], never: bool) -> None:
    assert was_never_ready(one) is never


@pytest.mark.parametrize("message", ["x" * 5000, "word " * 1000])
def test_of_long_last_words_the_end_is_told(message: str) -> None:
    ailment = examine_pod(pod(waiting("CrashLoopBackOff", last={"exitCode": 1, "message": f"{message} the end"})))
    assert ailment is not None
    assert ailment.words.endswith("the end)")
    assert len(ailment.words) < 260

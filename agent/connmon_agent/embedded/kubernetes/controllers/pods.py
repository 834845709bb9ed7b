"""Pods: how they are made from a template, and what their status says in each stage of life. Pure."""

from __future__ import annotations

from ..objects import Manifest, owner_reference

_ADDRESSES = ("hostIP", "podIP", "podIPs")


def make_pod(template: Manifest, *, namespace: str, name: str, owner: Manifest, labels: dict[str, str]) -> Manifest:
    """A pod of ``owner`` from a pod template. ``labels`` come on top of the template's."""
    metadata: Manifest = {
        "name": name,
        "namespace": namespace,
        "labels": {**(template["metadata"].get("labels") or {}), **labels},
        "ownerReferences": [owner_reference(owner)],
    }
    if template["metadata"].get("annotations"):
        metadata["annotations"] = dict(template["metadata"]["annotations"])
    spec = dict(template["spec"])
    return {"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}


def with_addresses(pod: Manifest, **addresses: str) -> Manifest:
    """The pod with ``hostIP`` or ``podIP`` in its status, which every later status keeps."""
    more: Manifest = {"podIPs": [{"ip": addresses["podIP"]}]} if "podIP" in addresses else {}
    return {**pod, "status": {**pod["status"], **addresses, **more}}


def pending_status(pod: Manifest, at: str, *, reason: str = "ContainerCreating", message: str = "") -> Manifest:
    """It is scheduled and its containers wait: ``reason`` says for what."""
    waiting = {"reason": reason, **({"message": message} if message else {})}
    states = [_container(item, {"waiting": waiting}, ready=False) for item in pod["spec"]["containers"]]
    return _status(pod, "Pending", at, states)


def running_status(pod: Manifest, at: str, *, ready: bool) -> Manifest:
    """Its containers run; not ``ready``: their readiness probe fails."""
    running = {"running": {"startedAt": at}}
    states = [_container(item, running, ready=ready, started=True) for item in pod["spec"]["containers"]]
    return _status(pod, "Running", at, states)


def crashing_status(pod: Manifest, at: str, restarts: int) -> Manifest:
    """Its containers end as soon as they have started."""
    states = []
    for container in pod["spec"]["containers"]:
        message = f"back-off 10s restarting failed container={container['name']} pod={pod['metadata']['name']}"
        state = {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "startedAt": at, "finishedAt": at}}
        states.append(_container(container, state, ready=False, restarts=restarts) | {"lastState": ended})
    return _status(pod, "Running", at, states)


def image_trouble(pod: Manifest) -> tuple[str, str] | None:
    """Why an image cannot be had, as (reason, message); None when all can.

    An image of a registry under ``.invalid`` exists nowhere: RFC 2606 keeps that name free for exactly this.
    """
    for container in pod["spec"]["containers"]:
        image = container["image"]
        if image.partition("/")[0].partition(":")[0].endswith(".invalid"):
            if container["imagePullPolicy"] == "Never":
                return "ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never'
            return "ImagePullBackOff", f'Back-off pulling image "{image}"'
    return None


def _container(
    container: Manifest, state: Manifest, *, ready: bool, started: bool = False, restarts: int = 0
) -> Manifest:
    return {
        "name": container["name"],
        "state": state,
        "lastState": {},
        "ready": ready,
        "restartCount": restarts,
        "image": container["image"],
        "imageID": "",
        "started": started,
    }


def _status(pod: Manifest, phase: str, at: str, containers: list[Manifest]) -> Manifest:
    unready = [container["name"] for container in containers if not container["ready"]]
    verdict: Manifest = {"status": "False" if unready else "True"}
    if unready:
        verdict |= {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    old = {condition["type"]: condition for condition in pod["status"].get("conditions") or ()}
    conditions = []
    for name, found in (
        ("Initialized", {"status": "True"}),
        ("Ready", verdict),
        ("ContainersReady", verdict),
        ("PodScheduled", {"status": "True"}),
    ):
        unchanged = name in old and old[name]["status"] == found["status"]
        since = old[name]["lastTransitionTime"] if unchanged else at
        conditions.append({"type": name, "lastProbeTime": None, "lastTransitionTime": since, **found})
    started = pod["status"].get("startTime", at)
    addresses = {name: pod["status"][name] for name in _ADDRESSES if name in pod["status"]}
    told = {"phase": phase, "conditions": conditions, **addresses}
    return told | {"startTime": started, "containerStatuses": containers}

"""Pods: how they are made from a template, and what their status says in each stage of life. Pure."""

from __future__ import annotations

from hashlib import sha256

from ..objects import Manifest, owner_reference
from ..versions import Trait, Version

MOUNT_FAILURE = 'MountVolume.SetUp failed for volume "settings" : secret "settings" not found'
SIDECAR_EXIT = 7  # the exit code of a sidecar that crashes
SIDECAR_WORDS = "cannot reach the control plane"  # and its last words

_ADDRESSES = ("hostIP", "podIP", "podIPs")

# How containers wait that cannot start, by the ailment: reason and message, as the kubelet says them.
WAITING = {
    "image-pull": ("ImagePullBackOff", 'Back-off pulling image "{image}"'),
    "image-never-pull": ("ErrImageNeverPull", 'Container image "{image}" is not present with pull policy of Never'),
    "image-name": ("InvalidImageName", 'Failed to apply default image tag "{image}": invalid reference format'),
    "config": ("CreateContainerConfigError", 'secret "settings" not found'),
    "mount": ("ContainerCreating", ""),
    "create": ("CreateContainerError", "context deadline exceeded"),
    "run": ("RunContainerError", 'failed to create containerd task: exec: "nothing": not found in $PATH'),
}


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


def unplaced_status(pod: Manifest, reason: str, message: str, at: str, version: Version) -> Manifest:
    """It has no node: ``reason`` is SchedulingGated or Unschedulable."""
    found = {"status": "False", "reason": reason, "message": message}
    old: Manifest = next((one for one in pod["status"].get("conditions") or () if one["type"] == "PodScheduled"), {})
    since = old["lastTransitionTime"] if old.get("status") == "False" else at
    condition = {"type": "PodScheduled", "lastProbeTime": None, "lastTransitionTime": since, **found}
    observed = _observed(pod["metadata"].get("generation", 1), version)
    return {"phase": "Pending", "conditions": [condition | observed]}


def pending_status(
    pod: Manifest, at: str, version: Version, *, reason: str = "ContainerCreating", message: str = ""
) -> Manifest:
    """It is scheduled and its containers wait: ``reason`` says for what."""
    waiting = {"reason": reason, **({"message": message} if message else {})}
    init = [_container(item, {"waiting": waiting}, ready=False) for item in _init_containers(pod)]
    later = {"reason": "PodInitializing"} if init else waiting
    states = [_container(item, {"waiting": later}, ready=False) for item in pod["spec"]["containers"]]
    return _status(pod, "Pending", at, states, version, init=init, initialized=not init)


def running_status(pod: Manifest, at: str, version: Version, *, ready: bool) -> Manifest:
    """Its containers run; not ``ready``: their readiness probe fails."""
    states = [_running(item, at, ready=ready) for item in pod["spec"]["containers"]]
    return _status(pod, "Running", at, states, version, init=[_initialized(item, at) for item in _init_containers(pod)])


def crashing_status(pod: Manifest, at: str, version: Version, restarts: int) -> Manifest:
    """Its containers end as soon as they have started."""
    states = [_crashing(pod, item, at, restarts) for item in pod["spec"]["containers"]]
    return _status(pod, "Running", at, states, version, init=[_initialized(item, at) for item in _init_containers(pod)])


def sidecar_crashing_status(pod: Manifest, at: str, version: Version, restarts: int) -> Manifest:
    """Its containers run and are ready, and its sidecars end as soon as they have started, with last words."""
    states = [_running(item, at, ready=True) for item in pod["spec"]["containers"]]
    words = SIDECAR_WORDS + "\n"
    init = [
        _crashing(pod, item, at, restarts, exit_code=SIDECAR_EXIT, message=words)
        if is_sidecar(item)
        else _initialized(item, at)
        for item in _init_containers(pod)
    ]
    return _status(pod, "Running", at, states, version, init=init)


def is_sidecar(container: Manifest) -> bool:
    """Whether an init container is one that runs on; servers before 1.29 drop the field that says so."""
    return bool(container.get("restartPolicy") == "Always")


def image_trouble(pod: Manifest) -> tuple[str, str] | None:
    """Why an image cannot be had, as (reason, message); None when all can.

    An image of a registry under ``.invalid`` exists nowhere: RFC 2606 keeps that name free for exactly this.
    """
    for container in [*_init_containers(pod), *pod["spec"]["containers"]]:
        image = container["image"]
        if image.partition("/")[0].partition(":")[0].endswith(".invalid"):
            if container["imagePullPolicy"] == "Never":
                return "ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never'
            return "ImagePullBackOff", f'Back-off pulling image "{image}"'
    return None


def _init_containers(pod: Manifest) -> list[Manifest]:
    return list(pod["spec"].get("initContainers") or ())


def _running(container: Manifest, at: str, *, ready: bool) -> Manifest:
    return _container(container, {"running": {"startedAt": at}}, ready=ready, started=True)


def _initialized(container: Manifest, at: str) -> Manifest:
    """An init container that did what it had to: it runs on as a sidecar, or it is over."""
    if is_sidecar(container):
        return _running(container, at, ready=True)
    ended = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": at, "finishedAt": at}}
    return _container(container, ended, ready=True)


def _crashing(
    pod: Manifest, container: Manifest, at: str, restarts: int, *, exit_code: int = 1, message: str | None = None
) -> Manifest:
    told = f"back-off 10s restarting failed container={container['name']} pod={pod['metadata']['name']}"
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": told}}
    end = {"exitCode": exit_code, "reason": "Error", **({"message": message} if message else {})}
    ended = {"terminated": end | {"startedAt": at, "finishedAt": at}}
    return _container(container, state, ready=False, restarts=restarts) | {"lastState": ended}


def _container(
    container: Manifest, state: Manifest, *, ready: bool, started: bool = False, restarts: int = 0
) -> Manifest:
    image_id = f"sha256:{sha256(container['image'].encode()).hexdigest()}"
    return {
        "name": container["name"],
        "state": state,
        "lastState": {},
        "ready": ready,
        "restartCount": restarts,
        "image": container["image"],
        # What waits in its backoff has its image; what waits to be made or pulled has none yet.
        "imageID": "" if state.get("waiting", {}).get("reason", "CrashLoopBackOff") != "CrashLoopBackOff" else image_id,
        "started": started,
    }


def _status(
    pod: Manifest,
    phase: str,
    at: str,
    containers: list[Manifest],
    version: Version,
    *,
    init: list[Manifest],
    initialized: bool = True,
) -> Manifest:
    sidecars = {item["name"] for item in _init_containers(pod) if is_sidecar(item)}
    asked = [*(item for item in init if item["name"] in sidecars or not initialized), *containers]
    observed = _observed(pod["metadata"].get("generation", 1), version)
    started = pod["status"].get("startTime", at)
    addresses = {name: pod["status"][name] for name in _ADDRESSES if name in pod["status"]}
    conditions = _conditions(pod, _judge(asked, initialized=initialized, version=version), at, observed)
    told = {"phase": phase, "conditions": conditions, **observed, **addresses}
    told |= {"initContainerStatuses": init} if init else {}
    return told | {"startTime": started, "containerStatuses": containers}


def _judge(containers: list[Manifest], *, initialized: bool, version: Version) -> dict[str, Manifest]:
    """The conditions by type. ``containers``: those that must be ready for the pod to be."""
    unready = [container["name"] for container in containers if not container["ready"]]
    verdict: Manifest = {"status": "False" if unready else "True"}
    if unready:
        verdict |= {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    begun = {"PodReadyToStartContainers": {"status": "True"}} if version.has(Trait.POD_READY_TO_START) else {}
    return {
        **begun,
        "Initialized": {"status": "True" if initialized else "False"},
        "Ready": verdict,
        "ContainersReady": verdict,
        "PodScheduled": {"status": "True"},
    }


def _conditions(pod: Manifest, found: dict[str, Manifest], at: str, observed: Manifest) -> list[Manifest]:
    old = {condition["type"]: condition for condition in pod["status"].get("conditions") or ()}
    conditions = []
    for name, verdict in found.items():
        unchanged = name in old and old[name]["status"] == verdict["status"]
        since = old[name]["lastTransitionTime"] if unchanged else at
        conditions.append({"type": name, "lastProbeTime": None, "lastTransitionTime": since, **observed, **verdict})
    return conditions


def _observed(generation: int, version: Version) -> Manifest:
    return {"observedGeneration": generation} if version.has(Trait.POD_GENERATION) else {}

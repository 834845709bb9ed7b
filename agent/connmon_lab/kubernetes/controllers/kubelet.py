"""The kubelet's part: pods start, become Ready or fail, and end."""

from __future__ import annotations

from ..objects import Key, Manifest, key_of
from .context import Context, has_ended, is_ready, revision_of
from .events import warn
from .placing import find_obstacle
from .pods import (
    MOUNT_FAILURE,
    WAITING,
    crashing_status,
    image_trouble,
    pending_status,
    running_status,
    sidecar_crashing_status,
    unplaced_status,
    with_addresses,
)

DEFAULT = "default-scheduler"
HOST = "127.0.0.1"  # the address of every node


class Kubelet:
    """Carries every pod from Pending to Running and, when it is deleted, away."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._addresses = 0  # given to pods so far

    def reconcile(self, pod: Manifest) -> None:
        """Do what the pod's state asks for next."""
        if "deletionTimestamp" in pod["metadata"]:
            self._end(pod)
        elif has_ended(pod):
            self._context.ready_since.pop(pod["metadata"]["uid"], None)
        elif "startTime" not in pod["status"]:
            if is_scheduled(pod) and self._find_place(pod):
                self._admit(pod)
        else:
            self._follow_health(pod)

    def _find_place(self, pod: Manifest) -> bool:
        """Whether there is a node for the pod; else its status says why there is none."""
        context = self._context
        ailment = context.ailments.of_revision(pod["metadata"]["namespace"], revision_of(pod))
        obstacle = find_obstacle(context, pod, ailment)
        if obstacle is not None:
            context.store.update_status(pod, unplaced_status(pod, *obstacle, context.timestamp(), context.version))
        return obstacle is None

    def _admit(self, pod: Manifest) -> None:
        context = self._context
        key, uid = key_of(pod), pod["metadata"]["uid"]
        spec = {"nodeName": context.nodes[0], **pod["spec"]}
        status = pending_status(with_addresses(pod, hostIP=HOST), context.timestamp(), context.version)
        admitted = {**pod, "spec": spec, "status": status}
        context.store.update(admitted, counted=False)
        workload = context.workload_of(pod)
        seconds = context.paces.get(workload, context.pace.ready_after) if workload else context.pace.ready_after
        context.timers.set(("start", uid), seconds, lambda: self._start(key, uid))

    def _start(self, key: Key, uid: str) -> None:
        pod = self._context.store.find(key)
        if pod is None or pod["metadata"]["uid"] != uid or "deletionTimestamp" in pod["metadata"]:
            return
        pod = with_addresses(pod, podIP=self._give_address())
        status = self._outcome(pod)
        self._context.store.update_status(pod, status)
        self._context.ready_since[uid] = self._context.timers.time()
        self._tell_of_images(pod, status)

    def _tell_of_images(self, pod: Manifest, status: Manifest) -> None:
        """The node has the images of the containers that it runs."""
        store = self._context.store
        node = store.find(Key("Node", "", pod["spec"]["nodeName"]))
        if node is None:
            return
        told = node.get("status") or {}
        pulled = {one["name"] for one in status["containerStatuses"] if one["imageID"]}
        names = {one["image"] for one in pod["spec"]["containers"] if one["name"] in pulled}
        known = {name for image in told.get("images") or () for name in image["names"]}
        if not names <= known:
            images = [{"names": [name], "sizeBytes": 1} for name in sorted(names | known)]
            store.update_status(node, {**told, "images": images})

    def _give_address(self) -> str:
        """A loopback address that no other pod has, so that who dials pods directly can be tested: 127.64.0.1 on."""
        number, self._addresses = self._addresses, self._addresses + 1
        return f"127.{64 + number // 65_024 % 64}.{number // 254 % 256}.{number % 254 + 1}"

    def _outcome(self, pod: Manifest) -> Manifest:
        at, version = self._context.timestamp(), self._context.version
        if trouble := image_trouble(pod):
            return pending_status(pod, at, version, reason=trouble[0], message=trouble[1])
        ailment = self._context.ailments.of_revision(pod["metadata"]["namespace"], revision_of(pod))
        if ailment == "never-ready":
            return crashing_status(pod, at, version, restarts=1)
        if ailment == "sidecar-crash":
            return sidecar_crashing_status(pod, at, version, restarts=1)
        if ailment == "mount":
            warn(self._context, pod, "FailedMount", MOUNT_FAILURE, source="kubelet")
        if ailment in WAITING:
            reason, message = WAITING[ailment]
            message = message.format(image=pod["spec"]["containers"][0]["image"])
            return pending_status(pod, at, version, reason=reason, message=message)
        return running_status(pod, at, version, ready=pod["metadata"]["uid"] not in self._context.ailments.unready)

    def _follow_health(self, pod: Manifest) -> None:
        """A running pod becomes unready, or ready again, when it was asked to."""
        uid = pod["metadata"]["uid"]
        if uid not in self._context.ready_since:
            return
        ready = uid not in self._context.ailments.unready
        status = pod["status"]
        crashing = any("waiting" in item["state"] for item in status.get("initContainerStatuses", ()))
        running = not crashing and all("running" in item["state"] for item in status["containerStatuses"])
        if running and ready != is_ready(pod):
            status = running_status(pod, self._context.timestamp(), self._context.version, ready=ready)
            self._context.ready_since[uid] = self._context.timers.time()
            self._context.store.update_status(pod, status)

    def _end(self, pod: Manifest) -> None:
        context = self._context
        key, uid = key_of(pod), pod["metadata"]["uid"]
        grace = pod["spec"].get("terminationGracePeriodSeconds", 30)
        if not context.timers.is_set(("end", uid)):
            seconds = context.pace.terminate_after if grace else 0.0
            context.timers.set(("end", uid), seconds, lambda: self._forget(key, uid))

    def _forget(self, key: Key, uid: str) -> None:
        found = self._context.store.find(key)
        if found is not None and found["metadata"]["uid"] == uid:
            self._context.store.remove(key)
        self._context.ready_since.pop(uid, None)
        self._context.ailments.unready.discard(uid)
        self._context.timers.cancel(("start", uid))


def is_scheduled(pod: Manifest) -> bool:
    """Whether a node was found for the pod. Ours is for whoever waits for the default scheduler."""
    return "nodeName" in pod["spec"] or pod["spec"].get("schedulerName", DEFAULT) == DEFAULT

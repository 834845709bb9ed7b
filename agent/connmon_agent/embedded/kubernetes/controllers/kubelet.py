"""The kubelet's part: pods start, become Ready or fail, and end."""

from __future__ import annotations

from ..objects import Key, Manifest, key_of
from .context import Context, is_ready, revision_of
from .pods import crashing_status, image_trouble, pending_status, running_status


class Kubelet:
    """Carries every pod from Pending to Running and, when it is deleted, away."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def reconcile(self, pod: Manifest) -> None:
        """Do what the pod's state asks for next."""
        if "deletionTimestamp" in pod["metadata"]:
            self._end(pod)
        elif "startTime" not in pod["status"]:
            self._admit(pod)
        else:
            self._follow_health(pod)

    def _admit(self, pod: Manifest) -> None:
        context = self._context
        key, uid = key_of(pod), pod["metadata"]["uid"]
        spec = {"nodeName": context.nodes[0], **pod["spec"]}
        admitted = {**pod, "spec": spec, "status": pending_status(pod, context.timestamp())}
        context.store.update(admitted, counted=False)
        workload = context.workload_of(pod)
        seconds = context.paces.get(workload, context.pace.ready_after) if workload else context.pace.ready_after
        context.timers.set(("start", uid), seconds, lambda: self._start(key, uid))

    def _start(self, key: Key, uid: str) -> None:
        pod = self._context.store.find(key)
        if pod is None or pod["metadata"]["uid"] != uid or "deletionTimestamp" in pod["metadata"]:
            return
        self._context.store.update_status(pod, self._outcome(pod))
        self._context.ready_since[uid] = self._context.timers.time()

    def _outcome(self, pod: Manifest) -> Manifest:
        at = self._context.timestamp()
        if trouble := image_trouble(pod):
            return pending_status(pod, at, reason=trouble[0], message=trouble[1])
        match self._context.ailments.of_revision(pod["metadata"]["namespace"], revision_of(pod)):
            case "image-pull":
                image = pod["spec"]["containers"][0]["image"]
                return pending_status(pod, at, reason="ImagePullBackOff", message=f'Back-off pulling image "{image}"')
            case "never-ready":
                return crashing_status(pod, at, restarts=1)
        return running_status(pod, at, ready=pod["metadata"]["uid"] not in self._context.ailments.unready)

    def _follow_health(self, pod: Manifest) -> None:
        """A running pod becomes unready, or ready again, when it was asked to."""
        uid = pod["metadata"]["uid"]
        if uid not in self._context.ready_since:
            return
        ready = uid not in self._context.ailments.unready
        running = all("running" in item["state"] for item in pod["status"]["containerStatuses"])
        if running and ready != is_ready(pod):
            status = running_status(pod, self._context.timestamp(), ready=ready)
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

"""Why one pod does not get ready, in words, and whether waiting may help.

The reasons are those of kubernetes pkg/kubelet/container/sync_result.go, pkg/kubelet/images/types.go,
pkg/kubelet/kuberuntime/kuberuntime_container.go and of the scheduler's condition PodScheduled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from .annotations import parse_time
from .object_fields import condition_of
from .requests import Json

MESSAGE_LENGTH = 200  # characters; a scheduler's message names every node
ON_THE_WAY = ("ContainerCreating", "PodInitializing")
_SAME_UPDATE = 2.0  # seconds within which a kubelet's first update of a pod's status is written, in whole ones
_CRASH_LOOP = "CrashLoopBackOff"
# What the scheduler adds once it has said why: that it found no other pods to evict, or no devices to take back.
_AFTERTHOUGHTS = re.compile(r",? *(no new claims to deallocate, *)?preemption: .*", re.DOTALL)
_GATED = "SchedulingGated"


class Plight(StrEnum):
    """What can be said of a pod that is not ready."""

    GATED = "gated"  # it waits until somebody removes a scheduling gate
    STALLED = "stalled"  # its containers cannot start, or do not stay up; the kubelet's next try may be minutes away
    PLACELESS = "placeless"  # no node has room for it; where other pods are just ending, there may be soon
    AILING = "ailing"  # something went wrong, and it tries again right now
    STARTING = "starting"  # nothing is wrong that shows


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is the matter with one pod, and in which words."""

    plight: Plight
    words: str


def examine_pod(pod: Json) -> Ailment | None:
    """What keeps a living pod from being ready, the most telling first; None: it is ready."""
    if is_ready(pod):
        return None
    ailments = list(_find_ailments(pod))
    for plight in Plight:
        for ailment in ailments:
            if ailment.plight is plight:
                return ailment
    return Ailment(Plight.STARTING, _tell_start(pod))


def is_ready(pod: Json) -> bool:
    """Whether the pod's condition Ready holds."""
    return condition_of(pod, "Ready").get("status") == "True"


def was_never_ready(pod: Json) -> bool:
    """Whether the pod has not been ready since it was started, by its node's own clock. False: that is not told."""
    status, ready = pod.get("status") or {}, condition_of(pod, "Ready")
    if ready.get("status") == "True":
        return False
    began, since = parse_time(status.get("startTime")), parse_time(ready.get("lastTransitionTime"))
    if began is None or since is None:
        return not ready and began is None
    return since <= began + _SAME_UPDATE


def list_gates(spec: Json) -> list[str]:
    """The scheduling gates of a pod's spec by name (Kubernetes 1.26 and later)."""
    return [str(gate.get("name")) for gate in spec.get("schedulingGates") or ()]


def explain_reason(reason: str, message: str | None) -> str:
    """``Evicted (The node was low on memory.)``: a reason and what is said about it, cut to a readable length."""
    text = " ".join((message or "").split())
    if not text:
        return reason
    return f"{reason} ({text if len(text) <= MESSAGE_LENGTH else text[: MESSAGE_LENGTH - 1] + '…'})"


def _find_ailments(pod: Json) -> Iterator[Ailment]:
    placed = condition_of(pod, "PodScheduled")
    if placed.get("status") == "False":
        yield _explain_place(pod, placed)
    for what, status in _list_containers(pod):
        if ailment := _examine_container(status):
            yield Ailment(ailment.plight, f"{what}{ailment.words}")


def _explain_place(pod: Json, placed: Json) -> Ailment:
    gates = list_gates(pod.get("spec") or {})
    if placed.get("reason") == _GATED:
        names = f"scheduling gate{'s' if len(gates) > 1 else ''} {', '.join(gates) or 'named in its spec'}"
        return Ailment(Plight.GATED, f"has the {names}")
    reason = str(placed.get("reason") or "Unschedulable")
    return Ailment(Plight.PLACELESS, explain_reason(reason, _AFTERTHOUGHTS.sub("", str(placed.get("message") or ""))))


def _list_containers(pod: Json) -> Iterator[tuple[str, Json]]:
    """The container statuses, in the order in which they start, each with what it is called in a sentence."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    first, others = status.get("initContainerStatuses") or [], status.get("containerStatuses") or []
    sidecars = {one.get("name") for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"}
    for one in first:
        name = one.get("name")
        what = "sidecar" if name is not None and name in sidecars else "init container"
        yield (f"{what} {name}: " if name else ""), one
    for one in others:
        alone = len(others) + len(first) == 1 or not one.get("name")
        yield ("" if alone else f"container {one['name']}: "), one


def _examine_container(status: Json) -> Ailment | None:
    state, last = status.get("state") or {}, (status.get("lastState") or {}).get("terminated")
    waiting, ended = state.get("waiting") or {}, state.get("terminated")
    if (reason := waiting.get("reason")) and reason not in ON_THE_WAY:
        if last is not None and reason == _CRASH_LOOP:
            return Ailment(Plight.STALLED, f"{reason} ({tell_exit(last)})")
        return Ailment(Plight.STALLED, explain_reason(reason, waiting.get("message")))
    if ended is not None and ended.get("exitCode"):
        # Until the kubelet has set its backoff a moment later; told the same, so that one crash is one piece of news.
        reason = _CRASH_LOOP if status.get("restartCount") else ended.get("reason") or "Error"
        return Ailment(Plight.STALLED, f"{reason} ({tell_exit(ended)})")
    if last is not None and not status.get("ready") and last.get("exitCode"):
        return Ailment(Plight.AILING, f"started again after {last.get('reason') or 'Error'} ({tell_exit(last)})")
    return None


def tell_exit(terminated: Json) -> str:
    """``exit code 3: boom``, ``OOMKilled, exit code 137``: how a container ended, with its last words.

    The last words are its termination message: what it wrote to /dev/termination-log, or, with the policy
    FallbackToLogsOnError, the end of its log.
    """
    reason, code = terminated.get("reason"), terminated.get("exitCode")
    told = f"{reason}, " if reason and reason not in ("Error", "Completed") else ""
    told += f"signal {terminated['signal']}" if code is None and terminated.get("signal") else f"exit code {code}"
    words = " ".join(str(terminated.get("message") or "").split())
    if not words:
        return told
    return f"{told}: {words if len(words) <= MESSAGE_LENGTH else '…' + words[1 - MESSAGE_LENGTH :]}"


def _tell_start(pod: Json) -> str:
    """What a pod that nothing is wrong with is doing."""
    for what, status in _list_containers(pod):
        state = status.get("state") or {}
        if reason := (state.get("waiting") or {}).get("reason"):
            return f"{what}{reason}"
        if "running" in state and not status.get("ready"):
            return f"{what}running, not ready"
    ready = condition_of(pod, "Ready")
    if ready.get("message"):
        return explain_reason(str(ready.get("reason") or "not ready"), ready["message"])
    return str((pod.get("status") or {}).get("phase") or "Pending")

"""How a connection to a pod fails, and what the far end's words about it mean."""

from __future__ import annotations

from ..errors import ClusterError

TEXT_LENGTH = 300  # characters of the kubelet's own words

_REFUSALS = ("refused", "failed to connect", "failed to dial", "exit status", "no route to host")
_REASONS = {
    "not-found": "the pod {pod} no longer exists in the namespace {namespace}",
    "invalid": "the pod {pod} is not running on a node",
    "server-error": "the API server cannot reach the node of the pod {pod}",
}


class PodBroke(ClusterError):
    """A connection to a pod ended otherwise than by the pod's own will."""


class PodRefused(PodBroke):
    """The pod did not accept the connection, or never heard of it: nothing that was written has reached it."""


def broke(error: ClusterError, pod: str) -> PodBroke:
    """The way to the pod broke."""
    return PodBroke(error.kind, f"the connection to the pod {pod} broke: {error}")


def read_words(text: bytes, pod: str, port: int, *, answered: bool) -> PodBroke:
    """What the kubelet says about a connection that failed. ``answered``: the pod has sent something before."""
    words = " ".join(text.decode("utf-8", "replace").split())
    if not answered and any(mark in words for mark in _REFUSALS):
        why = words.rpartition('": ')[2][-TEXT_LENGTH:]  # before it come the names of namespaces and containers
        return PodRefused("unreachable", f"the pod {pod} accepts no connection on port {port}: {why}")
    return PodBroke("unreachable", f"the connection to the pod {pod} broke: {words[-TEXT_LENGTH:]}")


def explain(error: ClusterError, namespace: str, pod: str) -> ClusterError:
    """Why no connection was made, in terms of pods."""
    if error.kind == "forbidden":
        hint = "Grant create and get of pods/portforward. `connmon-agent doctor --role` prints the Role"
        message = f"the API server does not allow connections to pods in the namespace {namespace}"
        return ClusterError("forbidden", message, delivered=False, hint=hint)
    if (reason := _REASONS.get(error.kind)) is None:
        return error
    return ClusterError(error.kind, f"{reason.format(pod=pod, namespace=namespace)} ({error})", delivered=False)

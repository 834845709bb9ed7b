"""A request of the Kubernetes API as a value, and the paths of what the agent asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from ..core.plan import Kind

Json = dict[str, Any]

PLURALS = {
    Kind.DEPLOYMENT: "deployments",
    Kind.STATEFUL_SET: "statefulsets",
    Kind.DAEMON_SET: "daemonsets",
}
# Field selectors of pods. Kubernetes keeps up to 12,500 pods that have ended; an eviction loop leaves thousands.
UNFINISHED = "status.phase!=Failed,status.phase!=Succeeded"
FINISHED = "status.phase!=Pending,status.phase!=Running,status.phase!=Unknown"
JSON_PATCH = "application/json-patch+json"


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One HTTP request. ``body`` is sent as JSON; ``kind`` is the ``kind`` that a successful answer must have
    (None: the answer has none). ``text``: the answer is plain text, and is given as ``{"text": ...}``.
    """

    method: str
    path: str
    kind: str | None
    query: tuple[tuple[str, str], ...] = ()
    body: Json | list[Json] | None = None
    content_type: str = "application/json"
    text: bool = False

    @property
    def target(self) -> str:
        """Path and query as they stand in the URL."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def workload_path(kind: Kind, namespace: str, name: str) -> str:
    """The path of one workload."""
    return f"{list_path('apis/apps/v1', namespace, PLURALS[kind])}/{quote(name, safe='')}"


def list_path(api: str, namespace: str, plural: str) -> str:
    """The path of a namespace's objects of one resource; ``api`` is ``api/v1`` or ``apis/GROUP/VERSION``."""
    return f"/{api}/namespaces/{quote(namespace, safe='')}/{plural}"


def get(path: str, kind: str | None) -> ApiRequest:
    """Read one object."""
    return ApiRequest("GET", path, kind)


def list_by_selector(path: str, kind: str, selector: str | None = None, *, fields: str | None = None) -> ApiRequest:
    """Read a list. ``selector`` is a label selector, ``fields`` a field selector, in the API's own notation (None:
    everything).
    """
    given = (("labelSelector", selector), ("fieldSelector", fields))
    return ApiRequest("GET", path, kind, query=tuple((name, value) for name, value in given if value))

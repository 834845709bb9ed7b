"""From method and path to what is asked for. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from .resources import Catalogue, Resource
from .statuses import no_such_path, not_allowed

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
CONNECTING = {"GET": "get", "POST": "create"}


@dataclass(frozen=True, slots=True)
class ApiRoute:
    """One resource request. ``namespace`` is empty for a cluster-wide resource and None for "in every namespace";
    ``name`` is empty for the collection, ``subresource`` for the object itself.
    """

    resource: Resource
    verb: str
    namespace: str | None
    name: str
    subresource: str = ""

    @property
    def target(self) -> str:
        """The resource as RBAC names it: ``pods/portforward``."""
        return f"{self.resource.plural}/{self.subresource}" if self.subresource else self.resource.plural


def find_route(catalogue: Catalogue, method: str, path: str, *, watching: bool = False) -> ApiRoute:
    """What ``method`` on ``path`` asks for; ``watching``: a list is a watch.

    Raises ApiError: 404 for what is not served, 405 for what it cannot do.
    """
    parts = [part for part in path.split("/") if part]
    group, version, rest = _split(parts)
    namespace: str | None = ""
    if len(rest) >= 3 and rest[0] == "namespaces":
        namespace, rest = rest[1], rest[2:]
    resource = catalogue.find(group, version, rest[0]) if rest else None
    subresource = rest[2] if len(rest) == 3 else ""
    if resource is None or len(rest) > 3 or (bool(namespace) and not resource.namespaced):
        raise no_such_path()
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    name = rest[1] if len(rest) > 1 else ""
    if resource.namespaced and not namespace:
        if name:
            raise no_such_path()
        namespace = None
    if subresource:
        return ApiRoute(resource, _find_connecting_verb(method, subresource), namespace, name, subresource)
    verb = _find_verb(resource, method, name, namespace)
    return ApiRoute(resource, "watch" if watching and verb == "list" else verb, namespace, name)


def _split(parts: list[str]) -> tuple[str, str, list[str]]:
    if len(parts) >= 2 and parts[0] == "api":
        return "", parts[1], parts[2:]
    if len(parts) >= 3 and parts[0] == "apis":
        return parts[1], parts[2], parts[3:]
    raise no_such_path()


def _find_verb(resource: Resource, method: str, name: str, namespace: str | None) -> str:
    verb = ("get" if name else "list") if method == "GET" else _VERBS.get(method, "")
    on_collection = verb in ("create", "list")
    if verb not in resource.verbs or on_collection == bool(name) or (verb == "create" and namespace is None):
        raise not_allowed()
    return verb


def _find_connecting_verb(method: str, subresource: str) -> str:
    """A subresource that is connected to knows two methods; a log is only read."""
    if method not in CONNECTING or (subresource == "log" and method != "GET"):
        raise not_allowed()
    return CONNECTING[method]

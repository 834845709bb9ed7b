"""What the API answers: a request in, an outcome out, the store changed in between. No sockets, no waiting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .access import Access, Attributes
from .changes import ChangeLog
from .defaults import unset_time
from .discovery import discover
from .objects import Manifest
from .pages import cut_page
from .pod_logs import read_log
from .port_forwards import PortForward, grant_forward, grant_tunnel, read_ports
from .queries import read_flag, read_scope, read_seconds, read_version
from .registry import Registry
from .resources import Catalogue
from .routes import ApiRoute, find_route
from .statuses import ApiError, StatusCause, forbidden, invalid
from .store import ObjectStore
from .versions import Trait, Version
from .watches import Watch

MUTATING = ("POST", "PUT", "PATCH", "DELETE")
_CHANGELESS = ("selfsubjectaccessreviews", "portforward")


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came. ``authorization`` is the header's value, None without one.

    ``protocols``: what it offers to become a WebSocket with; None: it does not want to. ``tunnels``: the same for SPDY.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    body: bytes = b""
    authorization: str | None = None
    protocols: tuple[str, ...] | None = None
    tunnels: tuple[str, ...] | None = None
    agent: str = ""  # the header User-Agent

    @property
    def manager(self) -> str:
        """The field manager that writes: as the query names it, else the first word of the user agent."""
        return self.query.get("fieldManager") or self.agent.partition("/")[0] or "unknown"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. A text body is text/plain, everything else JSON."""

    status: int
    body: Manifest | str


Outcome = Reply | Watch | PortForward  # what a request comes to: an answer at once, or one that goes on


class Api:
    """The API of one cluster, without its transport."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        changes: ChangeLog,
        registry: Registry,
        catalogue: Catalogue,
        access: Access,
        version: Version,
        etcd_tells_progress: bool,
    ) -> None:
        """``etcd_tells_progress``: as EmbeddedKubernetes takes it."""
        self._store = store
        self._changes = changes
        self._registry = registry
        self._catalogue = catalogue
        self._access = access
        self._version = version
        self._etcd_tells_progress = etcd_tells_progress
        self.address = ""  # host:port, once it is known

    def handle(self, call: Call) -> Outcome:
        """Do what the request asks for and tell what it comes to. Never raises for the request's sake."""
        try:
            user = self._authenticate(call)
            document = discover(self._catalogue, call.path, version=self._version.text, address=self.address)
            if document is not None and call.method == "GET":
                return Reply(200, document)
            route = find_route(self._catalogue, call.method, call.path, watching=read_flag(call.query, "watch"))
            self._authorize(route, user)
            if route.subresource == "log":
                return Reply(200, read_log(self._registry.get(route), call.query))
            if route.subresource:
                return self._forward(route, call, user)
            return self._dispatch(route, call)
        except ApiError as error:
            return Reply(error.code, error.message if error.plain else error.to_status())

    def is_mutation(self, call: Call) -> bool:
        """Whether the request wants to change an object. A SelfSubjectAccessReview is a question."""
        return call.method in MUTATING and call.path.rstrip("/").rpartition("/")[2] not in _CHANGELESS

    def _authenticate(self, call: Call) -> str:
        """The user's name; a request without credentials is anonymous, one with wrong ones is refused."""
        if self._access.token is None or call.authorization == f"Bearer {self._access.token}":
            return self._access.user
        if call.authorization is None:
            return "system:anonymous"
        raise ApiError(401, "Unauthorized")

    def _authorize(self, route: ApiRoute, user: str) -> None:
        resource = route.resource
        wanted = Attributes(route.verb, route.target, resource.group, route.namespace or "", route.name)
        if user == "system:anonymous" or not self._access.allows(wanted):
            raise forbidden(resource, route.name, self._access.explain(wanted, user))

    def _forward(self, route: ApiRoute, call: Call, user: str) -> PortForward:
        if call.tunnels is not None:
            return grant_tunnel(self._registry.get(route), call.tunnels)
        ports = read_ports(call.query)
        if call.protocols is not None and self._version.has(Trait.FORWARD_NEEDS_CREATE):
            self._authorize(replace(route, verb="create"), user)
        return grant_forward(self._registry.get(route), ports, call.protocols)

    def _dispatch(self, route: ApiRoute, call: Call) -> Outcome:
        if route.resource.kind == "SelfSubjectAccessReview":
            return Reply(201, self._review(route, parse_json(call.body)))
        dry_run = call.query.get("dryRun") == "All"
        match route.verb:
            case "list":
                return Reply(200, self._list(route, call.query))
            case "watch":
                return self._watch(route, call.query)
            case "get":
                return Reply(200, self._registry.get(route))
            case "create":
                body = parse_json(call.body)
                return Reply(201, self._registry.create(route, body, manager=call.manager, dry_run=dry_run))
            case "update":
                body = parse_json(call.body)
                return Reply(200, self._registry.replace(route, body, manager=call.manager, dry_run=dry_run))
            case "patch":
                patch = self._registry.read_patch(call.content_type, lambda: parse_json(call.body))
                return Reply(200, self._registry.patch(route, patch, manager=call.manager, dry_run=dry_run))
            case _:
                options = parse_json(call.body) if call.body else {}
                options = {"propagationPolicy": call.query.get("propagationPolicy"), **options}
                return Reply(200, self._registry.delete(route, options, dry_run=dry_run))

    def _list(self, route: ApiRoute, query: Mapping[str, str]) -> Manifest:
        found = read_scope(route, query).find_objects(self._store)
        page = cut_page(found, query, newest=self._store.version, is_remembered=self._changes.remembers)
        return {
            "kind": f"{route.resource.kind}List",
            "apiVersion": route.resource.api_version,
            "metadata": page.metadata,
            "items": [_without_type(item) for item in page.items],
        }

    def _watch(self, route: ApiRoute, query: Mapping[str, str]) -> Watch:
        return Watch(
            read_scope(route, query),
            self._store,
            self._changes,
            since=read_version(query),
            seconds=read_seconds(query),
            bookmarks=read_flag(query, "allowWatchBookmarks"),
            unset_time=unset_time(self._version),
            behind=not query.get("resourceVersion") and self._is_behind(route),
        )

    def _is_behind(self, route: ApiRoute) -> bool:
        """Whether the cache of this resource, from which a watch begins, cannot know that it is as new as etcd."""
        waits = self._version.has(Trait.WATCH_CATCHES_UP) and not self._etcd_tells_progress
        return waits and self._changes.newest_of(route.resource.kind) < self._changes.newest

    def _review(self, route: ApiRoute, review: Any) -> Manifest:
        spec = review.get("spec") if isinstance(review, dict) else None
        wanted = (spec or {}).get("resourceAttributes")
        if not isinstance(wanted, dict):
            message = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            raise invalid(route.resource, "", [StatusCause("spec.resourceAttributes", message)])
        subresource = f"/{wanted['subresource']}" if wanted.get("subresource") else ""
        attributes = Attributes(
            wanted.get("verb", ""),
            wanted.get("resource", "") + subresource,
            wanted.get("group", ""),
            wanted.get("namespace", ""),
            wanted.get("name", ""),
        )
        allowed = self._access.allows(attributes)
        status = {"allowed": allowed} if allowed else {"allowed": False, "reason": self._access.explain(attributes)}
        kind = {"kind": route.resource.kind, "apiVersion": route.resource.api_version}
        return {**kind, "metadata": unset_time(self._version), "spec": spec, "status": status}


def parse_json(body: bytes) -> Any:
    """The JSON of a request. Raises ApiError 400."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"json parse error: {error}") from None


def _without_type(item: Manifest) -> Manifest:
    """Items of a list carry no kind and apiVersion of their own, as a kube-apiserver answers."""
    return {name: value for name, value in item.items() if name not in ("kind", "apiVersion")}

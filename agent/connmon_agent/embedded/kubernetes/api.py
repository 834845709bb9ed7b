"""What the API answers: a request in, a reply out, the store changed in between. No sockets, no waiting."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .access import Access, Attributes
from .discovery import discover
from .objects import Key, Manifest
from .registry import Registry
from .resources import Catalogue
from .routes import Route, find_route
from .selectors import Selector, SelectorError, parse_selector
from .statuses import ApiError, Cause, forbidden, invalid
from .store import ObjectStore

MUTATING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came. ``authorization`` is the header's value, None without one."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    body: bytes = b""
    authorization: str | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. A text body is text/plain, everything else JSON."""

    status: int
    body: Manifest | str


class Api:
    """The API of one cluster, without its transport."""

    def __init__(
        self, *, store: ObjectStore, registry: Registry, catalogue: Catalogue, access: Access, version: str
    ) -> None:
        self._store = store
        self._registry = registry
        self._catalogue = catalogue
        self._access = access
        self._version = version
        self.address = ""  # host:port, once it is known

    def handle(self, call: Call) -> Reply:
        """Do what the request asks for and tell the result. Never raises for the request's sake."""
        try:
            user = self._authenticate(call)
            document = discover(self._catalogue, call.path, version=self._version, address=self.address)
            if document is not None and call.method == "GET":
                return Reply(200, document)
            route = find_route(self._catalogue, call.method, call.path)
            self._authorize(route, user)
            return self._dispatch(route, call)
        except ApiError as error:
            return Reply(error.code, error.to_status())

    def is_mutation(self, call: Call) -> bool:
        """Whether the request wants to change an object. A SelfSubjectAccessReview is a question."""
        return call.method in MUTATING and not call.path.rstrip("/").endswith("/selfsubjectaccessreviews")

    def _authenticate(self, call: Call) -> str:
        """The user's name; a request without credentials is anonymous, one with wrong ones is refused."""
        if self._access.token is None or call.authorization == f"Bearer {self._access.token}":
            return self._access.user
        if call.authorization is None:
            return "system:anonymous"
        raise ApiError(401, "Unauthorized")

    def _authorize(self, route: Route, user: str) -> None:
        resource = route.resource
        wanted = Attributes(route.verb, resource.plural, resource.group, route.namespace or "", route.name)
        if user == "system:anonymous" or not self._access.allows(wanted):
            raise forbidden(resource, route.name, self._access.explain(wanted, user))

    def _dispatch(self, route: Route, call: Call) -> Reply:
        if route.resource.kind == "SelfSubjectAccessReview":
            return Reply(201, self._review(route, parse_json(call.body)))
        dry_run = call.query.get("dryRun") == "All"
        match route.verb:
            case "list":
                return Reply(200, self._list(route, call.query))
            case "get":
                return Reply(200, self._registry.get(route))
            case "create":
                return Reply(201, self._registry.create(route, parse_json(call.body), dry_run=dry_run))
            case "update":
                return Reply(200, self._registry.replace(route, parse_json(call.body), dry_run=dry_run))
            case "patch":
                patch = self._registry.read_patch(call.content_type, lambda: parse_json(call.body))
                return Reply(200, self._registry.patch(route, patch, dry_run=dry_run))
            case _:
                options = parse_json(call.body) if call.body else {}
                options = {"propagationPolicy": call.query.get("propagationPolicy"), **options}
                return Reply(200, self._registry.delete(route, options, dry_run=dry_run))

    def _list(self, route: Route, query: Mapping[str, str]) -> Manifest:
        if query.get("watch") in ("true", "1"):
            raise ApiError(405, "this API does not serve watches: list again instead", details={})
        if route.namespace and self._store.find(Key("Namespace", "", route.namespace)) is None:
            found: list[Manifest] = []
        else:
            found = self._store.list_objects(
                route.resource.kind, route.namespace if route.resource.namespaced else None
            )
        selector, fields = _read_label_selector(query), _read_field_selector(query)
        items = [_without_type(item) for item in found if _selected(item, selector, fields)]
        return {
            "kind": f"{route.resource.kind}List",
            "apiVersion": route.resource.api_version,
            "metadata": {"resourceVersion": str(self._store.version)},
            "items": items,
        }

    def _review(self, route: Route, review: Any) -> Manifest:
        spec = review.get("spec") if isinstance(review, dict) else None
        wanted = (spec or {}).get("resourceAttributes")
        if not isinstance(wanted, dict):
            message = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
            raise invalid(route.resource, "", [Cause("spec.resourceAttributes", message)])
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
        return {**kind, "metadata": {"creationTimestamp": None}, "spec": spec, "status": status}


def parse_json(body: bytes) -> Any:
    """The JSON of a request. Raises ApiError 400."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise ApiError(400, f"json parse error: {error}") from None


def _without_type(item: Manifest) -> Manifest:
    """Items of a list carry no kind and apiVersion of their own, as a kube-apiserver answers."""
    return {name: value for name, value in item.items() if name not in ("kind", "apiVersion")}


def _read_label_selector(query: Mapping[str, str]) -> Selector:
    try:
        return parse_selector(query.get("labelSelector", ""))
    except SelectorError as error:
        raise ApiError(400, str(error)) from None


def _read_field_selector(query: Mapping[str, str]) -> dict[str, str]:
    clauses = [clause for clause in query.get("fieldSelector", "").split(",") if clause]
    fields = {}
    for clause in clauses:
        name, _, value = clause.replace("==", "=").partition("=")
        if name not in ("metadata.name", "metadata.namespace"):
            raise ApiError(400, f'field label not supported: "{name}"')
        fields[name.removeprefix("metadata.")] = value
    return fields


def _selected(item: Manifest, selector: Selector, fields: Mapping[str, str]) -> bool:
    metadata = item["metadata"]
    if any(metadata.get(name) != value for name, value in fields.items()):
        return False
    return selector.matches(metadata.get("labels") or {})

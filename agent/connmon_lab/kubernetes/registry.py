"""Create, read, replace, patch and delete objects by a kube-apiserver's rules: what is checked, in which order, and
what an update may change. A request that changes nothing leaves generation and resourceVersion alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .admission import Admission
from .defaults import complete, initial_status
from .field_managers import note_manager
from .objects import Key, Manifest, equal, key_of
from .patches import PatchFailed, PatchMalformed, apply_json_patch, apply_merge_patch
from .resources import Resource
from .routes import ApiRoute
from .statuses import (
    ApiError,
    StatusCause,
    already_exists,
    conflict,
    forbidden,
    invalid,
    not_found,
    patch_failed,
    precondition_failed,
)
from .store import ObjectStore, raises_generation
from .strategic import MergeKeyMissing, apply_strategic_merge_patch
from .validation import find_causes, find_immutable_changes, find_type_errors
from .versions import Version

_PATCH_TYPES: dict[str, Callable[[Manifest, Any], Any]] = {
    "application/json-patch+json": apply_json_patch,
    "application/merge-patch+json": apply_merge_patch,
    "application/strategic-merge-patch+json": apply_strategic_merge_patch,
}
_GRACEFUL = ("Pod", "Namespace")  # deleted by being marked first; a controller lets go of them


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch that was read: how to apply it, and what to apply."""

    apply: Callable[[Manifest, Any], Any]
    body: Any


class Registry:
    """The rules between requests and the store."""

    def __init__(
        self, store: ObjectStore, *, version: Version, admission: Admission, timestamp: Callable[[], str]
    ) -> None:
        """``timestamp`` gives this instant as Kubernetes writes it."""
        self._store = store
        self._version = version
        self._admission = admission
        self._timestamp = timestamp
        self._services = 0

    def get(self, route: ApiRoute) -> Manifest:
        """The object. Raises ApiError 404."""
        return _present(route.resource, self._find(route))

    def create(self, route: ApiRoute, body: Any, *, manager: str | None = None, dry_run: bool = False) -> Manifest:
        """A new object, written by the field manager ``manager`` (None: its fields are nobody's).

        Raises ApiError: 400, 403 (the namespace is going), 404 (no namespace), 409, 422.
        """
        manifest = self._read(route, body)
        metadata = manifest["metadata"]
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = self._store.generate_name(metadata["generateName"])
        if not metadata.get("name"):
            cause = StatusCause(
                "metadata.name", "Required value: name or generateName is required", "FieldValueRequired"
            )
            raise invalid(route.resource, "", [cause])
        if metadata.get("resourceVersion"):
            raise ApiError(500, "resourceVersion should not be set on objects to be created")
        self._check_namespace(route, metadata["name"])
        manifest = self._accept(route.resource, manifest)
        if self._store.find(key_of(manifest)) is not None:
            raise already_exists(route.resource, metadata["name"])
        self._admission.check(route, "create", metadata["name"])
        made = self._finish_new(manifest)
        if manager is not None:
            made = note_manager(None, made, manager=manager, at=self._timestamp())
        return _present(route.resource, made if dry_run else self._store.create(made))

    def replace(self, route: ApiRoute, body: Any, *, manager: str, dry_run: bool = False) -> Manifest:
        """The object with another manifest. Raises ApiError: 400, 404, 409, 422."""
        before = self._find(route)
        return self._update(route, before, self._read(route, body), manager=manager, dry_run=dry_run)

    def read_patch(self, content_type: str, read: Callable[[], Any]) -> Patch:
        """The patch of a request. Raises ApiError: 415 for a type that is not served, 400 for no JSON."""
        apply = _PATCH_TYPES.get(content_type)
        if apply is None:
            raise ApiError(415, "415: Unsupported Media Type", details={})
        return Patch(apply, read())

    def patch(self, route: ApiRoute, patch: Patch, *, manager: str, dry_run: bool = False) -> Manifest:
        """The object after the patch. Raises ApiError: 400, 404, 409, 422."""
        before = self._find(route)
        try:
            patched = patch.apply(_present(route.resource, before), patch.body)
        except PatchFailed:
            raise patch_failed() from None
        except PatchMalformed as error:
            raise ApiError(400, str(error)) from None
        except MergeKeyMissing as error:
            raise ApiError(500, str(error)) from None
        after = self._read(route, patched, of_patch=True)
        return self._update(route, before, after, manager=manager, dry_run=dry_run)

    def delete(self, route: ApiRoute, options: Manifest, *, dry_run: bool = False) -> Manifest:
        """Delete the object; what it owned follows, unless ``propagationPolicy`` is ``Orphan``.

        Raises ApiError: 404, 409 when ``preconditions.uid`` names another object.
        """
        before = self._find(route)
        uid = before["metadata"]["uid"]
        wanted = (options.get("preconditions") or {}).get("uid")
        if wanted and wanted != uid:
            raise precondition_failed(route.resource, route.name, wanted, uid)
        self._admission.check(route, "delete", route.name)
        if route.resource.kind in _GRACEFUL:
            marked = before if dry_run else self._mark_deleted(before)
            return _present(route.resource, marked)
        if not dry_run:
            if options.get("propagationPolicy") == "Orphan":
                self._orphan(uid)
            self._store.remove(key_of(before))
        group = {"group": route.resource.group} if route.resource.group else {}
        details = {"name": route.name, **group, "kind": route.resource.plural, "uid": uid}
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

    def _find(self, route: ApiRoute) -> Manifest:
        found = self._store.find(Key(route.resource.kind, route.namespace or "", route.name))
        if found is None:
            raise not_found(route.resource, route.name)
        return found

    def _read(self, route: ApiRoute, body: Any, *, of_patch: bool = False) -> Manifest:
        """The body as a manifest of the route's kind, name and namespace."""
        resource = route.resource
        if not isinstance(body, dict) or not isinstance(body.get("metadata") or {}, dict):
            raise ApiError(422 if of_patch else 400, "the object provided is unrecognized")
        if body.get("kind", resource.kind) != resource.kind or body.get("apiVersion") not in (
            None,
            resource.api_version,
        ):
            given = f"{body.get('apiVersion')}, Kind={body.get('kind')}"
            raise ApiError(400, f"{given} does not match the expected {resource.api_version}, Kind={resource.kind}")
        metadata = dict(body.get("metadata") or {})
        _check_identity(route, metadata)
        manifest = {**body, "kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        if errors := find_type_errors(manifest):
            raise ApiError(422 if of_patch else 400, f"the object cannot be decoded: {'; '.join(errors)}")
        return manifest

    def _accept(self, resource: Resource, manifest: Manifest) -> Manifest:
        completed = complete(manifest, self._version)
        if causes := find_causes(completed):
            raise invalid(resource, completed["metadata"]["name"], causes)
        return completed

    def _finish_new(self, manifest: Manifest) -> Manifest:
        """What the server itself puts into a new object."""
        if manifest["kind"] == "Service" and "clusterIP" not in manifest["spec"]:
            self._services += 1
            address = f"10.0.{self._services // 250}.{self._services % 250 + 1}"
            manifest = {**manifest, "spec": {**manifest["spec"], "clusterIP": address, "clusterIPs": [address]}}
        status = initial_status(manifest["kind"], self._version)
        manifest = {name: value for name, value in manifest.items() if name != "status"}
        return manifest if status is None else {**manifest, "status": status}

    def _update(self, route: ApiRoute, before: Manifest, after: Manifest, *, manager: str, dry_run: bool) -> Manifest:
        old, new = before["metadata"], after["metadata"]
        for name in ("uid", "creationTimestamp"):
            new.setdefault(name, old[name])
        after = self._accept(route.resource, after)
        if causes := find_immutable_changes(before, after):
            raise invalid(route.resource, route.name, causes)
        if new.get("resourceVersion") not in (None, "", old["resourceVersion"]):
            raise conflict(route.resource, route.name)
        after = note_manager(before, _keep_system_fields(before, after), manager=manager, at=self._timestamp())
        self._admission.check(route, route.verb, route.name)
        if dry_run:
            return _present(route.resource, _foresee(route.resource, before, after))
        return _present(route.resource, self._store.update({**after, "apiVersion": before["apiVersion"]}))

    def _check_namespace(self, route: ApiRoute, name: str) -> None:
        if not route.resource.namespaced:
            return
        namespace = self._store.find(Key("Namespace", "", route.namespace or ""))
        if namespace is None:
            message = f'namespaces "{route.namespace}" not found'
            raise ApiError(404, message, details={"name": route.namespace, "kind": "namespaces"})
        if namespace["status"]["phase"] == "Terminating":
            message = f"unable to create new content in namespace {route.namespace} because it is being terminated"
            raise forbidden(route.resource, name, message)

    def _mark_deleted(self, manifest: Manifest) -> Manifest:
        if "deletionTimestamp" in manifest["metadata"]:
            return manifest
        metadata = {**manifest["metadata"], "deletionTimestamp": self._timestamp()}
        marked = {**manifest, "metadata": metadata}
        if manifest["kind"] == "Namespace":
            marked["status"] = {**manifest["status"], "phase": "Terminating"}
        return self._store.update(marked, counted=False)

    def _orphan(self, uid: str) -> None:
        for dependent in self._store.owned_by(uid):
            owners = [owner for owner in dependent["metadata"]["ownerReferences"] if owner["uid"] != uid]
            metadata = {name: value for name, value in dependent["metadata"].items() if name != "ownerReferences"}
            if owners:
                metadata["ownerReferences"] = owners
            self._store.update({**dependent, "metadata": metadata})


def _check_identity(route: ApiRoute, metadata: Manifest) -> None:
    """Name and namespace of a body must be those of the URL, where it gives them."""
    if route.name and metadata.setdefault("name", route.name) != route.name:
        given = metadata["name"]
        raise ApiError(400, f"the name of the object ({given}) does not match the name on the URL ({route.name})")
    if not route.resource.namespaced:
        metadata.pop("namespace", None)
    elif metadata.setdefault("namespace", route.namespace) != route.namespace:
        given = metadata["namespace"]
        raise ApiError(
            400,
            f"the namespace of the object ({given}) does not match the namespace on the request ({route.namespace})",
        )


def _keep_system_fields(before: Manifest, after: Manifest) -> Manifest:
    """An update through the main resource changes no status and none of the server's own metadata."""
    metadata = {name: value for name, value in after["metadata"].items() if name not in _SYSTEM}
    metadata |= {name: value for name, value in before["metadata"].items() if name in _SYSTEM}
    kept = {name: value for name, value in after.items() if name != "status"}
    return {**kept, "metadata": metadata, **({"status": before["status"]} if "status" in before else {})}


_SYSTEM = (
    "uid",
    "creationTimestamp",
    "generation",
    "resourceVersion",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def _foresee(resource: Resource, before: Manifest, after: Manifest) -> Manifest:
    """What an update would answer, without doing it."""
    if equal(before, after) or not raises_generation(resource, before, after):
        return after
    generation = before["metadata"]["generation"] + 1
    return {**after, "metadata": {**after["metadata"], "generation": generation}}


def _present(resource: Resource, manifest: Manifest) -> Manifest:
    """The object in the version that was asked for."""
    return {**manifest, "kind": resource.kind, "apiVersion": resource.api_version}

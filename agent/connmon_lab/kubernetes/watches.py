"""Watches: what happened to the objects of a collection since a version, as events. No sockets, no waiting.

Source of the rules: kubernetes apiserver/pkg/storage/cacher (1.20). An object that begins to match a selector is ADDED,
one that ceases to match is DELETED.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .changes import Change, ChangeLog, TooOld
from .objects import Manifest
from .resources import Resource
from .selectors import Selector
from .statuses import ApiError, too_large_version
from .store import ObjectStore


@dataclass(frozen=True, slots=True)
class FieldClause:
    """One condition on one field: it is ``value``, or it is not. A field that is not there is empty."""

    path: tuple[str, ...]
    value: str
    negated: bool = False

    def matches(self, manifest: Manifest) -> bool:
        """Whether the object meets it."""
        found: object = manifest
        for name in self.path:
            found = found.get(name) if isinstance(found, dict) else None
        return (("" if found is None else found) == self.value) is not self.negated


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects a list or watch is about. ``namespace`` None: those of every namespace."""

    resource: Resource
    namespace: str | None
    selector: Selector
    fields: tuple[FieldClause, ...]

    def holds(self, manifest: Manifest | None) -> bool:
        """Whether the object belongs to the scope; one that is not there does not."""
        if manifest is None or manifest["kind"] != self.resource.kind:
            return False
        metadata = manifest["metadata"]
        if self.namespace is not None and metadata.get("namespace", "") != self.namespace:
            return False
        if not all(clause.matches(manifest) for clause in self.fields):
            return False
        return self.selector.matches(metadata.get("labels") or {})

    def find_objects(self, store: ObjectStore) -> list[Manifest]:
        """The objects in the scope, by namespace and name."""
        return [found for found in store.list_objects(self.resource.kind, self.namespace) if self.holds(found)]

    def to_event(self, change: Change) -> Manifest | None:
        """What a watcher is told of a change; None: nothing."""
        was, now = self.holds(change.before), self.holds(change.after)
        if now and change.after is not None:
            return self._event("MODIFIED" if was else "ADDED", change.after)
        if was and change.before is not None:  # as it last matched, but with the version of its going
            metadata = {**change.before["metadata"], "resourceVersion": str(change.version)}
            return self._event("DELETED", {**change.before, "metadata": metadata})
        return None

    def added(self, manifest: Manifest) -> Manifest:
        """The event of an object that was there before the watch began."""
        return self._event("ADDED", manifest)

    def bookmark(self, version: int, unset_time: Manifest) -> Manifest:
        """The event that only tells how far the watch has come."""
        return self._event("BOOKMARK", {"metadata": {"resourceVersion": str(version), **unset_time}})

    def _event(self, kind: str, manifest: Manifest) -> Manifest:
        named = {"kind": self.resource.kind, "apiVersion": self.resource.api_version}
        return {"type": kind, "object": {**manifest, **named}}


class Watch:
    """One watch, which comes further with every ``take``.

    It remembers a version and no events: a watcher that does not read costs nothing, and may find itself too late.
    """

    def __init__(
        self,
        scope: Scope,
        store: ObjectStore,
        log: ChangeLog,
        *,
        since: int,
        seconds: float,
        bookmarks: bool,
        unset_time: Manifest,
        behind: bool = False,
    ) -> None:
        """``since`` 0: beginning with the objects that are there; ``seconds`` until it ends; ``unset_time``: what
        stands in a bookmark for its creationTimestamp; ``behind``: the server's cache cannot catch up with etcd.
        """
        self._scope = scope
        self._store = store
        self._log = log
        self._since = since
        self.seconds = seconds
        self.bookmarks = bookmarks
        self._unset_time = unset_time
        self._behind = behind
        self.over = False  # an error was its last event

    @property
    def news(self) -> asyncio.Event:
        """Set when there may be more to take. Get it before ``take``, and nothing is missed."""
        return self._log.news

    def take(self) -> list[Manifest]:
        """The events since the last time; the last one is an ERROR when changes are forgotten, and it is over then."""
        if self._behind:
            self.over = True
            return [{"type": "ERROR", "object": self._say_behind().to_status()}]
        since, self._since = self._since, max(self._since, self._log.newest)
        if since == 0:
            return [self._scope.added(found) for found in self._scope.find_objects(self._store)]
        try:
            events = [self._scope.to_event(change) for change in self._log.since(since)]
        except TooOld as error:
            self.over = True
            expired = ApiError(410, f"too old resource version: {since} ({error.newest})", reason="Expired")
            return [{"type": "ERROR", "object": expired.to_status()}]
        return [event for event in events if event is not None]

    def _say_behind(self) -> ApiError:
        return too_large_version(self._log.newest, self._log.newest_of(self._scope.resource.kind))

    def bookmark(self) -> Manifest:
        """The event that tells how far it has come."""
        return self._scope.bookmark(self._since, self._unset_time)

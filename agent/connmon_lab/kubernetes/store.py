"""The objects themselves, in memory: one global resourceVersion, generations, and who owns what.

An object handed out is the stored one: never change it, make a new one and ``update``.
"""

from __future__ import annotations

import random
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator

from .objects import Key, Manifest, equal, key_of, pick_safe, rfc3339
from .resources import Catalogue, Resource

Listener = Callable[[Manifest | None, Manifest | None], None]  # (before, after); None: not there


class ObjectStore:
    """Every object of the embedded cluster."""

    def __init__(self, catalogue: Catalogue, *, now: Callable[[], float], seed: int | None = None) -> None:
        """``now`` gives Unix seconds for timestamps; ``seed`` makes uids and generated names repeatable."""
        self._catalogue = catalogue
        self._now = now
        self._random = random.Random(seed)
        self._generated: set[str] = set()
        self._objects: dict[str, dict[Key, Manifest]] = defaultdict(dict)
        self._owned: dict[str, dict[Key, None]] = defaultdict(dict)
        self._listeners: list[Listener] = []
        self.version = 1  # the newest resourceVersion given

    def subscribe(self, listener: Listener) -> None:
        """Call ``listener`` after every change."""
        self._listeners.append(listener)

    def find(self, key: Key) -> Manifest | None:
        """The object, or None."""
        return self._objects[key.kind].get(key)

    def list_objects(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """All objects of a kind (``namespace`` None: in every namespace), by namespace and name."""
        keys = sorted(self._objects[kind])
        return [self._objects[kind][key] for key in keys if namespace is None or key.namespace == namespace]

    def all_in(self, namespace: str) -> Iterator[Manifest]:
        """Every object in a namespace."""
        for kind in list(self._objects):
            yield from self.list_objects(kind, namespace)

    def owned_by(self, uid: str, kind: str | None = None) -> list[Manifest]:
        """The objects whose controller is the object with this uid, oldest first (``kind`` None: of every kind)."""
        keys = [key for key in self._owned[uid] if kind is None or key.kind == kind]
        return [self._objects[key.kind][key] for key in keys]

    def create(self, manifest: Manifest) -> Manifest:
        """Store a new object and return it with uid, resourceVersion, creationTimestamp and generation.

        Raises ValueError when an object of that name is there: it would be lost.
        """
        if self.find(key := key_of(manifest)) is not None:
            raise ValueError(f"{key} is there already")
        resource = self._catalogue.of_kind(manifest["kind"])
        metadata = {**manifest["metadata"], "uid": self._new_uid(), "creationTimestamp": rfc3339(self._now())}
        if resource.counts is not None:
            metadata["generation"] = 1
        return self._put(None, {**manifest, "metadata": metadata})

    def update(self, manifest: Manifest, *, counted: bool = True) -> Manifest:
        """Store a changed object and return it; one that is not changed keeps its resourceVersion and tells nobody.

        ``counted`` False: the change is one of status, which raises no generation.
        """
        before = self._objects[manifest["kind"]][key_of(manifest)]
        resource = self._catalogue.of_kind(manifest["kind"])
        metadata = {**manifest["metadata"], "resourceVersion": before["metadata"]["resourceVersion"]}
        after = {**manifest, "metadata": metadata}
        if equal(before, after):
            return before
        if counted and raises_generation(resource, before, after):
            metadata["generation"] = before["metadata"]["generation"] + 1
        return self._put(before, after)

    def update_status(self, manifest: Manifest, status: Manifest) -> Manifest:
        """Store a new status, unless it is the same."""
        return self.update({**manifest, "status": status}, counted=False)

    def remove(self, key: Key) -> Manifest | None:
        """Forget an object; returns what it was, None when it was not there."""
        before = self._objects[key.kind].pop(key, None)
        if before is not None:
            self._index(before, present=False)
            self.version += 1
            self._tell(before, None)
        return before

    def generate_name(self, prefix: str) -> str:
        """``prefix`` and five characters; a name that was never generated before.

        Five characters of 27 repeat in one of 600 sets of 200 names. A real API server refuses the second object and
        its controller asks again.
        """
        while (name := prefix + pick_safe(self._random.getrandbits(16) for _ in range(5))) in self._generated:
            pass
        self._generated.add(name)
        return name

    def _new_uid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _put(self, before: Manifest | None, manifest: Manifest) -> Manifest:
        self.version += 1
        stored = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.version)}}
        if before is not None:
            self._index(before, present=False)
        self._objects[stored["kind"]][key_of(stored)] = stored
        self._index(stored, present=True)
        self._tell(before, stored)
        return stored

    def _index(self, manifest: Manifest, *, present: bool) -> None:
        for owner in manifest["metadata"].get("ownerReferences") or ():
            if present:
                self._owned[owner["uid"]][key_of(manifest)] = None
            else:
                self._owned[owner["uid"]].pop(key_of(manifest), None)

    def _tell(self, before: Manifest | None, after: Manifest | None) -> None:
        for listener in self._listeners:
            listener(before, after)


def raises_generation(resource: Resource, before: Manifest, after: Manifest) -> bool:
    """Whether the change from ``before`` to ``after`` is one that counts for this kind."""
    if resource.counts is None:
        return False
    return any(not equal(_part(before, name), _part(after, name)) for name in resource.counts)


def _part(manifest: Manifest, name: str) -> object:
    return manifest["metadata"].get("annotations") if name == "annotations" else manifest.get(name)

"""Since which generation a workload has had the spec that it has now.

The API raises a Deployment's ``metadata.generation`` for a change of its own annotations too
(https://github.com/kubernetes/kubernetes/blob/master/pkg/registry/apps/deployment/strategy.go), so a controller that
annotates a Deployment again and again keeps ``status.observedGeneration`` behind for as long as it does. What the
status says of an earlier generation with the same spec holds nevertheless; only a changed spec must be observed first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2s

from .object_fields import metadata_of, number_of
from .requests import Json


@dataclass(frozen=True, slots=True)
class _Spec:
    digest: bytes  # of the uid and the spec
    since: int  # the lowest generation at which this spec was seen, with no other one seen in between


class SpecGenerations:
    """What the looks at each workload's object, by its path, have shown so far."""

    def __init__(self) -> None:
        self._seen: dict[str, _Spec] = {}

    def find(self, path: str, workload: Json) -> int:
        """The generation that the controller must have observed for its status to be about this spec.

        At the first look, and after ``forget``, it is the object's own.
        """
        metadata = metadata_of(workload)
        generation = number_of(metadata, "generation")
        identity = json.dumps([metadata.get("uid"), workload.get("spec")], sort_keys=True)
        digest = blake2s(identity.encode(), digest_size=8).digest()
        known = self._seen.get(path)
        if known is None or known.digest != digest:
            known = self._seen[path] = _Spec(digest, generation)
        return min(known.since, generation)

    def forget(self, path: str) -> None:
        """The spec is being changed by this agent, and may be changed back before the next look."""
        self._seen.pop(path, None)

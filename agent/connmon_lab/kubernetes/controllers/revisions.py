"""ControllerRevisions: the remembered pod templates of StatefulSets and DaemonSets."""

from __future__ import annotations

from ..objects import Manifest, equal, hash_template, key_of, labels_of, owner_reference
from .context import Context


def ensure_revision(context: Context, workload: Manifest, hash_label: str) -> Manifest:
    """The ControllerRevision of the workload's present template, with the highest number; made when there is none."""
    known = list_revisions(context, workload)
    highest = max((item["revision"] for item in known), default=0)
    data = {"spec": {"template": {**workload["spec"]["template"], "$patch": "replace"}}}
    same = next((item for item in known if equal(item["data"], data)), None)
    if same is None:
        made = context.store.create(_make_revision(workload, data, highest + 1, hash_label))
        context.ailments.claim(key_of(workload), made["metadata"]["name"])
        return made
    return same if same["revision"] == highest else context.store.update({**same, "revision": highest + 1})


def list_revisions(context: Context, workload: Manifest) -> list[Manifest]:
    """The workload's ControllerRevisions by number."""
    owned = context.store.owned_by(workload["metadata"]["uid"], "ControllerRevision")
    return sorted(owned, key=lambda item: int(item["revision"]))


def forget_revisions(context: Context, workload: Manifest, used: set[str]) -> None:
    """Unused revisions beyond ``revisionHistoryLimit`` go, oldest first. ``used`` names those that live."""
    idle = [item for item in list_revisions(context, workload) if item["metadata"]["name"] not in used]
    for item in idle[: max(0, len(idle) - workload["spec"]["revisionHistoryLimit"])]:
        context.store.remove(key_of(item))


def template_of(revision: Manifest) -> Manifest:
    """The pod template a revision remembers."""
    return {name: value for name, value in revision["data"]["spec"]["template"].items() if name != "$patch"}


def _make_revision(workload: Manifest, data: Manifest, number: int, hash_label: str) -> Manifest:
    metadata, template = workload["metadata"], workload["spec"]["template"]
    revision_hash = hash_template(template)
    return {
        "kind": "ControllerRevision",
        "apiVersion": "apps/v1",
        "metadata": {
            "name": f"{metadata['name']}-{revision_hash}",
            "namespace": metadata["namespace"],
            "labels": {**labels_of(template), hash_label: revision_hash},
            "ownerReferences": [owner_reference(workload)],
        },
        "data": data,
        "revision": number,
    }

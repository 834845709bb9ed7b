"""The resources this API serves, and how each kind counts its generation."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .versions import Trait, Version

_VERBS = ("create", "delete", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one API group version.

    ``group`` is empty for the core group. ``counts`` names the parts of an object whose change raises
    ``metadata.generation``; None: objects of this kind have no generation.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    counts: tuple[str, ...] | None = None
    verbs: tuple[str, ...] = _VERBS
    short_names: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified(self) -> str:
        """Its name in messages: ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


# A Deployment's generation also counts its own annotations, a StatefulSet's does not
# (kubernetes pkg/registry/apps/{deployment,statefulset}/strategy.go).
_RESOURCES = (
    Resource("", "v1", "events", "Event", short_names=("ev",)),
    Resource("", "v1", "namespaces", "Namespace", namespaced=False, short_names=("ns",)),
    Resource("", "v1", "nodes", "Node", namespaced=False, short_names=("no",)),
    Resource("", "v1", "pods", "Pod", short_names=("po",), subresources=("log", "portforward")),
    Resource("", "v1", "resourcequotas", "ResourceQuota", short_names=("quota",)),
    Resource("", "v1", "services", "Service", short_names=("svc",)),
    Resource("apps", "v1", "controllerrevisions", "ControllerRevision"),
    Resource("apps", "v1", "daemonsets", "DaemonSet", counts=("spec",), short_names=("ds",)),
    Resource("apps", "v1", "deployments", "Deployment", counts=("spec", "annotations"), short_names=("deploy",)),
    Resource("apps", "v1", "replicasets", "ReplicaSet", counts=("spec",), short_names=("rs",)),
    Resource("apps", "v1", "statefulsets", "StatefulSet", counts=("spec",), short_names=("sts",)),
    Resource("authorization.k8s.io", "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", namespaced=False,
             verbs=("create",)),
)  # fmt: skip
_BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", counts=("spec",),
                    short_names=("pdb",))  # fmt: skip

_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice",
                   counts=("addressType", "endpoints", "ports"))  # fmt: skip


def _count_pods(resource: Resource, version: Version) -> Resource:
    counted = resource.kind == "Pod" and version.has(Trait.POD_GENERATION)
    return replace(resource, counts=("spec",)) if counted else resource


class Catalogue:
    """What one server serves."""

    def __init__(self, version: Version) -> None:
        budgets = tuple(replace(_BUDGETS, version=served) for served in version.policy_versions)
        slices = tuple(replace(_SLICES, version=served) for served in version.discovery_versions)
        self.resources = tuple(_count_pods(one, version) for one in _RESOURCES) + slices + budgets
        self._by_kind = {resource.kind: resource for resource in reversed(self.resources)}

    def of_kind(self, kind: str) -> Resource:
        """The resource of ``kind``, in its preferred version. Raises KeyError."""
        return self._by_kind[kind]

    def find(self, group: str, version: str, plural: str) -> Resource | None:
        """The resource that a path names, or None."""
        wanted = (group, version, plural)
        return next((r for r in self.resources if (r.group, r.version, r.plural) == wanted), None)

    def versions_of(self, group: str) -> list[str]:
        """The versions of a group, preferred first; empty when it is not served."""
        return list(dict.fromkeys(r.version for r in self.resources if r.group == group))

    @property
    def groups(self) -> list[str]:
        """The named groups (all but the core one)."""
        return list(dict.fromkeys(r.group for r in self.resources if r.group))

"""What the agent must be allowed to do in the cluster, whether it is, and the Role that would allow it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..core.plan import Kind, ServicePlan
from ..errors import ClusterError
from .calls import Calls
from .requests import PLURALS, ApiRequest, Json, get

CORE_GROUP = ""
CLUSTER_WIDE = ""  # the namespace of what is in none
FORWARDING = "forward local ports to pods"
_REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@dataclass(frozen=True, slots=True, order=True)
class Permission:
    """One thing to be allowed, in ``namespace`` or ``CLUSTER_WIDE``.

    ``needed_for`` says in words what the agent does with it; ``resource`` may name a subresource: "pods/portforward".

    Without an ``essential`` one a service cannot be watched or restarted; without another the agent sees less.
    """

    namespace: str
    group: str
    resource: str
    verb: str
    needed_for: str
    essential: bool


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The API server's verdict on one permission. ``allowed`` None: it could not be asked, ``reason`` says why."""

    permission: Permission
    allowed: bool | None
    reason: str


def list_permissions(services: Iterable[ServicePlan]) -> tuple[Permission, ...]:
    """Everything that is needed for ``services``, each permission once, in order."""
    needed: set[Permission] = set()
    for service in services:
        place, plural = service.namespace, PLURALS[service.kind]
        history = "replicasets" if service.kind is Kind.DEPLOYMENT else "controllerrevisions"
        needed |= {
            Permission(place, "apps", plural, "get", "see whether a service is healthy", True),
            Permission(place, "apps", plural, "patch", "restart a service", True),
            Permission(place, "apps", history, "list", "find out who restarted a service since the outage", False),
            Permission(place, CORE_GROUP, "pods", "list", "find out why a pod is not ready", False),
            Permission(place, CORE_GROUP, "events", "list", "find out why a pod is not created or started", False),
            Permission(place, CORE_GROUP, "pods/log", "get", "show the last log lines of a crashed container", False),
            Permission(place, "policy", "poddisruptionbudgets", "list", "respect PodDisruptionBudgets", False),
            Permission(CLUSTER_WIDE, CORE_GROUP, "nodes", "list", "find out which images must be pulled", False),
        }
        if service.forward is not None:
            needed |= _list_forwarding(place)
    return tuple(sorted(needed))


def _list_forwarding(namespace: str) -> set[Permission]:
    """What a local port needs. SPDY takes create; a WebSocket get, and from Kubernetes 1.35 on both."""
    wanted = [(CORE_GROUP, "services", verb) for verb in ("get", "list", "watch")]
    wanted += [(CORE_GROUP, "pods", verb) for verb in ("get", "watch")]  # to list them is wanted anyway
    wanted += [(CORE_GROUP, "pods/portforward", verb) for verb in ("create", "get")]
    wanted += [("discovery.k8s.io", "endpointslices", verb) for verb in ("list", "watch")]
    return {Permission(namespace, group, plural, verb, FORWARDING, False) for group, plural, verb in wanted}


async def review_permissions(calls: Calls, permissions: Sequence[Permission]) -> tuple[Reviewed, ...]:
    """Ask the API server about every permission, in their order. Never raises for the API's sake."""
    return tuple(await asyncio.gather(*(_review(calls, permission) for permission in permissions)))


async def read_server_version(calls: Calls) -> str:
    """The API server's version: "v1.33.1+k3s1". Raises ClusterError."""
    return str((await calls.send(get("/version", None))).get("gitVersion") or "unknown")


def role_manifest(permissions: Iterable[Permission], *, subject: Json) -> str:
    """Roles that grant exactly ``permissions``, and their bindings to ``subject``, as YAML for ``kubectl apply -f -``.

    What is in no namespace takes a ClusterRole.

    ``subject`` is one of a RoleBinding's: {"kind": "User", "name": ...} or a ServiceAccount with its namespace.
    """
    by_namespace: dict[str, dict[tuple[str, str], set[str]]] = {}
    for permission in permissions:
        rules = by_namespace.setdefault(permission.namespace, {})
        rules.setdefault((permission.group, permission.resource), set()).add(permission.verb)
    documents = [
        _write_role(namespace, rules) + _write_binding(namespace, subject)
        for namespace, rules in sorted(by_namespace.items())
    ]
    return "".join(documents)


async def _review(calls: Calls, permission: Permission) -> Reviewed:
    resource, _, subresource = permission.resource.partition("/")
    attributes = {
        "namespace": permission.namespace,
        "group": permission.group,
        "resource": resource,
        "verb": permission.verb,
        **({"subresource": subresource} if subresource else {}),
    }
    body: Json = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    try:
        answer = await calls.send(ApiRequest("POST", _REVIEWS, "SelfSubjectAccessReview", body=body))
    except ClusterError as error:
        return Reviewed(permission, None, str(error))
    status = answer.get("status") or {}
    return Reviewed(permission, bool(status.get("allowed")), str(status.get("reason") or ""))


def _write_role(namespace: str, rules: dict[tuple[str, str], set[str]]) -> str:
    lines = [
        f'- {{apiGroups: ["{group}"], resources: ["{resource}"], verbs: [{", ".join(sorted(verbs))}]}}'
        for (group, resource), verbs in sorted(rules.items())
    ]
    return _write_head(_scoped("Role", namespace), namespace) + "rules:\n" + "\n".join(lines) + "\n"


def _write_binding(namespace: str, subject: Json) -> str:
    group = "" if subject["kind"] == "ServiceAccount" else "rbac.authorization.k8s.io"
    place = f', namespace: "{subject["namespace"]}"' if "namespace" in subject else ""
    return (
        _write_head(_scoped("RoleBinding", namespace), namespace)
        + f"roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {_scoped('Role', namespace)}, name: connmon-agent}}\n"
        + f'subjects:\n- {{kind: {subject["kind"]}, name: "{subject["name"]}"{place}, apiGroup: "{group}"}}\n'
    )


def _scoped(kind: str, namespace: str) -> str:
    return f"Cluster{kind}" if namespace == CLUSTER_WIDE else kind


def _write_head(kind: str, namespace: str) -> str:
    place = "" if namespace == CLUSTER_WIDE else f', namespace: "{namespace}"'
    return f"---\napiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata: {{name: connmon-agent{place}}}\n"

"""The documents by which a client finds out what a server serves."""

from __future__ import annotations

from .objects import Manifest
from .resources import Catalogue, Resource


def discover(catalogue: Catalogue, path: str, *, version: str, address: str) -> Manifest | str | None:
    """The document at ``path`` (a text or an object), or None when it is no document of discovery or health."""
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["readyz"] | ["livez"] | ["healthz"]:
            return "ok"
        case ["version"]:
            return _describe_version(version)
        case ["api"]:
            addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
            return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}
        case ["apis"]:
            groups = [_describe_group(catalogue, group) for group in catalogue.groups]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        case ["apis", group] if group in catalogue.groups:
            return {"kind": "APIGroup", "apiVersion": "v1", **_describe_group(catalogue, group)}
        case ["api", "v1"]:
            return _list_resources(catalogue, "", "v1")
        case ["apis", group, group_version] if group_version in catalogue.versions_of(group):
            return _list_resources(catalogue, group, group_version)
    return None


def _describe_version(version: str) -> Manifest:
    major, minor = version.removeprefix("v").split(".")[:2]
    return {"major": major, "minor": minor, "gitVersion": version, "gitTreeState": "clean", "platform": "linux/amd64"}


def _describe_group(catalogue: Catalogue, group: str) -> Manifest:
    versions = [{"groupVersion": f"{group}/{v}", "version": v} for v in catalogue.versions_of(group)]
    return {"name": group, "versions": versions, "preferredVersion": versions[0]}


def _list_resources(catalogue: Catalogue, group: str, version: str) -> Manifest:
    group_version = f"{group}/{version}" if group else version
    served = [item for item in catalogue.resources if (item.group, item.version) == (group, version)]
    resources: list[Manifest] = [
        {
            "name": resource.plural,
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
            **({"shortNames": list(resource.short_names)} if resource.short_names else {}),
        }
        for resource in served
    ]
    resources += [_describe_subresource(resource, name) for resource in served for name in resource.subresources]
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}


def _describe_subresource(resource: Resource, name: str) -> Manifest:
    if name == "log":
        described = {"name": f"{resource.plural}/log", "singularName": "", "namespaced": resource.namespaced}
        return described | {"kind": "Pod", "verbs": ["get"]}
    kinds = {"portforward": "PodPortForwardOptions"}
    described = {"name": f"{resource.plural}/{name}", "singularName": "", "namespaced": resource.namespaced}
    return described | {"kind": kinds[name], "verbs": ["create", "get"]}

"""Builders of manifests: small, valid, and changeable through keyword arguments."""

from __future__ import annotations

from typing import Any

from .objects import Manifest

DEFAULT_IMAGE = "registry.k8s.io/pause:3.10"


def pod_template(
    name: str,
    *,
    image: str = DEFAULT_IMAGE,
    pull_policy: str = "IfNotPresent",
    annotations: dict[str, str] | None = None,
    env: dict[str, str] | None = None,
    port: int = 8080,
    port_name: str | None = None,
) -> Manifest:
    """A pod template with the label ``app: name`` and one container of that name."""
    container: Manifest = {
        "name": name,
        "image": image,
        "imagePullPolicy": pull_policy,
        "ports": [{"containerPort": port, **({"name": port_name} if port_name else {})}],
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
    }
    metadata: Manifest = {"labels": {"app": name}, **({"annotations": annotations} if annotations else {})}
    return {"metadata": metadata, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}


def deployment(
    name: str, namespace: str = "default", *, replicas: int = 1, template: Manifest | None = None, **spec: Any
) -> Manifest:
    """A Deployment; ``spec`` holds further fields of its spec, such as ``progressDeadlineSeconds=2``."""
    return _workload("Deployment", name, namespace, template, {"replicas": replicas, **spec})


def stateful_set(
    name: str, namespace: str = "default", *, replicas: int = 1, template: Manifest | None = None, **spec: Any
) -> Manifest:
    """A StatefulSet; ``spec`` as for ``deployment``."""
    return _workload("StatefulSet", name, namespace, template, {"replicas": replicas, "serviceName": name, **spec})


def daemon_set(name: str, namespace: str = "default", *, template: Manifest | None = None, **spec: Any) -> Manifest:
    """A DaemonSet; ``spec`` as for ``deployment``."""
    return _workload("DaemonSet", name, namespace, template, spec)


def service(name: str, namespace: str = "default", *, port: int = 80, target: int | str = 8080) -> Manifest:
    """A Service for the pods labelled ``app: name``."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": port, "targetPort": target}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


def endpoint_slice(
    name: str, namespace: str = "default", *, service: str, addresses: list[str], port: int, version: str = "v1"
) -> Manifest:
    """An EndpointSlice that somebody keeps by hand for a Service without a selector, all of its addresses ready."""
    endpoints = [{"addresses": [address], "conditions": {"ready": True}} for address in addresses]
    return {
        "apiVersion": f"discovery.k8s.io/{version}",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "", "protocol": "TCP", "port": port}],
    }


def disruption_budget(
    name: str, namespace: str = "default", *, app: str, version: str = "v1", **spec: int | str
) -> Manifest:
    """A PodDisruptionBudget for the pods labelled ``app: app``; ``spec`` is minAvailable or maxUnavailable."""
    return {
        "apiVersion": f"policy/{version}",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": {"app": app}}, **spec},
    }


def quota(name: str, namespace: str = "default", **hard: int) -> Manifest:
    """A ResourceQuota, such as ``quota("few", pods=2)``."""
    spec = {"hard": {resource: str(number) for resource, number in hard.items()}}
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def namespace(name: str) -> Manifest:
    """A Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def node(name: str) -> Manifest:
    """A Node."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}}


def _workload(kind: str, name: str, namespace: str, template: Manifest | None, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": template or pod_template(name),
            **spec,
        },
    }

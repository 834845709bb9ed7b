"""Workloads small enough for a test: pods that start at once and end at once."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

# The ERP's services.
SEVEN = (
    "frontend",
    "frontend-custom",
    "frontend-react",
    "grafana",
    "jaeger",
    "api-gateway-simple",
    "service-mesh-dashboard",
)

# How often a pod is probed, and how long a command in it may take on a busy machine: a second is Kubernetes' default.
OFTEN: Json = {"periodSeconds": 1, "timeoutSeconds": 60}

# A container that works until it gets stuck, as an outage may leave it; GET_STUCK is to be run in it.
READY_UNTIL_STUCK: Json = {
    "command": ["sh", "-c", "touch /tmp/works; sleep 1000000"],
    "readinessProbe": {"exec": {"command": ["test", "-f", "/tmp/works"]}, **OFTEN, "failureThreshold": 1},
}
GET_STUCK = ("rm", "/tmp/works")


def ready_unless(pattern: str) -> Json:
    """A container that is ready unless the token of the restart that made it matches a pattern of the shell.

    ``?*`` is any token: such a pod is ready until it is restarted.
    """
    token = {"fieldRef": {"fieldPath": "metadata.annotations['connmon.io/restart-token']"}}
    probe = ["sh", "-c", f'case "$RESTART_TOKEN" in {pattern}) exit 1 ;; esac']
    return {
        "env": [{"name": "RESTART_TOKEN", "valueFrom": token}],
        "readinessProbe": {"exec": {"command": probe}, **OFTEN},
    }


def crash_after(pattern: str, words: str, *, code: int) -> Json:
    """A native sidecar (Kubernetes 1.29 and later) that ends with ``code`` and its last ``words`` when the token of the
    restart that made it matches a pattern of the shell, and runs on otherwise.
    """
    token = {"fieldRef": {"fieldPath": "metadata.annotations['connmon.io/restart-token']"}}
    crash = f"echo {words}; exit {code}"
    return {
        "name": "proxy",
        "restartPolicy": "Always",
        "env": [{"name": "RESTART_TOKEN", "valueFrom": token}],
        "command": ["sh", "-c", f'case "$RESTART_TOKEN" in {pattern}) {crash} ;; esac; sleep 1000000'],
        "startupProbe": {
            "exec": {"command": ["sh", "-c", "exit 0"]},
            **OFTEN,
        },  # else it counts as started before it ends
    }


def with_sidecar(workload: Json, image: str, sidecar: Json) -> Json:
    """The workload with a native sidecar in its pods."""
    container = {"image": image, "imagePullPolicy": "IfNotPresent", **sidecar}
    workload["spec"]["template"]["spec"]["initContainers"] = [container]
    return workload


def deployment(name: str, image: str, *, container: Json | None = None, **spec: Any) -> Json:
    """A Deployment of one replica. ``container`` and ``spec`` add to its container and its spec."""
    return _workload("Deployment", name, image, container, {"replicas": 1, **spec})


def stateful_set(name: str, image: str) -> Json:
    """A StatefulSet of two replicas."""
    return _workload("StatefulSet", name, image, None, {"replicas": 2, "serviceName": name})


def daemon_set(name: str, image: str) -> Json:
    """A DaemonSet."""
    return _workload("DaemonSet", name, image, None, {})


# A container that serves HTTP, and is ready once it does.
SERVES_HTTP: Json = {
    "command": ["sh", "-c", "mkdir -p /tmp/www; hostname > /tmp/www/index.html; exec httpd -f -p 8080 -h /tmp/www"],
    "ports": [{"name": "http", "containerPort": 8080}],
    "readinessProbe": {"tcpSocket": {"port": 8080}, **OFTEN},
}


def service(name: str, target: str | int = "http") -> Json:
    """A Service in front of the pods of the workload ``name``."""
    spec = {"selector": {"app": name}, "ports": [{"name": "web", "port": 80, "targetPort": target}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _workload(kind: str, name: str, image: str, container: Json | None, spec: Json) -> Json:
    labels = {"app": name}
    pod = {"terminationGracePeriodSeconds": 0, "containers": [_container(image, container or {})]}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template, **spec},
    }


def _container(image: str, more: Json) -> Json:
    command = ["sh", "-c", "sleep 1000000"]
    return {"name": "main", "image": image, "imagePullPolicy": "IfNotPresent", "command": command, **more}

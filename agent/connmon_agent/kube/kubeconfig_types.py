"""What the values of a kubeconfig must be, as kubectl itself demands.

Types: https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

Shape = type | Mapping[str, "Shape"] | list["Shape"]

_PLUGIN: Shape = {
    "apiVersion": str,
    "command": str,
    "args": [str],
    "env": [{"name": str, "value": str}],
    "installHint": str,
    "provideClusterInfo": bool,
}
SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "cluster": {
        "server": str,
        "tls-server-name": str,
        "insecure-skip-tls-verify": bool,
        "certificate-authority": str,
        "certificate-authority-data": str,
        "proxy-url": str,
    },
    "user": {
        "client-certificate": str,
        "client-certificate-data": str,
        "client-key": str,
        "client-key-data": str,
        "token": str,
        "tokenFile": str,
        "username": str,
        "password": str,
        "exec": _PLUGIN,
    },
    "context": {"cluster": str, "user": str, "namespace": str},
}
CREDENTIAL: Mapping[str, Shape] = {
    "token": str,
    "clientCertificateData": str,
    "clientKeyData": str,
    "expirationTimestamp": str,
}
_WORDS: Mapping[type, str] = {str: "text", bool: "true or false", int: "a number", float: "a number", dict: "a mapping"}


def find_misfit(value: object, shape: Shape, place: str = "") -> str | None:
    """Where ``value`` has another shape, in words that show no value, which may be a secret; None: it has the shape.

    Null is as good as missing everywhere, and a key that the shape does not name is somebody else's.
    """
    return next(_misfits(value, shape, place), None)


def _misfits(value: object, shape: Shape, place: str) -> Iterator[str]:
    if value is None:
        return
    if isinstance(shape, Mapping):
        if not isinstance(value, Mapping):
            yield f"{place} is {describe(value)}, not a mapping"
            return
        for key, inner in shape.items():
            yield from _misfits(value.get(key), inner, f"{place}.{key}" if place else key)
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{place} is {describe(value)}, not a list"
            return
        for number, item in enumerate(value):
            yield from _misfits(item, shape[0], f"{place}[{number}]")
    elif type(value) is not shape:  # True is an int for Python, and is none for Kubernetes
        yield f"{place} is {describe(value)}, not {_WORDS[shape]}"


def describe(value: object) -> str:
    """What kind of value it is, without the value."""
    if isinstance(value, list):
        return "a list"
    return _WORDS.get(type(value), f"of the type {type(value).__name__}")

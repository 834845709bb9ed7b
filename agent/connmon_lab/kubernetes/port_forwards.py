"""Which port-forwards are granted, and how the others are refused. Pure.

The refusals, their order and their form (some are the kubelet's plain text) are as seen on a 1.20.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .channels import PROTOCOL
from .objects import Manifest
from .statuses import ApiError

TUNNEL_PROTOCOL = "portforward.k8s.io"


@dataclass(frozen=True, slots=True)
class PortForward:
    """A port-forward that is granted: to these ports of the pod, in the order of their channels.

    ``protocol``: what is spoken over SPDY, where each connection names its port; None: it is a WebSocket.
    """

    pod: Manifest
    ports: tuple[int, ...] = ()
    protocol: str | None = None


def read_ports(query: Mapping[str, str]) -> tuple[int, ...]:
    """The ports asked for; empty for none. Raises ApiError 400."""
    return tuple(_read_port(text) for text in query.get("ports", "").split(",") if text)


def grant_forward(pod: Manifest, ports: tuple[int, ...], protocols: tuple[str, ...] | None) -> PortForward:
    """The port-forward. ``protocols`` are those the client offers (None: it wants no WebSocket; none: v4 is meant).

    Raises ApiError: 400, 403 for other protocols, 500 for a pod that has a node and does not exist there yet.
    """
    _demand_node(pod)
    if protocols is None:
        raise ApiError(400, "Upgrade request required")
    if not ports:
        raise ApiError(400, 'query parameter "port" is required', plain=True)
    if 0 in ports:
        raise ApiError(400, 'port "0" must be > 0', plain=True)
    _demand_sandbox(pod)
    if protocols and PROTOCOL not in protocols:
        raise ApiError(403, "", plain=True)
    return PortForward(pod, ports)


def grant_tunnel(pod: Manifest, protocols: tuple[str, ...]) -> PortForward:
    """The port-forward over SPDY, for a client that offers ``protocols``. Raises ApiError: as above."""
    _demand_node(pod)
    _demand_sandbox(pod)
    if TUNNEL_PROTOCOL not in protocols:
        raise ApiError(403, "", plain=True)
    return PortForward(pod, protocol=TUNNEL_PROTOCOL)


def _demand_node(pod: Manifest) -> None:
    if "nodeName" not in pod["spec"]:
        raise ApiError(400, f"pod {pod['metadata']['name']} does not have a host assigned")


def _demand_sandbox(pod: Manifest) -> None:
    if "podIP" not in pod["status"]:
        metadata = pod["metadata"]
        raise ApiError(500, f'pod not found ("{metadata["name"]}_{metadata["namespace"]}")', plain=True)


def _read_port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ApiError(400, f'cannot convert to []int32: strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > 65_535:
        raise ApiError(400, f'cannot convert to []int32: strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)

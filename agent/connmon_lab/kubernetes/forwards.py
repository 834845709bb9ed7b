"""The port-forwards of the embedded API: how many there were, how many are open, and how they break."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from functools import partial

from aiohttp import web

from .objects import Manifest
from .port_forwards import PortForward
from .programs import Programs
from .spdy_tunnels import SpdyTunnel
from .tunnels import Tunnel


class Forwards:
    """The control of port-forwards. What is meant for other threads runs where the API lives."""

    def __init__(self, programs: Programs, *, linger: float, invoke: Callable[[Callable[[], int]], int]) -> None:
        """``linger``: seconds one direction of a connection has left when the other is over."""
        self._programs = programs
        self._linger = linger
        self._invoke = invoke
        self._open: dict[Tunnel | SpdyTunnel, asyncio.Event] = {}  # set when it has ended
        self._opened: Counter[tuple[str, str]] = Counter()
        self.takes_spdy = True  # False: as where a proxy on the way to the API server does not

    def count_opened(self, namespace: str, pod: str) -> int:
        """How many WebSockets and SPDY connections were ever opened to pods of this name."""
        return self._invoke(lambda: self._opened[namespace, pod])

    def count_open(self, namespace: str, pod: str) -> int:
        """How many of them are open now."""
        return self._invoke(lambda: len(self._to(namespace, pod)))

    def kill(self, namespace: str, pod: str) -> int:
        """Break every one to the pod without a word (a WebSocket's client sees 1006). Returns how many."""
        return self._invoke(lambda: self._break(self._to(namespace, pod)))

    async def carry(self, request: web.BaseRequest, forward: PortForward) -> web.StreamResponse:
        """Answer the request with a WebSocket, or a SPDY connection, to the pod's ports."""
        kind = Tunnel if forward.protocol is None else SpdyTunnel
        tunnel = kind(request, forward, partial(self._programs.dial, forward.pod), linger=self._linger)
        await tunnel.open()
        metadata = forward.pod["metadata"]
        self._opened[metadata["namespace"], metadata["name"]] += 1
        ended = self._open[tunnel] = asyncio.Event()
        try:
            return await tunnel.run()
        finally:
            del self._open[tunnel]
            ended.set()

    def notice(self, before: Manifest | None, after: Manifest | None) -> None:
        """A change of the store: with a pod its connections go."""
        if after is None and before is not None and before["kind"] == "Pod":
            for tunnel in list(self._open):
                if tunnel.forward.pod["metadata"]["uid"] == before["metadata"]["uid"]:
                    tunnel.cut()

    async def stop(self) -> None:
        """Break all of them, and wait until they have ended."""
        ending = list(self._open.values())
        self._break(list(self._open))
        for ended in ending:
            await ended.wait()

    def _to(self, namespace: str, pod: str) -> list[Tunnel | SpdyTunnel]:
        metadata = [(tunnel, tunnel.forward.pod["metadata"]) for tunnel in self._open]
        return [tunnel for tunnel, found in metadata if (found["namespace"], found["name"]) == (namespace, pod)]

    @staticmethod
    def _break(tunnels: list[Tunnel | SpdyTunnel]) -> int:
        for tunnel in tunnels:
            tunnel.kill()
        return len(tunnels)

"""One TCP connection to one port of one pod, through the API server and the kubelet: WebSocket, v4.channel.k8s.io.

It is the way where the server, or a proxy before it, does not take SPDY (``tunnels``): each connection takes two TLS
handshakes of its own, and the container runtime unmasks what it is sent byte by byte.

Each message begins with its channel: 0 carries the data both ways, 1 what the kubelet has to say when it fails. On each
the first message repeats the port. The protocol has no way to close one direction only. Rules of the far end:
https://github.com/kubernetes/kubernetes/tree/master/staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward
"""

from __future__ import annotations

import asyncio
from collections import deque
from urllib.parse import quote

from ..errors import ClusterError
from ..kube.backoffs import TooEarly
from ..kube.requests import list_path
from .api_streams import ApiStreams
from .pod_failures import PodBroke, PodRefused, broke, explain, read_words
from .spdy_connections import SpdyConnection
from .tunnels import PROTOCOL as TUNNEL_PROTOCOL
from .tunnels import TunnelStream
from .websockets import HEADROOM as FRAME_HEADROOM
from .websockets import ApiSocket

PROTOCOL = "v4.channel.k8s.io"
EARLY = 64 * 1024  # bytes kept of a pod that speaks before anybody listens

_DATA, _ERROR = 0, 1


class PodStream:
    """A connection to one port of one pod. One task reads at a time, and one writes."""

    cheap = False  # a new one takes several round trips and two TLS handshakes
    renewable = False

    def __init__(self, inner: ApiSocket, pod: str, port: int) -> None:
        self._inner = inner
        self._pod = pod
        self._port = port
        self._greeting = port.to_bytes(2, "little")
        self._greeted: set[int] = set()
        self._early: deque[memoryview] = deque()  # what came while nobody read
        self._answered = False  # the pod has sent something
        self._used = False  # something was written

    async def read(self) -> memoryview:
        """What the pod sent next; empty once it has sent everything. Raises PodRefused or PodBroke."""
        return self._early.popleft() if self._early else await self._read()

    async def attend(self) -> None:
        """Read while nobody uses the stream yet: what comes is kept for ``read``, up to EARLY bytes.

        Returns when the pod ended the connection. Raises PodRefused or PodBroke. May be cancelled.
        """
        while data := await self._read():
            self._early.append(data)
            if sum(map(len, self._early)) >= EARLY:
                await asyncio.Event().wait()

    async def _read(self) -> memoryview:
        while True:
            try:
                message = await self._inner.receive()
            except ClusterError as error:
                raise broke(error, self._pod) from error
            if not message:
                return memoryview(b"")
            channel = message[0]
            if channel not in self._greeted:
                self._greet(channel, message[1:])
            elif channel == _ERROR:
                raise read_words(message[1:], self._pod, self._port, answered=self._answered)
            elif channel == _DATA and len(message) > 1:
                self._answered = True
                return memoryview(message)[1:]

    async def write(self, frame: memoryview) -> None:
        """Send the data of ``frame``, which begins after HEADROOM bytes that are written over; waits while the way is
        full. Raises PodRefused where the way had ended before anything was written, or PodBroke.
        """
        if not self._used and (end := self._inner.end) is not None:
            raise PodRefused(end.kind, f"the stream to the pod {self._pod} ended: {end}")
        self._used = True
        frame[FRAME_HEADROOM] = _DATA
        try:
            await self._inner.send(frame)
        except ClusterError as error:
            raise broke(error, self._pod) from error

    def finish(self) -> bool:
        """Tell the pod that no more will be written; False: this way cannot tell it."""
        return False

    async def ping(self, timeout: float) -> bool:
        """Whether the kubelet answers within ``timeout`` seconds. Only while nothing is being written: a pod that does
        not read keeps the kubelet from answering. Somebody must be reading.
        """
        return await self._inner.ping(timeout)

    async def renew(self) -> None:
        """See ``port_forwarding.streams.Stream``: it cannot."""

    async def close(self) -> None:
        """End the connection in order: what was written still arrives."""
        await self._inner.close()

    async def abort(self) -> None:
        """End the connection at once."""
        await self._inner.abort()

    def _greet(self, channel: int, port: bytes) -> None:
        if channel not in (_DATA, _ERROR) or port != self._greeting:
            raise PodBroke("protocol", f"the port-forward to the pod {self._pod} began with {port[:16]!r}")
        self._greeted.add(channel)


async def open_pod(
    streams: ApiStreams, namespace: str, pod: str, port: int, *, timeout: float
) -> PodStream | TunnelStream:
    """Connect to a port of a pod: by SPDY, and by a WebSocket where the server does not take that, each within
    ``timeout`` seconds. Raises ClusterError with what failed, in words.

    That the pod itself refuses comes to light by reading only.
    """
    target = f"{list_path('api/v1', namespace, 'pods')}/{quote(pod, safe='')}/portforward"
    try:
        if (tunnel := await _open_tunnel(streams, target, timeout)) is not None:
            return TunnelStream(tunnel, pod, port)
        opened = await streams.connect(f"{target}?ports={port}", protocol=PROTOCOL, timeout=timeout)
        streams.do_without_spdy()
        return PodStream(opened, pod, port)
    except TooEarly:
        raise
    except ClusterError as error:
        raise explain(error, namespace, pod) from error


async def _open_tunnel(streams: ApiStreams, target: str, timeout: float) -> SpdyConnection | None:
    """None where the server takes no SPDY, and where the role forbids it: SPDY asks by POST, which needs ``create``; a
    WebSocket asks by GET, and ``get`` was all that a role needed before Kubernetes 1.35.
    """
    try:
        return await streams.tunnel(target, protocol=TUNNEL_PROTOCOL, timeout=timeout)
    except ClusterError as error:
        if error.kind != "forbidden":
            raise
        return None

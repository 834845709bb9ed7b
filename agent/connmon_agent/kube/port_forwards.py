"""One TCP connection to one port of one pod, through the API server and the kubelet: WebSocket, v4.channel.k8s.io.

Each message begins with its channel: 0 carries the data both ways, 1 what the kubelet has to say when it fails. On each
the first message repeats the port. The protocol has no way to close one direction only. Rules of the far end:
https://github.com/kubernetes/kubernetes/tree/master/staging/src/k8s.io/kubelet/pkg/cri/streaming/portforward
"""

from __future__ import annotations

import asyncio
from collections import deque
from urllib.parse import quote

from ..errors import ClusterError
from .requests import list_path
from .streams import ApiStreams
from .websockets import HEADROOM as FRAME_HEADROOM
from .websockets import LARGEST, ApiSocket

PROTOCOL = "v4.channel.k8s.io"
HEADROOM = FRAME_HEADROOM + 1  # bytes before the data of a frame that is written: the frame's head, and the channel
EARLY = 64 * 1024  # bytes kept of a pod that speaks before anybody listens
FRAME = FRAME_HEADROOM + LARGEST  # bytes of the largest frame that is written, with its headroom
TEXT_LENGTH = 300  # characters of the kubelet's own words

_DATA, _ERROR = 0, 1
_REFUSALS = ("refused", "failed to connect", "failed to dial", "exit status", "no route to host")

_REASONS = {
    "not-found": "there is no pod {pod} in the namespace {namespace} any more",
    "invalid": "the pod {pod} runs on no node yet, or no longer",
    "server-error": "the API server does not reach the node of the pod {pod}",
}


class PodBroke(ClusterError):
    """A connection to a pod ended otherwise than by the pod's own will."""


class PodRefused(PodBroke):
    """The pod did not accept the connection: nothing that was written has reached it."""


class PodStream:
    """A connection to one port of one pod. One task reads at a time, and one writes."""

    cheap = False  # a new one takes several round trips and two TLS handshakes

    def __init__(self, inner: ApiSocket, pod: str, port: int) -> None:
        self._inner = inner
        self._pod = pod
        self._port = port
        self._greeting = port.to_bytes(2, "little")
        self._greeted: set[int] = set()
        self._early: deque[memoryview] = deque()  # what came while nobody read
        self._answered = False  # the pod has sent something

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
                raise PodBroke(error.kind, f"the connection to the pod {self._pod} broke: {error}") from error
            if not message:
                return memoryview(b"")
            channel = message[0]
            if channel not in self._greeted:
                self._greet(channel, message[1:])
            elif channel == _ERROR:
                raise self._failed(message[1:])
            elif channel == _DATA and len(message) > 1:
                self._answered = True
                return memoryview(message)[1:]

    async def write(self, frame: memoryview) -> None:
        """Send the data of ``frame``, which begins after HEADROOM bytes that are written over; waits while the way is
        full. Raises PodBroke.
        """
        frame[FRAME_HEADROOM] = _DATA
        try:
            await self._inner.send(frame)
        except ClusterError as error:
            raise PodBroke(error.kind, f"the connection to the pod {self._pod} broke: {error}") from error

    def finish(self) -> bool:
        """Tell the pod that no more will be written; False: this way cannot tell it."""
        return False

    async def ping(self, timeout: float) -> bool:
        """Whether the kubelet answers within ``timeout`` seconds. Only while nothing is being written: a pod that does
        not read keeps the kubelet from answering. Somebody must be reading.
        """
        return await self._inner.ping(timeout)

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

    def _failed(self, text: bytes) -> PodBroke:
        words = " ".join(text.decode("utf-8", "replace").split())
        if not self._answered and any(mark in words for mark in _REFUSALS):
            why = words.rpartition('": ')[2][-TEXT_LENGTH:]  # before it come the names of namespaces and containers
            return PodRefused("unreachable", f"the pod {self._pod} accepts no connection on port {self._port}: {why}")
        return PodBroke("unreachable", f"the connection to the pod {self._pod} broke: {words[-TEXT_LENGTH:]}")


async def open_pod(streams: ApiStreams, namespace: str, pod: str, port: int, *, timeout: float) -> PodStream:
    """Connect to a port of a pod within ``timeout`` seconds. Raises ClusterError with what failed, in words.

    That the pod itself refuses comes to light by reading only.
    """
    target = f"{list_path('api/v1', namespace, 'pods')}/{quote(pod, safe='')}/portforward?ports={port}"
    try:
        return PodStream(await streams.connect(target, protocol=PROTOCOL, timeout=timeout), pod, port)
    except ClusterError as error:
        raise _explain(error, namespace, pod) from error


def _explain(error: ClusterError, namespace: str, pod: str) -> ClusterError:
    if error.kind == "forbidden":
        hint = "Grant create and get of pods/portforward; connmon-agent doctor prints a Role that does"
        message = f"the API server does not allow connections to pods in the namespace {namespace}"
        return ClusterError("forbidden", message, delivered=False, hint=hint)
    if (reason := _REASONS.get(error.kind)) is None:
        return error
    return ClusterError(error.kind, f"{reason.format(pod=pod, namespace=namespace)} ({error})", delivered=False)

"""One connection to one port of one pod, through the API server and the kubelet: two streams of a SPDY connection.

The data stream carries the data both ways, the error stream what the kubelet has to say when it fails. Rules of both
ends: https://github.com/kubernetes/client-go/blob/master/tools/portforward/portforward.go and
https://github.com/containerd/containerd/blob/main/pkg/streaming/portforward/httpstream.go
"""

from __future__ import annotations

from ..errors import ClusterError
from .pod_failures import PodRefused, broke, read_words
from .pod_frames import HEADROOM
from .spdy.frames import DATA_HEAD
from .spdy_connections import Pair, SpdyConnection

PROTOCOL = "portforward.k8s.io"


class TunnelStream:
    """See ``port_forwarding.streams.Stream``. Nothing is open to the pod before the first read or write."""

    cheap = False  # a new connection takes several round trips and two TLS handshakes
    renewable = True

    def __init__(self, inner: SpdyConnection, pod: str, port: int) -> None:
        self._inner = inner
        self._pod = pod
        self._port = port
        self._begun: Pair | None = None
        self._answered = False  # the pod has sent something
        self._used = False  # something was written
        self._parted = False

    async def read(self) -> bytes:
        """What the pod sent next; empty once it has sent everything. Raises PodRefused or PodBroke."""
        pair = self._pair()
        try:
            data = await self._inner.receive(pair)
        except ClusterError as error:
            raise broke(error, self._pod) from error
        if not data and pair.text:
            raise read_words(bytes(pair.text), self._pod, self._port, answered=self._answered)
        self._answered = True
        return data

    async def write(self, frame: memoryview) -> None:
        """Send the data of ``frame``, which begins after HEADROOM bytes that are written over; waits while the way is
        full. Raises PodRefused, also where the way had ended before anything was written, or PodBroke.
        """
        pair = self._pair()
        if not self._used and pair.failure is not None:
            raise self._refuse(pair.failure)
        self._used = True
        try:
            await self._inner.send(pair, frame[HEADROOM - DATA_HEAD :])
        except ClusterError as error:
            raise broke(error, self._pod) from error

    def finish(self) -> bool:
        """False: SPDY could tell the pod, but the container runtime ends the other direction a second later."""
        return False

    async def attend(self) -> None:
        """Return when the connection takes no client any more. May be cancelled."""
        await self._inner.attend()

    async def ping(self, timeout: float) -> bool:
        """Whether the container runtime answers within ``timeout`` seconds."""
        return await self._inner.ping(timeout)

    async def renew(self) -> TunnelStream | None:
        """See ``port_forwarding.streams.Stream``."""
        return TunnelStream(self._inner, self._pod, self._port) if await self._part() else None

    async def close(self) -> None:
        """End the connection in order: what was written still arrives."""
        await self._part()
        await self._inner.close()

    async def abort(self) -> None:
        """End the connection at once."""
        await self._inner.abort()

    def _pair(self) -> Pair:
        """The streams, opened for the first who needs them. Raises PodRefused: the way is gone, nothing was sent."""
        if self._begun is None:
            try:
                self._begun = self._inner.begin(self._port)
            except ClusterError as error:
                raise self._refuse(error) from error
        return self._begun

    def _refuse(self, end: ClusterError) -> PodRefused:
        return PodRefused(end.kind, f"the stream to the pod {self._pod} ended: {end}")

    async def _part(self) -> bool:
        """Whether another client may have the connection. Only the first time anything is done for it."""
        if self._parted:
            return False
        self._parted = True
        return self._begun is None or await self._inner.part(self._begun)

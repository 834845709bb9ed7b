"""One SPDY/3.1 connection towards the API server, used by one client at a time: two streams each, data and errors.

It is kubectl's protocol, but kubectl leads all of its clients through one connection, and SPDY as Kubernetes speaks it
has no flow control: one client that does not read stops them all. With one client at a time it stops only itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from ..errors import ClusterError
from .spdy.errors import SpdyError
from .spdy.frames import (
    DATA_HEAD,
    Data,
    Frame,
    FrameReader,
    GoAway,
    Headers,
    Ping,
    RstStream,
    write_data_head,
    write_ping,
    write_syn_stream,
)
from .spdy.headers import Deflater
from .wires import Wire

WAITING = 128 * 1024  # bytes that may wait to be read before the connection is read no more
ERROR_LENGTH = 8 * 1024  # bytes that are kept of what a server says about an error
FAREWELL = 1.0  # seconds for the far end to take what it was sent
LATE = 1.0  # seconds for the error stream to end, once the data has
MOST_CLIENTS = 1000  # of one connection: some kubelets keep a little of each stream until its connection ends
# spdystream deals with frames in five queues, and pings go to each in turn: five answers mean that none is stuck behind
# data which nobody takes. https://github.com/moby/spdystream/blob/main/connection.go (FRAME_WORKERS)
QUEUES = 5


class Pair:
    """The two streams of one client, as far as they have come."""

    def __init__(self, error: int, data: int) -> None:
        self.error = error
        self.data = data
        self.text = bytearray()  # what the server said about an error
        self.data_ended = False
        self.error_ended = False
        self.failure: ClusterError | None = None  # why nothing more comes; None: it may, or ended in order


class SpdyConnection:
    """A wire that is upgraded. Reading is for one task at a time, and so is writing.

    ``early`` are bytes that came with the answer; ``server`` is for messages.
    """

    def __init__(self, wire: Wire, server: str, early: bytes = b"") -> None:
        self._wire = wire
        self._server = server
        self._reader = FrameReader()
        self._deflater = Deflater()
        self._next_stream = 1
        self._next_ping = 1
        self._clients = 0
        self._pair: Pair | None = None
        self._pieces: deque[bytes] = deque()  # data of the pair that waits to be read
        self._size = 0  # bytes in them
        self._paused = False
        self._end: ClusterError | None = None  # the connection is over
        self._gone_away = False
        self._news: asyncio.Future[None] | None = None
        self._pongs: dict[int, asyncio.Future[None]] = {}
        wire.hand_to(self._feed, self._lose, early=early)

    def begin(self, port: int) -> Pair:
        """Open the streams to a port for the next client. Nothing is waited for: a refusal comes to light by reading.

        Raises ClusterError (unreachable).
        """
        number, self._next_stream = self._next_stream, self._next_stream + 4
        pair = self._pair = Pair(number, number + 2)
        self._clients += 1
        opened = [
            write_syn_stream(
                stream, self._deflater.write({"streamType": kind, "port": str(port), "requestID": request})
            )
            for stream, kind, request in ((pair.error, "error", str(number)), (pair.data, "data", str(number)))
        ]
        self._send(b"".join((opened[0], write_data_head(pair.error, 0, last=True), opened[1])))
        return pair

    async def receive(self, pair: Pair) -> bytes:
        """What came next for the pair; empty once everything came, or the server has something to say about an error.

        Raises ClusterError (unreachable) where the connection broke, or a stream was reset.
        """
        while not self._pieces:
            if pair.data_ended:
                await self._await_errors(pair)
                if pair.failure is not None and not pair.error_ended:
                    raise pair.failure  # nobody knows what there was to say
                return b""
            if pair.failure is not None:
                raise pair.failure
            if pair.error_ended and pair.text:
                return b""
            await self._wait()
        piece = self._pieces.popleft()
        self._size -= len(piece)
        if self._paused and self._size < WAITING // 2:
            self._resume()
        return piece

    async def send(self, pair: Pair, frame: memoryview) -> None:
        """Send the data that ``frame`` holds after its first DATA_HEAD bytes, which are written over; wait while the
        connection takes no more. Raises ClusterError (unreachable).
        """
        frame[:DATA_HEAD] = write_data_head(pair.data, len(frame) - DATA_HEAD)
        try:
            await self._wire.write(frame)
        except OSError as error:
            raise self._broken(error) from error
        if pair.failure is not None:
            raise pair.failure

    async def ping(self, timeout: float, *, times: int = 1) -> bool:
        """Whether the server answers so many pings within ``timeout`` seconds."""
        loop = asyncio.get_running_loop()
        numbers = range(self._next_ping, self._next_ping + 2 * times, 2)
        self._next_ping += 2 * times
        self._pongs |= {number: loop.create_future() for number in numbers}
        try:
            async with asyncio.timeout(timeout):
                self._send(b"".join(map(write_ping, numbers)))
                for number in numbers:
                    await self._pongs[number]
        except (TimeoutError, ClusterError):
            return False
        finally:
            for number in numbers:
                del self._pongs[number]
        return True

    async def attend(self) -> None:
        """Return when the connection is over, or takes no client any more. May be cancelled."""
        while self._end is None and not self._gone_away:
            await self._wait()

    async def part(self, pair: Pair) -> bool:
        """End the pair in order: what was sent arrives, what comes is for nobody. Whether the next client may come.

        It may not where the far end has not taken everything: no other stream would get past that. Nor where the pod
        was still sending, for it goes on for a second; the next client had to wait behind it.
        """
        quiet = not self._pieces and not self._paused and pair.failure is None and not pair.text
        self._pair = None
        self._drop()
        with contextlib.suppress(ClusterError):  # it is over, which ``ping`` tells
            self._send(write_data_head(pair.data, 0, last=True))
        taken = await self.ping(FAREWELL, times=QUEUES)
        return taken and quiet and not self._gone_away and self._end is None and self._clients < MOST_CLIENTS

    async def close(self) -> None:
        """Close, once what was written is sent."""
        try:
            async with asyncio.timeout(FAREWELL):
                self._wire.close()
                await self._wire.closed()
        except TimeoutError:
            await self.abort()

    async def abort(self) -> None:
        """Close without a farewell, which a dead connection would keep waiting for."""
        self._wire.abort()
        await self._wire.closed()

    async def _await_errors(self, pair: Pair) -> None:
        """The data has ended: what there is to say about an error lies before us, or comes at once."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LATE):
                while not pair.error_ended and pair.failure is None:
                    await self._wait()

    async def _wait(self) -> None:
        """For news."""
        self._news = asyncio.get_running_loop().create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _send(self, data: bytes) -> None:
        """Raises ClusterError (unreachable)."""
        try:
            self._wire.write_now(data)
        except OSError as error:
            raise self._broken(error) from error

    def _feed(self, data: memoryview) -> None:
        came: list[memoryview] = []
        try:
            for frame in self._reader.feed(data):
                if isinstance(frame, Data):
                    self._take_data(frame, came)
                else:
                    self._take_control(frame)
        except SpdyError as error:
            self._finish(ClusterError("protocol", f"{self._server} violates SPDY: {error}"))
            self._wire.abort()
        if came:
            piece = b"".join(came)
            self._pieces.append(piece)
            self._size += len(piece)
        self._tell()
        if self._size > WAITING and not self._paused:
            self._paused = True
            self._wire.pause()

    def _take_data(self, frame: Data, came: list[memoryview]) -> None:
        """What comes for streams before the present ones is for nobody any more."""
        pair = self._pair
        if pair is None:
            return
        if frame.stream == pair.data:
            if frame.payload:
                came.append(frame.payload)
            pair.data_ended = pair.data_ended or frame.last
        elif frame.stream == pair.error:
            pair.text += frame.payload[: max(0, ERROR_LENGTH - len(pair.text))]
            pair.error_ended = pair.error_ended or frame.last

    def _take_control(self, frame: Frame) -> None:
        pair = self._pair
        if isinstance(frame, Ping):
            self._take_ping(frame.number)
        elif isinstance(frame, GoAway):
            self._gone_away = True
        elif pair is None:
            return
        elif isinstance(frame, RstStream) and frame.stream in (pair.data, pair.error):
            pair.failure = pair.failure or self._failed(f"reset the stream with status {frame.status}")
        elif isinstance(frame, Headers) and frame.last:
            pair.data_ended = pair.data_ended or frame.stream == pair.data
            pair.error_ended = pair.error_ended or frame.stream == pair.error

    def _take_ping(self, number: int) -> None:
        if number % 2 == 0:  # the server's own
            with contextlib.suppress(ClusterError):
                self._send(write_ping(number))
        elif (pong := self._pongs.get(number)) is not None and not pong.done():
            pong.set_result(None)

    def _lose(self, error: BaseException | None) -> None:
        self._finish(self._broken(error))
        self._tell()

    def _finish(self, end: ClusterError) -> None:
        if self._end is None:
            self._end = end
        if self._pair is not None and self._pair.failure is None:
            self._pair.failure = self._end
        for pong in self._pongs.values():
            if not pong.done():
                pong.set_exception(self._end)
                pong.exception()  # nobody may be waiting for this one

    def _drop(self) -> None:
        self._pieces.clear()
        self._size = 0
        self._resume()

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._wire.resume()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _broken(self, error: BaseException | None) -> ClusterError:
        return self._failed("closed the connection" + (f": {error}" if error is not None and str(error) else ""))

    def _failed(self, words: str) -> ClusterError:
        return ClusterError("unreachable", f"{self._server} {words}")


def upgrade_fields(host: str, protocol: str, headers: dict[str, str]) -> dict[str, str]:
    """The fields of the POST that asks for SPDY. As client-go does it (transport/spdy)."""
    return {
        "Host": host,
        "Connection": "Upgrade",
        "Upgrade": "SPDY/3.1",
        "X-Stream-Protocol-Version": protocol,
        "Content-Length": "0",
        **headers,
    }

"""One TCP connection to the API server, with TLS on it, that costs little while it waits and little a byte.

asyncio's own TLS keeps 256 KiB for each connection, and a new 256 KiB for every record read: five hundred connections
would take 200 MiB. Here all wires of a process share their buffers, which works because what has come is dealt with
before the event loop reads again.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from ..kube.client import list_socket_options

RECEIVED = 128 * 1024  # bytes read from the socket at once
UNSENT = 128 * 1024  # bytes that wait for the socket before a writer has to
_SHARED = sys.platform != "win32"  # Windows' loop fills a buffer while others are served


@dataclass(frozen=True, slots=True)
class Buffers:
    """What all wires share: for what has come, and for what it was deciphered to."""

    received: memoryview = field(default_factory=lambda: memoryview(bytearray(RECEIVED)))
    plain: memoryview = field(default_factory=lambda: memoryview(bytearray(RECEIVED)))

    def for_one_wire(self) -> Buffers:
        """The buffers of a new wire."""
        return self if _SHARED else Buffers()


class Wire(asyncio.BufferedProtocol):
    """A connection. What comes is for whom it was handed to last."""

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers.for_one_wire()
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._shaken: asyncio.Future[None] | None = None  # waited for while the handshake lasts
        self._writable: asyncio.Future[None] | None = None  # waited for while the socket takes no more
        self._ended = False
        self._error: BaseException | None = None  # what ended it; None: the other side closed, or it has not ended
        self._gone = asyncio.Event()  # its socket is closed
        self._data: Callable[[memoryview], None] = _ignore
        self._lost: Callable[[BaseException | None], None] = _ignore

    @property
    def session(self) -> ssl.SSLSession | None:
        """What lets the next connection to this server be made without certificates; None: the server gave nothing."""
        return None if self._tls is None else self._tls.session

    @property
    def peer(self) -> str | None:
        """The IP address of the other end, without a zone; None: it is not known."""
        name = None if self._transport is None else self._transport.get_extra_info("peername")
        return str(name[0]).partition("%")[0] if isinstance(name, tuple) and name else None

    def hand_to(
        self, data: Callable[[memoryview], None], lost: Callable[[BaseException | None], None], *, early: bytes = b""
    ) -> None:
        """From now on ``data`` is called with each piece that comes, valid until it returns, and ``lost`` with the end:
        the error, or None where the other side closed.

        ``early`` came before, and is passed on first. An end that has come already is told at once: it may come in the
        same instant as what the one before was waiting for, who then hands the wire over without having seen it.
        """
        self._data, self._lost = data, lost
        if early:
            data(memoryview(early))
        if self._ended:
            lost(self._error)

    async def secure(self, context: ssl.SSLContext, name: str, session: ssl.SSLSession | None) -> None:
        """Speak TLS from now on, with a server of this name. Raises OSError."""
        if self._ended:
            raise self._broken()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)
        self._shaken = self._loop.create_future()
        self._shake()
        await self._shaken

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data``, and wait while the socket takes no more. It may change once this has returned or waits.

        Raises OSError.
        """
        self.write_now(data)
        if self._writable is not None:
            await asyncio.shield(self._writable)

    def write_now(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data`` without waiting. Raises OSError."""
        if self._ended or self._transport is None or self._transport.is_closing():
            raise ConnectionResetError("the connection is closed")
        if self._tls is None:
            self._transport.write(bytes(data))  # from Python 3.12 on asyncio keeps what it is given
        else:
            self._tls.write(data)
            self._transport.write(self._outgoing.read())

    def pause(self) -> None:
        """Read no more for now."""
        with contextlib.suppress(RuntimeError):  # closed, or paused already
            self._get_transport().pause_reading()

    def resume(self) -> None:
        """Read again."""
        with contextlib.suppress(RuntimeError):
            self._get_transport().resume_reading()

    def close(self) -> None:
        """Close, once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        """Return once the socket is closed."""
        if self._transport is not None:
            await self._gone.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio: connected."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=UNSENT)
        connected = transport.get_extra_info("socket")
        with contextlib.suppress(OSError):  # it broke just now, which reading tells
            for option in list_socket_options():
                connected.setsockopt(*option)

    def get_buffer(self, sizehint: int) -> memoryview:
        """asyncio: where to put what comes."""
        return self._buffers.received

    def buffer_updated(self, nbytes: int) -> None:
        """asyncio: so much came."""
        if self._tls is None:
            self._data(self._buffers.received[:nbytes])
            return
        self._incoming.write(self._buffers.received[:nbytes])
        try:
            if self._shaken is not None:
                self._shake()
            else:
                self._decipher(self._tls)
        except ssl.SSLError as error:
            self._end(error)
            self.abort()

    def eof_received(self) -> None:
        """asyncio: the other side closed."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: it is closed."""
        self._end(exc)
        self._loop.call_soon(self._gone.set)  # asyncio closes the socket after this call

    def pause_writing(self) -> None:
        """asyncio: the socket takes no more."""
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        """asyncio: the socket takes more again."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _shake(self) -> None:
        assert self._tls is not None and self._shaken is not None
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._flush()
            self._end(error)
            return
        self._flush()
        shaken, self._shaken = self._shaken, None
        if not shaken.done():  # whoever waited for it may have given up just now
            shaken.set_result(None)
        self._decipher(self._tls)

    def _decipher(self, tls: ssl.SSLObject) -> None:
        """Hand over all that has come. Raises ssl.SSLError."""
        plain, filled = self._buffers.plain, 0
        while True:
            try:
                count = cast(int, tls.read(len(plain) - filled, plain[filled:]))  # into a buffer: how many, not what
            except ssl.SSLWantReadError:
                break
            except ssl.SSLZeroReturnError:
                count = 0
            if not count:
                self._data(plain[:filled])
                self._end(None)
                return
            filled += count
            if filled == len(plain):
                self._data(plain)
                filled = 0
        if filled:
            self._data(plain[:filled])
        self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending and self._transport is not None and not self._transport.is_closing():
            self._transport.write(self._outgoing.read())

    def _end(self, error: BaseException | None) -> None:
        if self._ended:
            return
        self._ended, self._error = True, error
        if self._shaken is not None and not self._shaken.done():
            self._shaken.set_exception(self._broken())
        self.resume_writing()
        self._lost(error)

    def _broken(self) -> BaseException:
        return self._error or ConnectionResetError("the connection was closed")

    def _get_transport(self) -> asyncio.Transport:
        if self._transport is None:
            raise RuntimeError
        return self._transport


def _ignore(_: object) -> None:
    return None

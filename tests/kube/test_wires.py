"""One TCP connection with TLS on it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any, cast

from connmon_agent.kube.wires import Buffers, Wire

CERTIFICATE = Path(__file__).parent.parent / "probes" / "certificates" / "good.pem"


class Peer(asyncio.Transport):
    """The other end of a wire: a server that speaks TLS, within this process."""

    def __init__(self, wire: Wire) -> None:
        super().__init__({"socket": self})
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def setsockopt(self, *option: object) -> None:
        """A socket's."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """A transport's."""

    def is_closing(self) -> bool:
        return False

    def write(self, data: Any) -> None:
        self._incoming.write(data)

    def answer(self) -> None:
        """Work off what came, and let the wire have the answer, as the event loop would."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.do_handshake()
        data = self._outgoing.read()
        self._wire.get_buffer(-1)[: len(data)] = data
        self._wire.buffer_updated(len(data))


def test_a_handshake_that_ends_just_when_it_was_given_up_breaks_nothing() -> None:
    async def scenario() -> None:
        wire = Wire(Buffers())
        peer = Peer(wire)
        wire.connection_made(cast(asyncio.BaseTransport, peer))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        securing = asyncio.ensure_future(wire.secure(context, "localhost", None))
        await asyncio.sleep(0)
        securing.cancel()
        await asyncio.gather(securing, return_exceptions=True)
        for _ in range(2):
            peer.answer()
        assert wire.session is not None, "it went on to the end"

    asyncio.run(scenario())

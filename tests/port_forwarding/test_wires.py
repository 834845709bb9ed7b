"""One TCP connection with TLS on it."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from typing import Any, cast

import pytest
from tests.fakes.kube_sites import PATIENT

from connmon_agent.errors import ClusterError
from connmon_agent.port_forwarding.pod_failures import PodBroke, PodRefused
from connmon_agent.port_forwarding.pod_frames import HEADROOM
from connmon_agent.port_forwarding.pod_streams import PodStream
from connmon_agent.port_forwarding.spdy_connections import SpdyConnection
from connmon_agent.port_forwarding.tunnels import TunnelStream
from connmon_agent.port_forwarding.websockets import ApiSocket
from connmon_agent.port_forwarding.wires import Buffers, Wire

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


def wire_that_ended() -> Wire:
    """The other side hung up, and nobody has heard of it."""
    wire = Wire(Buffers())
    wire.connection_made(cast(asyncio.BaseTransport, Peer(wire)))
    wire.eof_received()
    return wire


def test_a_websocket_whose_wire_had_ended_gives_what_came_before_and_then_the_end() -> None:
    async def scenario() -> None:
        early = ApiSocket(wire_that_ended(), "the server", b"\x82\x02hi")
        assert await early.receive() == b"hi"
        with pytest.raises(ClusterError, match="closed the connection"):
            await early.receive()

    asyncio.run(asyncio.wait_for(scenario(), PATIENT))


def test_a_spdy_connection_whose_wire_had_ended_is_over() -> None:
    async def scenario() -> None:
        await SpdyConnection(wire_that_ended(), "the server").attend()

    asyncio.run(asyncio.wait_for(scenario(), PATIENT))


def test_no_handshake_is_begun_on_a_wire_that_has_ended() -> None:
    """As where a proxy agrees to a tunnel and hangs up."""

    async def scenario() -> None:
        with pytest.raises(ConnectionResetError):
            await wire_that_ended().secure(ssl.create_default_context(), "localhost", None)

    asyncio.run(asyncio.wait_for(scenario(), PATIENT))


@pytest.mark.parametrize("over", ["spdy", "websocket"])
@pytest.mark.parametrize("used", [False, True])
def test_a_connection_that_ended_before_anything_was_written_has_sent_nothing(over: str, used: bool) -> None:
    async def scenario() -> None:
        wire = Wire(Buffers())
        wire.connection_made(cast(asyncio.BaseTransport, Peer(wire)))
        stream = (
            TunnelStream(SpdyConnection(wire, "the server"), "web", 8080)
            if over == "spdy"
            else PodStream(ApiSocket(wire, "the server"), "web", 8080)
        )
        reading = asyncio.ensure_future(stream.read())
        await asyncio.sleep(0)  # which opens the connection, where it is not yet
        if used:
            await stream.write(memoryview(bytearray(HEADROOM) + b"first"))
        wire.eof_received()
        with pytest.raises(PodBroke) as caught:
            await stream.write(memoryview(bytearray(HEADROOM) + b"next"))
        assert isinstance(caught.value, PodRefused) is not used
        with pytest.raises(PodBroke):
            await reading

    asyncio.run(asyncio.wait_for(scenario(), PATIENT))

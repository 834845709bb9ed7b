"""A network in which every connection fails in one way, in virtual time: nothing leaves the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from .virtual_time import VirtualLoop

T = TypeVar("T")


@dataclass(frozen=True)
class Fault:
    """How a server behaves. ``refusal`` fails the connection itself, ``silent`` never answers it.

    ``answer`` gets what the client has sent so far and returns what is sent back: None for nothing yet, empty for the
    end of the connection. ``hold``: after an answer it stays open.
    """

    refusal: OSError | None = None
    silent: bool = False
    answer: Callable[[bytes], bytes | None] = lambda sent: None
    hold: bool = False


class _NoSocket:
    def setsockopt(self, *option: object) -> None:
        return None


class _Transport(asyncio.Transport):
    """The client's end of a connection to a server that is a function."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BufferedProtocol, fault: Fault) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._fault = fault
        self._sent = b""
        self._closing = False

    def write(self, data: Any) -> None:
        self._sent += bytes(data)
        self._loop.call_soon(self._answer)

    def _answer(self) -> None:
        answer = None if self._closing else self._fault.answer(self._sent)
        if answer is None:
            return
        self._sent = b""
        if answer:
            memoryview(cast(Any, self._protocol.get_buffer(len(answer))))[: len(answer)] = answer
            self._protocol.buffer_updated(len(answer))
        if not answer or not self._fault.hold:
            self._protocol.eof_received()
            self.close()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def is_closing(self) -> bool:
        return self._closing

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return _NoSocket() if name == "socket" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return None

    def pause_reading(self) -> None:
        return None

    def resume_reading(self) -> None:
        return None


class BrokenNetwork(VirtualLoop):
    """A loop whose connections all meet the fault that ``choose`` names for host and port.

    ``attempts`` are the times at which they were begun.
    """

    def __init__(self, choose: Callable[[str, int], Fault]) -> None:
        super().__init__()
        self._choose = choose
        self.attempts: list[float] = []
        self._met: dict[Any, Fault] = {}  # by the sockets that are connected

    async def create_connection(self, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        sock = options["sock"]
        fault = self._met.pop(sock)
        sock.close()
        protocol = factory()
        transport = _Transport(self, protocol, fault)
        protocol.connection_made(transport)
        if fault.answer(b"") is not None:  # it speaks, or hangs up, before it is asked
            self.call_soon(transport._answer)
        return transport, protocol

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        """At once: what waits for a thread would let time pass."""
        done = self.create_future()
        done.set_result(func(*args))
        return done

    async def sock_connect(self, sock: Any, address: Any) -> None:
        self._met[sock] = await self._meet(str(address[0]), int(address[1]))

    async def _meet(self, host: str, port: int) -> Fault:
        self.attempts.append(self.time())
        fault = self._choose(host, port)
        if fault.refusal is not None:
            raise type(fault.refusal)(*fault.refusal.args)
        if fault.silent:
            await asyncio.Event().wait()
        return fault


def run_broken(choose: Callable[[str, int], Fault], main: Coroutine[Any, Any, T]) -> tuple[T, list[float]]:
    """Run ``main`` in virtual time where every connection fails; also the times of the attempts."""
    loop = BrokenNetwork(choose)
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main), loop.attempts

"""One service's local port: who comes in is led to a pod, whatever becomes of pods and ports."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial

from ..core.effects import Listen
from ..core.observations import Traffic
from ..ports import ListenerStore
from ..settings import ForwardingSettings
from ..sockets.binding import PortRefused
from ..sockets.examining import explain_refusal
from ..supervision import Tasks, supervise
from .clients import reset
from .connecting import Connected, Connector, Gate
from .descriptors import Places
from .informers import Informers
from .listening import Listeners
from .pool import Pool
from .resolver import Destination, NoConnection, Resolver
from .sessions import Host, Session, lead
from .traffic_counters import TrafficCounters
from .transports import Transports

MAKING = 3.0  # seconds given to a pooled connection
CHECK_PATIENCE = 5.0  # seconds that the agent's own check waits for a pod
CLOSING_TIME = 0.3  # seconds that connections get to end when the agent does
REPEAT = 60.0  # seconds after which the same sentence may be said again


@dataclass(frozen=True, slots=True)
class Surface:
    """What all forwards share.

    ``places`` are those that the file descriptors allow all of them together, ``store`` keeps their listening sockets
    beyond this process.
    """

    informers: Informers
    transports: Transports
    gate: Gate
    places: Places
    store: ListenerStore


class LocalPort:
    """A service's port, its clients, and the way to its pods.

    ``say`` writes one sentence to the log, ``turned`` is called when a client's connection has just failed, or
    succeeded where the one before had failed. ``debug`` is told of each client, by what makes the text.
    """

    def __init__(
        self,
        name: str,
        destination: Destination,
        forwarding: ForwardingSettings,
        surface: Surface,
        *,
        say: Callable[[str], None],
        turned: Callable[[], None],
        debug: Callable[[Callable[[], str]], None],
    ) -> None:
        self.name = name
        self._say = say
        self._turned = turned
        self._debug = debug
        self._reaches = True  # the last connection did, a check's too
        self._counters = TrafficCounters()
        self._said: dict[str, float] = {}  # when which sentence was said
        self._listeners: Listeners | None = None
        self._sessions: Tasks = set()
        self._expected: dict[tuple[str, int], asyncio.Future[Session]] = {}  # the agent's own checks, by their source
        self._ending: Tasks = set()
        self._configured: tuple[object, ...] = ()
        self._apply(destination, forwarding, surface)

    def configure(self, destination: Destination, forwarding: ForwardingSettings, surface: Surface) -> None:
        """Lead new connections by these settings; what is open stays as it is."""
        if (destination, forwarding, surface) != self._configured:
            old = self._host.pool
            self._apply(destination, forwarding, surface)
            self._let_end(old.close)

    @property
    def destination(self) -> Destination:
        """Where it leads."""
        return self._destination

    @property
    def port(self) -> int | None:
        """The local port; None: it has none now."""
        return None if self._listeners is None else self._listeners.port

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses that are listened on."""
        return () if self._listeners is None else tuple(self._listeners.addresses)

    def listen(self, order: Listen) -> str | None:
        """Listen where ``order`` says, then leave the port before it. Returns why not, in words; None: it listens."""
        old = self._listeners
        if old is not None and (old.port, old.bind) == (order.port, order.bind):
            return None
        if old is not None and old.port == order.port:  # other addresses of the same port, some of them perhaps ours
            self.leave()
            old = None
        try:
            self._listeners = Listeners(
                order.port,
                order.bind,
                store=self._store,
                await_room=self._await_room,
                arrived=self._admit,
                noted=self._note,
            )
        except PortRefused as refused:
            return explain_refusal(refused)
        if old is not None:
            old.close()
        return None

    def leave(self) -> None:
        """Listen no more. Connections that are open live on."""
        listeners, self._listeners = self._listeners, None
        if listeners is not None:
            listeners.close()

    def traffic(self) -> Traffic:
        """What has gone through so far."""
        return self._counters.read(self.name)

    @contextlib.contextmanager
    def expect(self, source: tuple[str, int]) -> Iterator[asyncio.Future[Session]]:
        """Within, the connection that comes from ``source`` is the agent's own check, and counts for nothing.

        The future gets it when it is accepted.
        """
        arrival: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._expected[source] = arrival
        try:
            yield arrival
        finally:
            del self._expected[source]

    async def close(self) -> None:
        """Accept nobody any more and end every connection; the store, if any, keeps the port for the next process.

        Connections that were just accepted get a moment to be served, for who waits in the queue loses nothing.
        """
        listeners, self._listeners = self._listeners, None
        if listeners is not None:
            listeners.close(keep=True)
        if self._sessions:
            await asyncio.wait(self._sessions, timeout=CLOSING_TIME)
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await self._host.pool.close()
        await asyncio.gather(*self._ending, return_exceptions=True)

    def _apply(self, destination: Destination, forwarding: ForwardingSettings, surface: Surface) -> None:
        self._configured = (destination, forwarding, surface)
        self._destination = destination
        self._patience = forwarding.backend_wait
        self._turns = asyncio.Semaphore(min(forwarding.max_connections, surface.places.total))
        self._places = surface.places
        self._store = surface.store
        self._places.join(self.name)
        self._resolver = Resolver(destination, surface.informers)
        connector = Connector(destination, self._resolver, surface.transports, surface.gate, self._note)
        self._host = Host(connector, Pool(self._make_pooled, self._resolver), self._note)

    def _admit(self, local: socket.socket) -> None:
        """One client was accepted. Raises OSError: it is gone already."""
        try:
            address, port, *_ = local.getpeername()
        except OSError:
            local.close()
            raise
        arrival = self._expected.get((address, port))
        session = Session(local, checked=arrival is not None)
        if arrival is not None and not arrival.done():
            arrival.set_result(session)
        self._places.take(self.name)
        self._hold(self._sessions, "serve a client", partial(self._stay, session))

    async def _await_room(self) -> bool:
        return await self._places.await_room(self.name, self._patience)

    async def _stay(self, session: Session) -> None:
        try:
            await (self._serve_check(session) if session.checked else self._serve(session))
        finally:
            self._places.leave(self.name)

    async def _serve(self, session: Session) -> None:
        self._counters.served += 1
        self._counters.open += 1
        began = time.monotonic()
        try:
            await self._take_turn(session)
        except NoConnection as trouble:
            session.trouble = trouble
            self._counters.fail(str(trouble), time.time())
            self._note(str(trouble))
            self._reaches = False
            self._turned()
        else:
            if not self._reaches:
                self._reaches = True
                self._turned()
        finally:
            self._counters.open -= 1
            self._debug(partial(_describe, session, time.monotonic() - began))

    async def _take_turn(self, session: Session) -> None:
        """One of so many at a time; the others wait for their turn."""
        host, turns, patience = self._host, self._turns, self._patience
        try:
            async with asyncio.timeout(patience):
                await turns.acquire()
        except BaseException as error:
            reset(session.local)
            if isinstance(error, TimeoutError):
                raise NoConnection(f"too many connections, and none closed within {patience:g} s") from error
            raise
        try:
            await lead(session, host, self._counters, patience=patience)
        finally:
            turns.release()

    async def _serve_check(self, session: Session) -> None:
        try:
            await lead(session, self._host, TrafficCounters(), patience=min(self._patience, CHECK_PATIENCE))
        except NoConnection as trouble:
            session.trouble = trouble
            self._reaches = False
        else:
            self._reaches = True
        finally:
            session.ended.set()

    async def _make_pooled(self) -> Connected:
        return await self._host.connector.connect(asyncio.get_running_loop().time() + MAKING)

    def _note(self, words: str) -> None:
        """Say it, unless the same was said just now."""
        now = time.monotonic()
        self._said = {sentence: at for sentence, at in self._said.items() if now - at < REPEAT}
        if words not in self._said:
            self._said[words] = now
            self._say(words)

    def _let_end(self, work: Callable[[], Awaitable[None]]) -> None:
        self._hold(self._ending, "end what is not used any more", work)

    def _hold(self, tasks: Tasks, what: str, work: Callable[[], Awaitable[None]]) -> None:
        supervise(f"{what} of {self.name}", work, tasks=tasks, again=False)


def _describe(session: Session, seconds: float) -> str:
    """One client, once it is gone."""
    end = "no backend" if session.end is None else session.end.name
    why = "" if session.trouble is None else f": {session.trouble}"
    return f"a client was connected to {end} for {seconds:.3f} s{why}"

"""The port ``Forwards`` over a real Kubernetes API: all local ports of the agent, and what they share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping

from ..core.effects import Listen
from ..core.events import ForwardChecked, ListenAnswered
from ..core.observations import Traffic
from ..core.timestamps import Timestamp
from ..ports import ListenerStore
from ..settings import ForwardingSettings
from ..sockets.keeping import NothingKept
from .api_streams import ApiStreams
from .checks import check_forward
from .connecting import Gate
from .descriptors import Places, raise_limit
from .forward import LocalPort, Surface
from .informers import Informers
from .networks import LocalNetworks, read_local_networks
from .resolver import Destination
from .transports import Transports


class Forwarder:
    """The adapter. It is made within the event loop.

    ``destinations`` are by the service's name. ``say`` writes one sentence about a service to the log, ``debug`` one of
    its debug lines where they are wanted. ``store`` keeps the listening sockets beyond this process; what it has of the
    one before and no service can use any more is closed. Nothing is asked of the cluster before the first port is
    listened on.
    """

    def __init__(
        self,
        destinations: Mapping[str, Destination],
        forwarding: ForwardingSettings,
        streams: ApiStreams,
        *,
        say: Callable[[str, str], None],
        networks: Callable[[], LocalNetworks] = read_local_networks,
        store: ListenerStore | None = None,
        debug: Callable[[str, Callable[[], str]], None] = lambda service, text: None,
    ) -> None:
        self._destinations = dict(destinations)
        self._forwarding = forwarding
        self._streams = streams
        self._say = say
        self._debug = debug
        self._read_local_networks = networks
        self._forwards: dict[str, LocalPort] = {}
        self._turned: dict[str, None] = {}  # services, in the order of their turns
        self._news = asyncio.Event()
        self._places = Places(raise_limit())
        self._store = store or NothingKept()
        self._surface = self._make_surface()
        self._release_others()

    async def configure(
        self,
        destinations: Mapping[str, Destination],
        forwarding: ForwardingSettings,
        streams: ApiStreams | None = None,
    ) -> None:
        """New connections go by these settings. ``streams``, unless None, lead to the cluster from now on.

        Connections that are open live on, on the old way. A service that is not named any more keeps its port until
        ``retain``.
        """
        self._destinations, self._forwarding = dict(destinations), forwarding
        old = self._surface
        if streams is not None and streams is not self._streams:
            self._streams = streams
            self._surface = self._make_surface()
        for name, forward in self._forwards.items():
            if name in self._destinations:
                forward.configure(self._destinations[name], forwarding, self._surface)
        self._release_others()
        if old is not self._surface:
            await old.informers.close()

    async def listen(self, order: Listen, at: Timestamp) -> ListenAnswered:
        """See ``Forwards``."""
        if order.service not in self._destinations:
            return ListenAnswered(at, order.service, order.token, "its port was removed from the configuration")
        refusal = self._forward_of(order.service).listen(order)
        self._release_others()
        return ListenAnswered(at, order.service, order.token, refusal)

    def retain(self, services: Collection[str]) -> None:
        """See ``Forwards``."""
        for name, forward in self._forwards.items():
            if forward.port is not None and name not in services:
                forward.leave()

    async def check(self, service: str, began: Timestamp) -> ForwardChecked:
        """See ``Forwards``."""
        forward = self._forwards.get(service)
        if forward is None or forward.port is None:
            return ForwardChecked(began, began, service, 0, "no listener on its port")
        port = forward.port
        trouble, lasting = await check_forward(forward) or (None, False)
        return ForwardChecked(began, began, service, port, trouble, lasting)

    def traffic(self) -> tuple[Traffic, ...]:
        """See ``Forwards``."""
        return tuple(forward.traffic() for forward in self._forwards.values())

    async def worth_checking(self) -> str:
        """See ``Forwards``."""
        while not self._turned:
            self._news.clear()
            await self._news.wait()
        name = next(iter(self._turned))
        del self._turned[name]
        return name

    async def close(self) -> None:
        """See ``Forwards``."""
        await asyncio.gather(*(forward.close() for forward in self._forwards.values()))
        await self._surface.informers.close()

    def _forward_of(self, name: str) -> LocalPort:
        if name not in self._forwards:
            self._forwards[name] = LocalPort(
                name,
                self._destinations[name],
                self._forwarding,
                self._surface,
                say=lambda text: self._say(name, text),
                turned=lambda: self._note_turn(name),
                debug=lambda text: self._debug(name, text),
            )
        return self._forwards[name]

    def _note_turn(self, name: str) -> None:
        self._turned[name] = None
        self._news.set()

    def _make_surface(self) -> Surface:
        transports = Transports(self._streams, networks=self._read_local_networks)
        return Surface(Informers(self._streams), transports, Gate(), self._places, self._store)

    def _release_others(self) -> None:
        """Close the sockets of the process before that no service without a port could use."""
        without = [
            name for name in self._destinations if name not in self._forwards or self._forwards[name].port is None
        ]
        settings = [self._destinations[name].settings for name in without]
        ports = {port for each in settings for port in (each.port, *each.alternatives)}
        self._store.release({(address, port) for address in self._forwarding.bind for port in ports})

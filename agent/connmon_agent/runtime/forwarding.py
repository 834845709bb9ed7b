"""The local ports' part of a wired agent: made when the first port is configured, and led to where a reload says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..kube.calls import Calls
from ..ports import Forwards, ListenerStore
from ..settings import KubernetesSettings, Settings
from ..supervision import Tasks, supervise
from .no_forwards import NoForwards

if TYPE_CHECKING:
    from ..port_forwarding.api_streams import ApiStreams
    from ..port_forwarding.forwarder import Forwarder
    from ..port_forwarding.resolver import Destination


class Forwarding:
    """Gives the agent its ``Forwards``. ``temp_dir`` is the private folder for credentials; ``say`` writes one sentence
    about a service to the log, ``debug`` one of its debug lines where anybody wants them. ``store`` keeps the listening
    sockets beyond this process.

    Without a port nothing of it is imported.
    """

    def __init__(
        self,
        *,
        temp_dir: Path,
        say: Callable[[str, str], None],
        store: ListenerStore,
        debug: Callable[[str, Callable[[], str]], None] = lambda service, text: None,
    ) -> None:
        self._store = store
        self._debug = debug
        self._temp_dir = temp_dir
        self._say = say
        self._forwarder: Forwarder | None = None
        self._following: Tasks = set()

    def open(self, settings: Settings, calls: Calls) -> Forwards:
        """The forwards for ``settings``, through ``calls``."""
        if not settings.forwards:
            self._store.release(())
            return NoForwards()
        from ..port_forwarding.forwarder import Forwarder  # memory that only a site with forwards pays for

        streams = self._open_streams(settings.kubernetes, calls)
        self._forwarder = Forwarder(
            find_destinations(settings),
            settings.forwarding,
            streams,
            say=self._say,
            store=self._store,
            debug=self._debug,
        )
        return self._forwarder

    def follow(self, settings: Settings, calls: Calls, *, other_cluster: bool) -> Forwards | None:
        """Take over other settings; returns the forwards where they are other ones now (None: they are not)."""
        forwarder = self._forwarder
        if forwarder is None:
            return self.open(settings, calls) if settings.forwards else None
        streams = self._open_streams(settings.kubernetes, calls) if other_cluster else None
        destinations = find_destinations(settings)
        supervise(
            "configure the local ports",
            lambda: forwarder.configure(destinations, settings.forwarding, streams),
            tasks=self._following,
            again=False,
        )
        return None

    def _open_streams(self, kubernetes: KubernetesSettings, calls: Calls) -> ApiStreams:
        from ..port_forwarding.api_streams import ApiStreams  # memory that only a site with forwards pays for

        return ApiStreams(calls, temp_dir=self._temp_dir, connect_timeout=kubernetes.connect_timeout)


def find_destinations(settings: Settings) -> dict[str, Destination]:
    """Each service's end in the cluster."""
    from ..port_forwarding.resolver import Destination  # memory that only a site with forwards pays for

    namespaces = {service.name: service.namespace for service in settings.plan.services}
    forwards = settings.forwards.items()
    return {name: Destination(namespaces[name], forward) for name, forward in forwards if name in namespaces}

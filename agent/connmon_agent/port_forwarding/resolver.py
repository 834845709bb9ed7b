"""Where one service's connections may go now, from what the informers know of the cluster."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from ..errors import ClusterError
from ..kube.backends import Backends, NoBackend, find_backends
from ..kube.inventory import Slice
from ..settings import ForwardSettings
from .informers import Informer, Informers


class NoConnection(Exception):
    """There is nowhere to go. ``lasting``: a person must mend it."""

    def __init__(self, words: str, *, lasting: bool = False) -> None:
        super().__init__(words)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Destination:
    """A service's end in the cluster."""

    namespace: str
    settings: ForwardSettings


class Resolver:
    """The backends of one destination. It only reads informers, which are shared."""

    def __init__(self, destination: Destination, informers: Informers) -> None:
        self._destination = destination
        self._informers = informers
        self._pods = informers.pods(destination.namespace)
        self._services = informers.services(destination.namespace)

    def find(self) -> Backends:
        """The backends as they are known now. Raises NoConnection where that certainly is not, or not yet, known."""
        settings = self._destination.settings
        followed = self._followed()
        if any(informer.listed_at is None for informer in followed):
            raise self._explain_ignorance(followed)
        slices = self._slices().items if self._needs_slices() else None
        try:
            return find_backends(
                settings.service,
                settings.target,
                local_port=settings.port,
                services=self._services.items,
                pods=self._pods.items,
                slices=slices,
            )
        except NoBackend as error:
            # What is out of date may have been mended meanwhile.
            lasting = all(informer.trouble is None for informer in followed)
            raise NoConnection(f"{error} (namespace {self._destination.namespace})", lasting=lasting) from error

    def leads_to(self, uid: str) -> bool:
        """Whether the pod with ``uid`` is among the backends."""
        try:
            return any(end.uid == uid for end in self.find().ends)
        except NoConnection:
            return False

    async def changed(self) -> None:
        """Return when the answer may have changed."""
        waiting = [asyncio.create_task(informer.changed()) for informer in self._followed()]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def nudge(self) -> None:
        """What is known may be out of date: somebody waits, or was led astray."""
        for informer in self._followed():
            informer.nudge()

    def _followed(self) -> tuple[Informer[Any], ...]:
        return (self._pods, self._services, *((self._slices(),) if self._needs_slices() else ()))

    def _needs_slices(self) -> bool:
        service = self._services.items.get(self._destination.settings.service)
        return service is not None and service.selector is None

    def _slices(self) -> Informer[Slice]:
        return self._informers.slices(self._destination.namespace)

    def _explain_ignorance(self, followed: tuple[Informer[Any], ...]) -> NoConnection:
        trouble: ClusterError | None = next(
            (informer.trouble for informer in followed if informer.trouble is not None), None
        )
        if trouble is None:
            return NoConnection("pods not known yet")
        return NoConnection(str(trouble), lasting=trouble.kind == "forbidden")

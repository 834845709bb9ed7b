"""Where one service's connections may go now, from what is mirrored of the cluster."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from ..errors import ClusterError
from ..kube.backends import Backends, NoBackend, find_backends
from ..kube.inventory import Slice
from ..kube.mirrors import Mirror, Mirrors
from ..settings import ForwardSettings


class Astray(Exception):
    """There is nowhere to go. ``lasting``: a person must mend it."""

    def __init__(self, words: str, *, lasting: bool = False) -> None:
        super().__init__(words)
        self.lasting = lasting


@dataclass(frozen=True, slots=True)
class Destination:
    """A service's end in the cluster."""

    namespace: str
    settings: ForwardSettings


class Seeker:
    """The backends of one destination. It only reads mirrors, which are shared."""

    def __init__(self, destination: Destination, mirrors: Mirrors) -> None:
        self._destination = destination
        self._mirrors = mirrors
        self._pods = mirrors.pods(destination.namespace)
        self._services = mirrors.services(destination.namespace)

    def find(self) -> Backends:
        """The backends as they are known now. Raises Astray where that certainly is not, or not yet, known."""
        settings = self._destination.settings
        followed = self._followed()
        if any(mirror.listed_at is None for mirror in followed):
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
            lasting = all(mirror.trouble is None for mirror in followed)
            raise Astray(f"{error} (namespace {self._destination.namespace})", lasting=lasting) from error

    def leads_to(self, uid: str) -> bool:
        """Whether the pod with ``uid`` is among the backends."""
        try:
            return any(end.uid == uid for end in self.find().ends)
        except Astray:
            return False

    async def changed(self) -> None:
        """Return when the answer may have changed."""
        waiting = [asyncio.create_task(mirror.changed()) for mirror in self._followed()]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    def nudge(self) -> None:
        """What is known may be out of date: somebody waits, or was led astray."""
        for mirror in self._followed():
            mirror.nudge()

    def _followed(self) -> tuple[Mirror[Any], ...]:
        return (self._pods, self._services, *((self._slices(),) if self._needs_slices() else ()))

    def _needs_slices(self) -> bool:
        service = self._services.items.get(self._destination.settings.service)
        return service is not None and service.selector is None

    def _slices(self) -> Mirror[Slice]:
        return self._mirrors.slices(self._destination.namespace)

    def _explain_ignorance(self, followed: tuple[Mirror[Any], ...]) -> Astray:
        trouble: ClusterError | None = next((mirror.trouble for mirror in followed if mirror.trouble is not None), None)
        if trouble is None:
            return Astray("pods not known yet")
        return Astray(str(trouble), lasting=trouble.kind == "forbidden")

"""What changed in the store, in order, as far back as is remembered: what watches are made of."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from itertools import takewhile

from .objects import Manifest
from .store import ObjectStore


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one object. ``before`` None: it is new; ``after`` None: it is gone."""

    version: int
    before: Manifest | None
    after: Manifest | None


class TooOld(Exception):
    """The changes that were asked for are partly forgotten. ``newest`` is the version of now."""

    def __init__(self, newest: int) -> None:
        super().__init__(newest)
        self.newest = newest


class ChangeLog:
    """The newest changes of a store; older ones are forgotten, as etcd compacts."""

    def __init__(self, store: ObjectStore, kept: int) -> None:
        """Remember up to ``kept`` changes (at least one) from now on."""
        self._store = store
        self._changes: deque[Change] = deque(maxlen=kept)
        self._floor = store.version  # every change after this version is remembered
        self._news = asyncio.Event()
        store.subscribe(self._note)

    @property
    def newest(self) -> int:
        """The version of the last change."""
        return self._store.version

    def remembers(self, version: int) -> bool:
        """Whether every change after ``version`` is remembered."""
        return version >= self._floor

    def newest_of(self, kind: str) -> int:
        """The version of the last remembered change of an object of this kind; 0: none is remembered."""
        changes = (
            change for change in reversed(self._changes) if (change.after or change.before or {})["kind"] == kind
        )
        return next((change.version for change in changes), 0)

    @property
    def news(self) -> asyncio.Event:
        """Set at the next change. Take it before ``since``, and no change is missed."""
        return self._news

    def since(self, version: int) -> list[Change]:
        """Every change after ``version``. Raises TooOld when one of them is forgotten."""
        if version < self._floor:
            raise TooOld(self._store.version)
        newest_first = takewhile(lambda change: change.version > version, reversed(self._changes))
        return list(newest_first)[::-1]

    def forget(self) -> None:
        """Forget everything that happened so far."""
        self._changes.clear()
        self._floor = self._store.version

    def _note(self, before: Manifest | None, after: Manifest | None) -> None:
        if len(self._changes) == self._changes.maxlen:
            self._floor = self._changes[0].version
        self._changes.append(Change(self._store.version, before, after))
        self._news.set()
        self._news = asyncio.Event()

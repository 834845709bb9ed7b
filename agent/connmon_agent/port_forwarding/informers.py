"""The objects of one resource in one namespace, kept in memory by list and watch, and never trusted for ever.

Protocol: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..errors import ClusterError
from ..kube.backoffs import LONGEST_WISH
from ..kube.inventory import Pod, ServiceObject, Slice, read_pod, read_service, read_slice
from ..kube.lists import read_pages
from ..kube.requests import UNFINISHED, ApiRequest, Json, get, list_by_selector, list_path
from ..supervision import Tasks, report, supervise
from .api_streams import ApiStreams

WATCH = 300.0  # seconds that the server is asked to keep a watch
QUIET = 100.0  # seconds without a word, not even a bookmark (there is one a minute), that end a watch
LIST_TIMEOUT = 10.0  # seconds
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0  # seconds between failed attempts
AWAITED_PAUSE = 0.5  # seconds; the longest while somebody waits for news
SETTLED = 5.0  # seconds that a watch has to last before what failed earlier is forgotten
STALLED = 1.0  # seconds after which somebody who waits for news gives up a list that takes longer than the last ones
RECENT, LONGEST_RECENT = 0.5, 5.0  # seconds within which a nudge makes it list again; doubled by each list without news
SLICE_VERSIONS = ("v1", "v1beta1")

_ODD = (AttributeError, KeyError, TypeError, ValueError)  # an object that is not what it was asked for


class _Named(Protocol):
    @property
    def name(self) -> str: ...


_Item = TypeVar("_Item", bound=_Named)


@dataclass(frozen=True, slots=True)
class Resource(Generic[_Item]):
    """What is followed: ``path`` of the list (found out anew before each list), its kind, how an item is read, and a
    field selector of those that count (None: all).
    """

    find_path: Callable[[], Awaitable[str]]
    kind: str
    read: Callable[[Json], _Item]
    fields: str | None = None


class Informer(Generic[_Item]):
    """One resource of one namespace. ``items`` are the last that were seen, by name, however long ago."""

    def __init__(
        self, streams: ApiStreams, resource: Resource[_Item], *, jitter: Callable[[], float] = random.random
    ) -> None:
        self._streams = streams
        self._resource = resource
        self._jitter = jitter
        self._news = asyncio.Event()
        self._nudged = asyncio.Event()  # since the last attempt
        self._recent = RECENT
        self._round: asyncio.Task[None] | None = None
        self._tasks: Tasks = set()
        self._runner: asyncio.Task[None] | None = None
        self._failures = 0
        self._resting = False  # after a failure
        self._list_began: float | None = None  # None: no list is under way
        self._usual = 0.0  # seconds that the last list took
        self.items: dict[str, _Item] = {}
        self.trouble: ClusterError | None = None  # what keeps it from being up to date; None: nothing
        self.listed_at: float | None = (
            None  # the loop's time at which the last complete list was asked for; None: never
        )

    def start(self) -> None:
        """Begin to follow; a second time does nothing."""
        if self._runner is None:
            self._runner = supervise(f"follow the {self._resource.kind}", self._run, tasks=self._tasks)

    async def changed(self) -> None:
        """Return at the next change of an item, or of what is known of the API."""
        await self._news.wait()

    def nudge(self) -> None:
        """Somebody has reason to think that this is out of date: list again soon.

        What fails is not tried more often than every AWAITED_PAUSE for it, and what brings nothing new less and less
        often.
        """
        self._nudged.set()
        now = asyncio.get_running_loop().time()
        if self._resting or (self.listed_at is not None and now - self.listed_at < self._recent):
            return
        if self._list_began is not None and now - self._list_began < max(STALLED, 3 * self._usual):
            return
        if self._round is not None:
            self._recent = min(2 * self._recent, LONGEST_RECENT)
            self._round.cancel()

    async def close(self) -> None:
        """Follow no more."""
        if self._runner is not None:
            self._runner.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._runner

    async def _run(self) -> None:
        try:
            while True:
                self._round = asyncio.create_task(self._follow())
                await asyncio.wait({self._round})
        finally:
            if self._round is not None:
                self._round.cancel()
                await asyncio.wait({self._round})

    async def _follow(self) -> None:
        """List and watch until that fails, or a nudge ends it."""
        if self._failures:
            await self._rest()
        self._nudged.clear()
        try:
            path = await self._resource.find_path()
            version = await self._list(path)
            while True:
                version = await self._watch(path, version)
        except ClusterError as error:
            self._fail(error)
        except _ODD as error:
            self._fail(ClusterError("protocol", f"the API server sent no {self._resource.kind}: {error!r}"))
        except Exception as error:  # a mistake of ours: without this it would list anew at once, and for ever
            report(f"follow the {self._resource.kind}", error)
            self._fail(ClusterError("protocol", f"internal error with the {self._resource.kind}: {error!r}"))

    async def _rest(self) -> None:
        """The pause after a failure: a short one, and the rest of a long one unless somebody waits."""
        pause = min(FIRST_PAUSE * 2 ** min(self._failures - 1, 10), LONGEST_PAUSE) * (0.5 + self._jitter())
        least = min(pause, AWAITED_PAUSE * (0.5 + self._jitter()))
        wish = 0.0 if self.trouble is None else min(self.trouble.retry_after or 0.0, LONGEST_WISH)
        self._resting = True
        try:
            await asyncio.sleep(max(least, wish))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause - least):
                    await self._nudged.wait()
        finally:
            self._resting = False

    def _fail(self, error: ClusterError) -> None:
        self._failures += 1
        self.trouble = error
        self._tell()

    async def _list(self, path: str) -> str:
        """Begin anew from the whole list, and return its version."""
        now = asyncio.get_running_loop().time
        self._list_began = began = now()
        try:
            items: dict[str, _Item] = {}
            version = await self._take_pages(path, items)
        finally:
            self._list_began = None
        if items != self.items:
            self._recent = RECENT
        self.items, self.trouble, self.listed_at, self._usual = items, None, began, now() - began
        self._tell()
        return version

    async def _take_pages(self, path: str, items: dict[str, _Item]) -> str:
        """Read the list into ``items``, of every object only what is kept, and return its version."""
        request = list_by_selector(path, self._resource.kind, fields=self._resource.fields)
        version = None
        async for page in read_pages(request, lambda one: self._streams.fetch(one, timeout=LIST_TIMEOUT)):
            items |= {item.name: item for item in map(self._resource.read, page.items)}
            version = page.version
        if version is None:
            raise KeyError("resourceVersion")
        return version

    async def _watch(self, path: str, version: str) -> str:
        """Apply changes until the server ends the watch in order, and return the version reached."""
        began = asyncio.get_running_loop().time()
        query = (
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", version),
            ("timeoutSeconds", str(round(WATCH * (1 + self._jitter())))),
            *((("fieldSelector", self._resource.fields),) if self._resource.fields else ()),
        )
        events = self._streams.watch(ApiRequest("GET", path, None, query=query), quiet=QUIET)
        try:
            async with contextlib.aclosing(events):
                async for event in events:
                    version = self._apply(event)
        finally:
            if asyncio.get_running_loop().time() - began >= SETTLED:
                self._failures = 0
        if asyncio.get_running_loop().time() - began < FIRST_PAUSE:
            raise ClusterError("protocol", f"the API server ended the watch of {path} at once")
        return version

    def _apply(self, event: Json) -> str:
        sort, item = event["type"], event["object"]
        if sort == "ERROR":  # 410: the version is too old to go on from
            raise ClusterError(
                "server-error", f"the API server ended a watch: {item.get('message') or item.get('code')}"
            )
        if sort == "DELETED":
            self.items.pop(str(item["metadata"]["name"]), None)
        elif sort != "BOOKMARK":
            read = self._resource.read(item)
            self.items[read.name] = read
        if sort != "BOOKMARK":
            self._recent = RECENT
            self._tell()
        return str(item["metadata"]["resourceVersion"])

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()


class Informers:
    """The informers of all that leads to pods, one a resource and namespace, made when first asked for."""

    def __init__(self, streams: ApiStreams) -> None:
        self._streams = streams
        self._pods: dict[str, Informer[Pod]] = {}
        self._services: dict[str, Informer[ServiceObject]] = {}
        self._slices: dict[str, Informer[Slice]] = {}

    def pods(self, namespace: str) -> Informer[Pod]:
        """The namespace's pods that have not ended: no other can be reached."""
        return self._start(self._pods, namespace, _core(namespace, "pods", "PodList", read_pod, UNFINISHED))

    def services(self, namespace: str) -> Informer[ServiceObject]:
        """The namespace's Services."""
        return self._start(self._services, namespace, _core(namespace, "services", "ServiceList", read_service))

    def slices(self, namespace: str) -> Informer[Slice]:
        """The namespace's EndpointSlices."""

        async def find_path() -> str:
            group = await self._streams.fetch(get("/apis/discovery.k8s.io", "APIGroup"), timeout=LIST_TIMEOUT)
            served = {version.get("version") for version in group.get("versions") or ()}
            version = next((one for one in SLICE_VERSIONS if one in served), SLICE_VERSIONS[0])
            return list_path(f"apis/discovery.k8s.io/{version}", namespace, "endpointslices")

        return self._start(self._slices, namespace, Resource(find_path, "EndpointSliceList", read_slice))

    async def close(self) -> None:
        """Follow nothing any more."""
        for known in (self._pods, self._services, self._slices):
            await asyncio.gather(*(informer.close() for informer in known.values()))

    def _start(self, known: dict[str, Informer[_Item]], namespace: str, resource: Resource[_Item]) -> Informer[_Item]:
        if namespace not in known:
            known[namespace] = Informer(self._streams, resource)
            known[namespace].start()
        return known[namespace]


def _core(
    namespace: str, plural: str, kind: str, read: Callable[[Json], _Item], fields: str | None = None
) -> Resource[_Item]:
    async def find_path() -> str:
        return list_path("api/v1", namespace, plural)

    return Resource(find_path, kind, read, fields)

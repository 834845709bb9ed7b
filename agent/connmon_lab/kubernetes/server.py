"""The embedded Kubernetes API as one object: real HTTP on a loopback port, everything else in memory."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from aiohttp import web

from .access import Access
from .admission import Admission
from .api import Api, Call, Outcome, Reply
from .changes import ChangeLog
from .controllers import ControllerManager, Timing
from .delivery import Delivery, read_protocols, read_query, read_tunnels
from .event_streams import EventStreams
from .faults import Faults
from .forwards import Forwards
from .history import Mutation
from .listener import Listener
from .manifests import namespace as namespace_manifest
from .manifests import node as node_manifest
from .objects import Key, Manifest, rfc3339
from .programs import Programs
from .registry import Registry
from .resources import Catalogue
from .routes import ApiRoute
from .store import ObjectStore
from .versions import NEWEST, Version
from .workloads import Workloads

T = TypeVar("T")

_PATIENCE = 60.0  # seconds another thread waits for the loop to run its action


class EmbeddedKubernetes:
    """A kube-apiserver with its controllers and a kubelet, as far as a restarter of workloads uses them.

    It lives on the event loop that ``start`` runs on; every other method may be called from any thread.

    - ``workloads`` makes rollouts fail and pods hang, ``faults`` disturbs the traffic, ``access`` denies verbs,
      ``admission`` refuses changes;
    - ``programs`` puts something behind the ports of pods, ``forwards`` counts and breaks the ways to them;
    - ``history`` holds every mutating request received, in order;
    - ``create``, ``get``, ``list_objects`` and ``request`` act on the cluster without HTTP, faults and history.
    """

    def __init__(
        self,
        *,
        pace: Timing | None = None,
        token: str | None = None,
        version: str = NEWEST,
        etcd_tells_progress: bool = True,
        namespaces: tuple[str, ...] = ("default",),
        nodes: tuple[str, ...] = ("node-1",),
        port: int = 0,
        now: Callable[[], float] = time.time,
        seed: int | None = None,
        changes_kept: int = 4096,
    ) -> None:
        """``token``: the bearer token to ask for (None: no authentication); ``version`` of Kubernetes that it speaks,
        which ``versions.Trait`` spells out; ``etcd_tells_progress`` False: as on an etcd before 3.4.31 and 3.5.13;
        ``port`` 0: any free one; ``now`` gives Unix seconds, for timestamps only; ``seed`` makes uids and generated
        names repeatable; ``changes_kept``: how many changes a watch can catch up with.
        """
        spoken = Version(version)
        self._catalogue = Catalogue(spoken)
        self._store = ObjectStore(self._catalogue, now=now, seed=seed)
        self._changes = ChangeLog(self._store, changes_kept)
        pace = pace or Timing()
        self._controllers = ControllerManager(
            self._store,
            now=now,
            pace=pace,
            nodes=nodes,
            version=spoken,
        )
        self.access = Access(token)
        self.admission = Admission(spoken)
        self._registry = Registry(
            self._store, version=spoken, admission=self.admission, timestamp=lambda: rfc3339(now())
        )
        self._api = Api(
            store=self._store,
            changes=self._changes,
            registry=self._registry,
            catalogue=self._catalogue,
            access=self.access,
            version=spoken,
            etcd_tells_progress=etcd_tells_progress,
        )
        self.workloads = Workloads(self._controllers, self.invoke)
        self.programs = Programs(self._controllers.context.workload_of, self.invoke)
        self.forwards = Forwards(self.programs, linger=pace.linger, invoke=self.invoke)
        self._store.subscribe(self.forwards.notice)
        self.faults = Faults()
        self.history: list[Mutation] = []
        self._listener = Listener(self._serve, "127.0.0.1", port)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = 0
        self._ended = asyncio.Event()
        self._events = EventStreams(self._listener.gone, self._ended)
        self._delivery = Delivery(self._later, self._ended, events=self._events, forwards=self.forwards)
        for name in namespaces:
            self.create(namespace_manifest(name))
        for name in nodes:
            self.create(node_manifest(name))

    @property
    def url(self) -> str:
        """Where the API is reached, once it has started."""
        return f"http://127.0.0.1:{self._listener.port}"

    async def start(self) -> None:
        """Serve, and let the controllers work, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        await self._listener.open()
        self._api.address = f"127.0.0.1:{self._listener.port}"
        self._controllers.start(self._loop)

    async def stop(self) -> None:
        """End everything; the objects can still be read."""
        self._ended.set()
        self._controllers.stop()
        await self.forwards.stop()
        await self._listener.end()
        await self.programs.stop()
        self._loop = None

    async def __aenter__(self) -> EmbeddedKubernetes:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def set_images(self, node: str, *images: str) -> None:
        """``node`` tells that it has these images, and no others."""
        found = self._store.find(Key("Node", "", node))
        if found is None:
            raise KeyError(node)
        listed = [{"names": [image], "sizeBytes": 1} for image in images]
        self._store.update_status(found, {**(found.get("status") or {}), "images": listed})

    def refuse_connections(self) -> None:
        """The API server is gone: open connections break, new ones are refused. The controllers work on."""
        self.invoke(self._listener.close_now)

    def accept_connections(self) -> None:
        """The API server is back, on the same port."""
        self.invoke(self._listener.reopen_soon)

    @property
    def watches(self) -> int:
        """How many watches are running."""
        return self._events.running

    def end_watches(self) -> None:
        """End the watches that are running, in good order; new ones are answered."""
        self.invoke(self._events.end_all)

    def forget_changes(self) -> None:
        """Forget what happened so far, as etcd compacts: a watch that has to catch up with it is answered 410."""
        self.invoke(self._changes.forget)

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object, and its namespace when that is missing. Raises ApiError."""
        return self.invoke(lambda: self._create(manifest))

    def get(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object, or None. It is the stored one: read it only."""
        return self.invoke(lambda: self._store.find(Key(kind, namespace, name)))

    def list_objects(self, kind: str, namespace: str | None = None) -> list[Manifest]:
        """The objects of a kind (``namespace`` None: everywhere), by name. They are the stored ones: read them only."""
        return self.invoke(lambda: self._store.list_objects(kind, namespace))

    def request(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Reply:
        """Do what a client would, as somebody else: no HTTP, no fault, no entry in the history.

        ``path`` may have a query. Raises TypeError for a request that is answered with a stream.
        """
        data = b"" if body is None else json.dumps(body).encode()
        authorization = f"Bearer {self.access.token}" if self.access.token is not None else None
        path, _, query = path.partition("?")
        call = Call(method, path, dict(parse_qsl(query)), content_type, data, authorization)
        outcome = self.invoke(lambda: self._api.handle(call))
        if not isinstance(outcome, Reply):
            raise TypeError(f"{method} {path} is answered with a stream, which needs HTTP")
        return outcome

    def write_kubeconfig(self, path: Path, *, namespace: str = "default") -> Path:
        """Write a kubeconfig of this API, readable by its owner alone. Returns ``path``."""
        user = {"token": self.access.token} if self.access.token is not None else {}
        context = {"cluster": "embedded", "user": "connmon", "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "embedded", "cluster": {"server": self.url}}],
            "users": [{"name": "connmon", "user": user}],
            "contexts": [{"name": "embedded", "context": context}],
            "current-context": "embedded",
        }
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with open(descriptor, "w", encoding="utf-8") as file:
            json.dump(config, file, indent=2)  # JSON is YAML, too
        return path

    def invoke(self, action: Callable[[], T]) -> T:
        """Run ``action`` where the cluster lives: here, or on its loop's thread. Raises what it raises."""
        if self._loop is None or threading.get_ident() == self._thread:
            return action()
        outcome: Future[T] = Future()
        self._loop.call_soon_threadsafe(_settle, outcome, action)
        return outcome.result(_PATIENCE)

    def _create(self, manifest: Manifest) -> Manifest:
        resource = self._catalogue.of_kind(manifest["kind"])
        namespace = manifest["metadata"].get("namespace", "default") if resource.namespaced else ""
        if resource.namespaced and self._store.find(Key("Namespace", "", namespace)) is None:
            self._create(namespace_manifest(namespace))
        return self._registry.create(ApiRoute(resource, "create", namespace, ""), manifest)

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._controllers.timers.set(object(), seconds, action)

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        call = Call(
            request.method,
            request.path,
            read_query(request),
            request.content_type,
            await request.read(),
            request.headers.get("Authorization"),
            read_protocols(request),
            read_tunnels(request) if self.forwards.takes_spdy else None,
            request.headers.get("User-Agent", ""),
        )
        mutation = self._note(call) if self._api.is_mutation(call) else None
        return await self._delivery.answer(request, self.faults.take(call), lambda: self._process(call, mutation))

    def _note(self, call: Call) -> Mutation:
        try:
            body = json.loads(call.body) if call.body else None
        except ValueError:
            body = None
        at = self._controllers.timers.time()
        mutation = Mutation(at, call.method, call.path, body, dict(call.query), call.content_type)
        self.history.append(mutation)
        return mutation

    def _process(self, call: Call, mutation: Mutation | None) -> Outcome:
        before = self._store.version
        outcome = self._api.handle(call)
        if mutation is not None and isinstance(outcome, Reply):
            mutation.status = outcome.status
            mutation.applied = outcome.status < 300
            mutation.changed = self._store.version != before
        return outcome


def _settle(outcome: Future[T], action: Callable[[], T]) -> None:
    """Tell the outcome of an action to the thread that waits for it."""
    try:
        outcome.set_result(action())
    except BaseException as error:
        outcome.set_exception(error)

"""Metrics and health of the running agent, from a thread of its own: a loop that hangs cannot say that it does."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any

from ..http_server import HttpRequest, HttpServer, Response, Rules, is_own_host
from ..loading.defaults import join_address
from ..metrics.catalog import Observed, make_families
from ..metrics.exposition import OPEN_METRICS_TYPE, TEXT_TYPE, wants_open_metrics, write_open_metrics, write_text
from ..metrics.health import Check, tell_health
from ..sockets.owners import choose_owner, describe, find_owners
from ..supervision import report_from_thread, supervise_thread
from .loop_watch import LoopWatch

# Seconds without a turn of the agent's loop after which it counts as hung.
HUNG = 5.0
SCRAPE_PATIENCE = 1.0  # seconds that a scrape waits for it
RETRY = 30.0  # seconds until a port that is taken is tried again
PATIENCE = 1.0  # seconds for the thread to end
Checks = Callable[[], list[Check]]
INDEX = "connmon-agent: /metrics, /livez, /readyz\n"


class Endpoints:
    """What is answered to each request.

    ``observe`` is given the lag of the agent's loop; ``alive`` and ``ready`` tell the checks beside the loop. All
    are called in the server's thread.
    """

    def __init__(self, watch: LoopWatch, *, observe: Callable[[float], Observed], alive: Checks, ready: Checks) -> None:
        self._watch = watch
        self._observe = observe
        self._alive = alive
        self._ready = ready

    async def answer(self, request: HttpRequest) -> Response:
        """The answer to one request."""
        match request.path:
            case "/metrics":
                return await self._tell_metrics(request.headers.get("accept", ""))
            case "/livez" | "/healthz":
                return await self._tell_health("livez", request, self._alive)
            case "/readyz":
                return await self._tell_health("readyz", request, self._ready)
            case "/":
                return Response(HTTPStatus.OK, INDEX)
        return Response(HTTPStatus.NOT_FOUND, f"not found; {INDEX}")

    async def _tell_metrics(self, accept: str) -> Response:
        families = make_families(self._observe(await self._watch.ask(SCRAPE_PATIENCE)))
        if wants_open_metrics(accept):
            return Response(HTTPStatus.OK, write_open_metrics(families), OPEN_METRICS_TYPE)
        return Response(HTTPStatus.OK, write_text(families), TEXT_TYPE)

    async def _tell_health(self, endpoint: str, request: HttpRequest, more: Checks) -> Response:
        lag = await self._watch.ask(HUNG)
        checks = [Check("loop", f"the event loop has been blocked for {lag:.1f} s" if lag >= HUNG else None), *more()]
        return tell_health(
            endpoint, checks, excluded=request.query.get("exclude", []), verbose="verbose" in request.query
        )


class MonitoringServer:
    """Serves ``endpoints`` on one address in a thread, until ``stop``. To be made on the agent's loop.

    ``tell`` is called on that loop with a level and a sentence. A port that cannot be had is tried again.
    """

    def __init__(
        self, listen: tuple[str, int], make: Callable[[LoopWatch], Endpoints], tell: Callable[[str, str], None]
    ) -> None:
        self._listen = listen
        self._make = make
        self._agent_loop = asyncio.get_running_loop()
        self._tell = tell
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._ended = threading.Event()
        self._stopped = threading.Event()
        self._tried = threading.Event()
        self._trouble: str | None = None
        self.port: int | None = None  # that is listened on; None: none is yet

    def start(self) -> None:
        """Begin to listen."""
        supervise_thread("serve metrics", self._run, thread="metrics", loop=self._agent_loop, ended=self._stopped)

    async def find_trouble(self) -> str | None:
        """Why nothing is listened on now; None: it is, or whether it can be is not known within ``PATIENCE``."""
        await asyncio.to_thread(self._tried.wait, PATIENCE)
        return self._trouble

    async def stop(self) -> None:
        """End, within ``PATIENCE``."""
        self._stopped.set()
        loop, ending = self._loop, self._ending
        if loop is not None and ending is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(ending.set)
            except RuntimeError:  # it has closed in between
                return
        await asyncio.to_thread(self._ended.wait, PATIENCE)

    def _run(self) -> None:
        self._ended.clear()
        try:
            asyncio.run(self._serve())
        finally:
            self.port = None
            self._ended.set()

    async def _serve(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(self._take_over)
        if self._stopped.is_set():
            return
        endpoints = self._make(LoopWatch(self._agent_loop))
        own_host_only = ip_address(self._listen[0]).is_loopback
        rules = Rules(admits=lambda host, local: is_own_host(host)) if own_host_only else Rules()
        http = HttpServer(endpoints.answer, report=self._report, rules=rules)
        self.port = await self._listen_at_last(http)
        if self.port is not None:
            await self._ending.wait()
            await http.close()

    async def _listen_at_last(self, http: HttpServer) -> int | None:
        """The port that is listened on; None: it is not wanted any more."""
        assert self._ending is not None
        complained = False
        while True:
            try:
                port = http.listen(*self._listen)
            except OSError as error:
                # Whoever asks meanwhile gets the first: to find the holder may take seconds on a busy machine.
                self._trouble = self._trouble or self._explain(error)
                self._trouble = self._explain(error, self._name_holder(error))
                if not complained:
                    self._on_agent_loop(partial(self._tell, "error", self._trouble))
                    complained = True
                self._tried.set()
            else:
                self._trouble = None
                self._tried.set()
                self._on_agent_loop(partial(self._tell, "info", f"serving metrics and health on {self._where(port)}"))
                return port
            try:
                async with asyncio.timeout(RETRY):
                    await self._ending.wait()
                    return None
            except TimeoutError:
                continue

    def _name_holder(self, error: OSError) -> str | None:
        """Who has the port; None: that is not what is wrong."""
        address, port = self._listen
        if error.errno != errno.EADDRINUSE:
            return None
        return describe(choose_owner(find_owners([port]).get(port, ()), address))

    def _explain(self, error: OSError, holder: str | None = None) -> str:
        why = error.strerror or str(error) if holder is None else f"in use by {holder}"
        remedy = "Check metrics.listen" if holder is None else "Stop it or set another port in metrics.listen"
        where = self._where(self._listen[1])
        return f"metrics cannot be served on {where}: {why}; retry every {RETRY:g} s. {remedy}"

    def _where(self, port: int) -> str:
        return join_address(self._listen[0], port)

    def _take_over(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What fails on the server's loop is reported where everything is."""
        self._report(context.get("exception") or RuntimeError(context["message"]))

    def _report(self, error: BaseException) -> None:
        report_from_thread(self._agent_loop, "serve metrics", error)

    def _on_agent_loop(self, call: Callable[[], object]) -> None:
        try:
            self._agent_loop.call_soon_threadsafe(call)
        except RuntimeError:  # it has ended
            return

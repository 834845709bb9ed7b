"""What is answered to which request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from ..errors import ConnmonError, NothingRecorded, StoreError
from ..http_server import HttpRequest, Refusal, Response, Streamed
from .answers import answer, packed
from .feed import STREAM, Feed, InThread
from .order_desk import OrderDesk
from .static_files import INDEX, StaticFiles
from .timeline import TimelineView
from .views import Views, Wish

READING = ("GET", "HEAD")
MOST_LISTED = 200
_STATIC, _DECISIONS, _EXPLAIN = "/static/", "/api/decisions/", "/api/explain/"


class Site:
    """Everything that is served. ``orders`` None: nothing can be ordered.

    ``reading`` makes calls that read the state file, ``asking`` those that wait for another process.
    """

    def __init__(
        self,
        views: Views,
        timeline: TimelineView,
        feed: Feed,
        static: StaticFiles,
        *,
        reading: InThread,
        asking: InThread,
        orders: OrderDesk | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._views = views
        self._timeline = timeline
        self._feed = feed
        self._static = static
        self._reading = reading
        self._asking = asking
        self._orders = orders
        self._now = now
        self._exact: Mapping[str, Callable[[HttpRequest], Awaitable[Response | Streamed]]] = {
            "/api/state": self._tell_state,
            "/api/timeline": self._tell_timeline,
            "/api/decisions": self._list_decisions,
            "/api/outages": self._list_outages,
            "/api/stream": self._stream,
        }

    async def answer(self, request: HttpRequest) -> Response | Streamed:
        """The answer to one request. Raises Refusal."""
        if request.path == "/api/orders":
            return await self._order(request)
        if request.method not in READING:
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD are answered here", allow=READING)
        if request.path == "/" or request.path.startswith(_STATIC):
            return self._serve_file(request)
        response = await self._read(request)
        return packed(response, request) if isinstance(response, Response) else response

    async def _read(self, request: HttpRequest) -> Response | Streamed:
        if known := self._exact.get(request.path):
            return await known(request)
        if request.path.startswith(_DECISIONS):
            seq = _read_number(request.path.removeprefix(_DECISIONS), "the number of a decision")
            return await self._make(lambda: self._views.decision(seq), self._asking)
        if request.path.startswith(_EXPLAIN):
            what = request.path.removeprefix(_EXPLAIN)
            return await self._make(lambda: self._views.explain(what), self._asking)
        raise Refusal(HTTPStatus.NOT_FOUND, f"nothing is served at {request.path[:200]}")

    async def _make(self, make: Callable[[], object], where: InThread | None = None) -> Response:
        try:
            return answer(await (where or self._reading)(make))
        except NothingRecorded as error:
            raise Refusal(HTTPStatus.NOT_FOUND, error.message, hint=error.hint) from error
        except StoreError as error:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.message, hint=error.hint) from error
        except ConnmonError as error:
            raise Refusal(HTTPStatus.NOT_FOUND, error.message, hint=error.hint) from error

    async def _tell_state(self, request: HttpRequest) -> Response:
        return await self._make(lambda: self._views.state().document)

    async def _tell_timeline(self, request: HttpRequest) -> Response:
        now = self._now()
        until = _read_float(request, "until")
        until = now if until is None else until
        since = _read_float(request, "since")
        wish = self._timeline.wish(until - 86_400.0 if since is None else since, until, _read_count(request, "buckets"))
        return await self._make(lambda: self._timeline.make(wish, now))

    async def _list_decisions(self, request: HttpRequest) -> Response:
        wish = Wish(
            since=_read_float(request, "since"),
            until=_read_float(request, "until"),
            outage=_read_count(request, "outage"),
            instance=_last(request, "instance"),
            before=_read_count(request, "before"),
            limit=_read_limit(request),
        )
        return await self._make(lambda: self._views.decisions(wish))

    async def _list_outages(self, request: HttpRequest) -> Response:
        before, limit = _read_count(request, "before"), _read_limit(request)
        return await self._make(lambda: self._views.outages(before, limit))

    async def _stream(self, request: HttpRequest) -> Streamed:
        known = request.headers.get("last-event-id")
        after = _read_count(request, "after") if known is None else _read_number(known, "Last-Event-ID")
        return Streamed(self._feed.stream(after), STREAM, (("X-Accel-Buffering", "no"),))

    def _serve_file(self, request: HttpRequest) -> Response:
        name = INDEX if request.path == "/" else request.path.removeprefix(_STATIC)
        response = self._static.answer(name, request)
        if response is None:
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is no file {request.path[:200]}")
        return response

    async def _order(self, request: HttpRequest) -> Response:
        if request.method != "POST":
            raise Refusal(HTTPStatus.METHOD_NOT_ALLOWED, "orders are given by POST", allow=("POST",))
        if self._orders is None:
            raise Refusal(
                HTTPStatus.FORBIDDEN,
                "orders are off: web.token_file is not set",
                hint="Use the command line (connmon-agent pause, resume, recover, rearm), or set web.token_file",
            )
        return answer(await self._orders.take(request))


def _last(request: HttpRequest, name: str) -> str | None:
    values = request.query.get(name)
    return values[-1] if values else None


def _read_float(request: HttpRequest, name: str) -> float | None:
    text = _last(request, name)
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not abs(number) < 1e11:  # NaN neither
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} must be Unix seconds (got {text[:50]!r})")
    return number


def _read_count(request: HttpRequest, name: str) -> int | None:
    text = _last(request, name)
    return None if text is None else _read_number(text, name)


def _read_number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{name} must be a whole number (got {text[:50]!r})")
    return int(text)


def _read_limit(request: HttpRequest) -> int:
    limit = _read_count(request, "limit")
    if limit is not None and not 1 <= limit <= MOST_LISTED:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"limit must be 1 to {MOST_LISTED} (got {limit})")
    return 50 if limit is None else limit

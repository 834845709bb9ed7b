"""Orders from the page: from whoever has the token, and from no foreign page."""

from __future__ import annotations

import asyncio
import hmac
from http import HTTPStatus
from pathlib import Path

import msgspec

from ..core.events import Order
from ..errors import ConnmonError, NotRunning, Refused
from ..files import read_file
from ..http_server import HttpRequest, Refusal
from .feed import InThread
from .hosts import is_same_origin
from .views import Document, Orders

TOKEN_FIELD = "x-connmon-token"
LONGEST_BODY = 4096  # bytes
LONGEST_TOKEN = 4096  # bytes of the file
SHORTEST_TOKEN = 16  # characters
PENALTY = 1.0  # seconds that a wrong token costs; one is judged after the other
MOST_SERVICES = 500


class _Body(msgspec.Struct, forbid_unknown_fields=True):
    order: Order
    services: list[str] = []


_DECODER = msgspec.json.Decoder(_Body)


def read_token(path: Path) -> bytes:
    """The token in the file ``path``, without blanks around it. Raises ConnmonError."""
    try:
        token = read_file(path, LONGEST_TOKEN).strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise ConnmonError(
            f"web.token_file {path} cannot be read: {why}",
            hint="Make it readable by the user of `connmon-agent web`, or remove web.token_file",
        ) from error
    if len(token) < SHORTEST_TOKEN:
        raise ConnmonError(
            f"the token in {path} is too short: {len(token)} characters, at least {SHORTEST_TOKEN} are needed",
            hint=f"Write a new one: head -c 24 /dev/urandom | base64 > {path}",
        )
    return token


class OrderDesk:
    """Takes orders for ``orders``. The file ``token_file`` is read anew each time: a new token is in force at once."""

    def __init__(self, orders: Orders, token_file: Path, *, in_thread: InThread) -> None:
        self._orders = orders
        self._token_file = token_file
        self._in_thread = in_thread
        self._judging = asyncio.Lock()

    async def take(self, request: HttpRequest) -> Document:
        """Pass the order on; what came of it. Raises Refusal."""
        origin = request.headers.get("origin")
        if origin is not None and not is_same_origin(origin, request.headers.get("host", "")):
            raise Refusal(HTTPStatus.FORBIDDEN, f"orders from a page of {origin[:100]} are refused")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "an order is application/json")
        await self._judge(request.headers.get(TOKEN_FIELD, ""))
        body = _read_body(request.body)
        try:
            return await self._in_thread(lambda: self._orders.give(body.order, tuple(body.services)))
        except Refused as error:
            raise Refusal(HTTPStatus.CONFLICT, error.message, hint=error.hint) from error
        except NotRunning as error:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.message, hint=error.hint) from error
        except ConnmonError as error:
            raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.message, hint=error.hint) from error

    async def _judge(self, given: str) -> None:
        async with self._judging:
            try:
                token = await self._in_thread(lambda: read_token(self._token_file))
            except ConnmonError as error:
                raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, error.message, hint=error.hint) from error
            if not hmac.compare_digest(given.encode("latin-1", "replace"), token):
                await asyncio.sleep(PENALTY)
                raise Refusal(
                    HTTPStatus.FORBIDDEN,
                    "the token is missing or wrong" if given else "a token is needed",
                    hint="Use the text in the file of web.token_file",
                )


def _read_body(body: bytes) -> _Body:
    try:
        found = _DECODER.decode(body)
    except msgspec.DecodeError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"this is no order: {str(error)[:200]}") from error
    if found.services and found.order not in (Order.RECOVER, Order.REARM):
        raise Refusal(HTTPStatus.BAD_REQUEST, f"{found.order} is for all services: leave services empty")
    if len(found.services) > MOST_SERVICES:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"at most {MOST_SERVICES} services can be named")
    return found

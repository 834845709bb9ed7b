"""Lists in pages: however many objects a namespace has, no answer is larger than a page of them.

https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ClusterError
from .requests import ApiRequest, Json

PAGE = 100  # objects; a pod with its managedFields has 5 to 20 KB, and is parsed while the event loop waits
PAGES = 200  # of one list; a server may fill pages less than it could
MOST = 5_000  # objects of one list; a node has 110 pods, and Kubernetes itself keeps up to 12,500 that have ended

Fetch = Callable[[ApiRequest], Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Page:
    """Some objects of a list. ``version`` is that of the whole list, ``more``: there are further pages."""

    items: list[Json]
    version: str | None
    more: bool


async def read_pages(request: ApiRequest, fetch: Fetch) -> AsyncIterator[Page]:
    """Every page of the list that ``request`` asks for, one request each.

    Raises ClusterError, also for a list of more than MOST objects, and the errors of an object that is no list:
    AttributeError, KeyError, TypeError, ValueError.
    """
    seen, token = 0, None
    for _ in range(PAGES):
        page, token = _read(await fetch(_ask(request, token)))
        seen += len(page.items)
        if seen > MOST or (seen == MOST and page.more):
            break
        yield page
        if not page.more:
            return
    raise ClusterError(
        "protocol",
        f"the list {request.path} has more than {MOST} objects that match, or more than {PAGES} pages",
        hint="Delete objects that are no longer needed, or move the services to their own namespace",
    )


async def read_list(request: ApiRequest, fetch: Fetch) -> list[Json]:
    """All objects of a list. Raises as ``read_pages``."""
    return [item async for page in read_pages(request, fetch) for item in page.items]


async def read_first_page(request: ApiRequest, fetch: Fetch) -> Page:
    """The first objects of a list, for who needs only some. Raises as ``read_pages``."""
    return _read(await fetch(_ask(request, None)))[0]


def _ask(request: ApiRequest, token: str | None) -> ApiRequest:
    query = (*request.query, ("limit", str(PAGE)), *((("continue", token),) if token else ()))
    return replace(request, query=query)


def _read(answer: Json) -> tuple[Page, str | None]:
    metadata: dict[str, Any] = answer.get("metadata") or {}
    token = metadata.get("continue") or None
    return Page(list(answer.get("items") or ()), metadata.get("resourceVersion"), more=token is not None), token

"""From an HTTP answer to JSON, or to a ClusterError that says in plain words what the server did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from ..errors import ClusterError
from ..wall_times import seconds_of
from .admission import is_denied, is_overtaken, policy_words
from .limits import check_values
from .requests import ApiRequest, Json

MAX_RETRY_AFTER = 3600.0  # seconds; a server that wishes for more is asked again after an hour
MESSAGE_LENGTH = 300  # characters of the server's own words

_KINDS = {400: "invalid", 401: "unauthorized", 403: "forbidden", 404: "not-found", 409: "conflict", 422: "invalid"}
_HINTS = {
    "unauthorized": "Renew the kubeconfig's credentials",
    "forbidden": "Grant the permission. `connmon-agent doctor --role` prints the Role",
    "denied": "Meet the policy's requirement, or exempt the agent's user from it",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, complete. The names of ``headers`` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def read_answer(answer: Answer, request: ApiRequest, *, server: str) -> Json:
    """The object in the answer. Raises ClusterError."""
    if request.text and answer.status == 200:
        return {"text": answer.body.decode("utf-8", "replace")}
    check_values(answer.body, server)
    body = _parse(answer.body)
    if 200 <= answer.status < 300:
        if body is not None and (request.kind is None or body.get("kind") == request.kind):
            return body
        raise _no_kubernetes(answer, server, expected=request.kind or "JSON")
    raise _refusal(answer, body, request, server=server)


def _refusal(answer: Answer, body: Json | None, request: ApiRequest, *, server: str) -> ClusterError:
    status, told = answer.status, body if body is not None and body.get("kind") == "Status" else None
    what = f"{request.method} {request.path} at {server}"
    said = f"{what} returned {status}{_quote(told)}"
    message = _read_message(told)
    if is_denied(status, message, request):
        return ClusterError("denied", _shorten(policy_words(message)), delivered=False, hint=_HINTS["denied"])
    retry_after = _read_retry_after(answer, told) if status in (429, 503) else None
    if status == 429:
        return ClusterError("throttled", said, delivered=False, retry_after=retry_after)
    if status >= 500:
        return ClusterError("server-error", said, delivered=None, retry_after=retry_after)
    if status == 401:
        return ClusterError("unauthorized", said, delivered=False, hint=_HINTS["unauthorized"])
    if told is None or status < 400:  # a proxy or a captive portal: only Kubernetes can say that an object is not there
        return _no_kubernetes(answer, server, expected="Status")
    kind = "conflict" if is_overtaken(status, message, request) else _KINDS.get(status, "invalid")
    return ClusterError(kind, said, delivered=False, hint=_HINTS.get(kind))


def _no_kubernetes(answer: Answer, server: str, *, expected: str) -> ClusterError:
    sort = answer.headers.get("content-type", "no content type").split(";")[0]
    return ClusterError(
        "protocol",
        f"{server} returned {answer.status} with {sort}, expected {expected}",
        hint="Check that this address is the Kubernetes API, without a proxy or portal in between",
    )


def _parse(body: bytes) -> Json | None:
    """The JSON object; None: it is none. Nesting without end is none either."""
    try:
        value: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _read_message(status: Json | None) -> str:
    """The server's own words on one line; empty: it said nothing."""
    return " ".join(str((status or {}).get("message") or "").split())


def _shorten(message: str) -> str:
    return message if len(message) <= MESSAGE_LENGTH else message[: MESSAGE_LENGTH - 1] + "…"


def _quote(status: Json | None) -> str:
    message = _read_message(status)
    return f": {_shorten(message)}" if message else ""


def _read_retry_after(answer: Answer, status: Json | None) -> float | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3), else the Status' own wish. A date means something only beside the
    server's own clock: it is passed over where the server does not tell that.
    """
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), MAX_RETRY_AFTER)
    wished, sent = _parse_date(text), _parse_date(answer.headers.get("date", ""))
    if wished is not None and sent is not None:
        return min(max(wished - sent, 0.0), MAX_RETRY_AFTER)
    details = (status or {}).get("details")
    seconds = details.get("retryAfterSeconds") if isinstance(details, dict) else None
    return min(float(seconds), MAX_RETRY_AFTER) if isinstance(seconds, int) and seconds > 0 else None


def _parse_date(text: str) -> float | None:
    try:
        return seconds_of(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError):
        return None

"""The form of every answer: JSON, compressed where the client takes it, and what a browser must be told beside it."""

from __future__ import annotations

import gzip
from http import HTTPStatus
from typing import Any

import msgspec

from ..http_server import Fields, HttpRequest, Refusal, Response

JSON = "application/json; charset=utf-8"
WORTH_PACKING = 1400  # bytes, about what one packet carries
_LEVEL = 5  # of gzip: 200 kB take some 5 ms

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "manifest-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
)
FIELDS: Fields = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


def encode(document: Any) -> bytes:
    """``document`` as compact JSON."""
    return msgspec.json.encode(document)


def answer(document: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    """``document`` as an answer."""
    return Response(status, encode(document), JSON)


def answer_refusal(refusal: Refusal) -> Response:
    """Why there is no answer."""
    error = {"status": refusal.status.value, "message": str(refusal), "hint": refusal.hint}
    return answer({"error": error}, refusal.status)


def packed(response: Response, request: HttpRequest) -> Response:
    """``response`` by gzip, where the client takes that and it is worth it."""
    body = response.body if isinstance(response.body, bytes) else response.body.encode()
    if len(body) < WORTH_PACKING or not takes_gzip(request):
        return response
    fields = (*response.fields, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    return Response(response.status, gzip.compress(body, _LEVEL, mtime=0), response.type, fields)


def takes_gzip(request: HttpRequest) -> bool:
    """Whether the client takes gzip (RFC 9110, section 12.5.3)."""
    for part in request.headers.get("accept-encoding", "").split(","):
        coding, _, parameters = part.strip().partition(";")
        if coding.strip().lower() == "gzip":
            return parameters.replace(" ", "").lower() not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False

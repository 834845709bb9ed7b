"""When a client certificate ends: as much of X.509 (RFC 5280, 4.1) as that takes."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime

from ..errors import ClusterError

_FIRST = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_BROKEN = "broke the connection off"


def read_end(pem: str) -> datetime | None:
    """The last second of the first certificate in a PEM text; None where it cannot be read."""
    found = _FIRST.search(pem)
    if found is None:
        return None
    try:
        certificate = base64.b64decode("".join(found.group(1).split()), validate=True)
        (body, *_) = _read(next(_read(certificate))[1])  # TBSCertificate, within Certificate
        fields = [field for field in _read(body[1]) if field[0] != _VERSION]
        *_, (kind, end) = _read(fields[3][1])  # after serial number, signature and issuer: Validity
        return _parse_time(kind, end.decode("ascii"))
    except (ValueError, IndexError, StopIteration):
        return None


def blame_certificate(error: ClusterError, pem: str | None, now: float) -> ClusterError:
    """``error``, or what it comes from where the server ended TLS and our certificate ``pem`` (None: there is none) has
    expired by ``now`` (Unix seconds): its word for that is lost where it closes the connection at once.
    """
    if pem is None or error.kind != "unreachable" or _BROKEN not in error.message:
        return error
    end = read_end(pem)
    if end is None or end.timestamp() >= now:
        return error
    message = f"{error.message}; our client certificate expired on {end:%Y-%m-%d}"
    return ClusterError("credentials", message, delivered=error.delivered, hint="Renew the kubeconfig")


def _parse_time(kind: int, text: str) -> datetime | None:
    if kind not in (_UTC_TIME, _GENERALIZED_TIME):
        return None
    if kind == _UTC_TIME:  # years of two digits: 1950 to 2049
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _read(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements of a DER sequence: tag and content. Raises IndexError for half an element."""
    start = 0
    while start < len(data):
        tag, length, start = data[start], data[start + 1], start + 2
        if length >= 0x80:
            width = length & 0x7F
            length, start = int.from_bytes(data[start : start + width], "big"), start + width
        if start + length > len(data):
            raise IndexError
        yield tag, data[start : start + length]
        start += length

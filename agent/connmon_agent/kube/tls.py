"""TLS towards the Kubernetes API: one context a session, from certificates and keys held in memory.

And what its failures mean, for which as much of X.509 (RFC 5280, 4.1) is read as tells when our certificate ends.
"""

from __future__ import annotations

import base64
import os
import re
import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..authorities import trust_this_machines
from ..connection_failures import FailureKind, explain_failure
from ..errors import ClusterError
from .kubeconfig import Access, refuse

# A PEM file may hold words of people around its blocks, in whatever encoding, which kubectl passes over.
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_BROKEN = "closed the connection"


def pem_blocks(text: str) -> str:
    """The blocks of a PEM text without what stands between them; empty where there is none, or one is not ASCII."""
    return "".join(f"{block.group()}\n" for block in _BLOCK.finditer(text) if block.group().isascii())


def explain_tls(error: ssl.SSLError) -> tuple[str, str, str | None]:
    """The kind of ClusterError that a failure of TLS is, in words that follow the server's name, and what to do.

    The peer's early end is ``unreachable``, whether TLS was told of it or not: an API server behind a TLS terminator is
    down. A refused or untrusted certificate is ``credentials``.
    """
    found = explain_failure(error)
    if found.kind in (FailureKind.UNTRUSTED, FailureKind.OUT_OF_DATE):
        hint = "Renew the kubeconfig: its certificate authority does not match the cluster, or the clock is wrong"
        return "credentials", f"is not trusted: {found.detail}", hint
    if found.kind is FailureKind.ALERT:
        return "credentials", f"rejected the client certificate: {found.detail}", "Renew the kubeconfig"
    if found.kind is FailureKind.CLOSED:
        return "unreachable", _BROKEN, "Check that the API server is running at this address"
    words = f"does not speak TLS: {found.detail}" if found.kind is FailureKind.NO_TLS else found.words
    return "protocol", words, "Check that this address is the Kubernetes API"


def build_context(access: Access, temp_dir: Path) -> ssl.SSLContext:
    """The context for ``access``. Raises ClusterError (credentials) where a certificate or key cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Python 3.13 asks for extensions that the certificate authorities of many clusters do not have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        if not access.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif access.authority is None:
            trust_this_machines(context)
        else:
            context.load_verify_locations(cadata=pem_blocks(access.authority))
        if access.certificate:
            _load_pair(context, access.certificate, access.key or "", temp_dir)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise refuse(f"the certificates of {access.origin} cannot be used: {error}", "Renew the kubeconfig") from error
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str, temp_dir: Path) -> None:
    """TLS reads keys from files only: one that nobody else may read, and that is gone at once."""
    temp_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=temp_dir, suffix=".pem")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(pem_blocks(certificate) + pem_blocks(key))
        # The empty password: OpenSSL would ask the terminal for that of an encrypted key, and wait.
        context.load_cert_chain(name, password="")
    finally:
        os.unlink(name)


def read_end(pem: str) -> datetime | None:
    """The last second of the first certificate in a PEM text; None where it cannot be read."""
    contents = [block.group(2) for block in _BLOCK.finditer(pem) if block.group(1) == "CERTIFICATE"]
    try:
        certificate = base64.b64decode("".join(contents[0].split()), validate=True)
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

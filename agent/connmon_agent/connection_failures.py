"""Why a connection failed: one explanation of the errors of sockets, name resolution and TLS, for probes and API alike.

What each makes of it is theirs: what it says of the link (``probes.failures``), or of the API server (``kube.tls``).
"""

from __future__ import annotations

import errno
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum

_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ECONNABORTED: "connection reset",
    errno.EPIPE: "connection closed by the other side",
    errno.ENETUNREACH: "network is unreachable",
    errno.ENETDOWN: "network is down",
    errno.EHOSTUNREACH: "no route to the host",
    errno.EHOSTDOWN: "host is down",
    errno.ETIMEDOUT: "no answer: connection timed out",
    errno.EACCES: "not permitted; check the local firewall",
    errno.EPERM: "not permitted; check the local firewall",
    errno.EADDRNOTAVAIL: "no free local address or port",
    errno.EAFNOSUPPORT: "this machine does not support that IP version",
    errno.EMFILE: "the agent has too many open files",
    errno.ENFILE: "this machine has too many open files",
}

# Linux turns ICMP errors into these: net/ipv4/icmp.c, icmp_err_convert; net/ipv6/icmp.c, tab_unreach.
_REFUSALS = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE}
# A prohibiting route gives EACCES, a dropping output chain EPERM, no address in the family EADDRNOTAVAIL.
_NO_ROUTE = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.EACCES, errno.EPERM}
_NO_ROUTE |= {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTO, errno.ENOPROTOOPT}
_NO_ROUTE |= {getattr(errno, "ENONET", errno.EHOSTUNREACH)}

# Windows' loop reports with these (winerror.h), to which Python gives no errno, what sockets report elsewhere.
_WINDOWS = {
    64: errno.ECONNRESET,  # ERROR_NETNAME_DELETED
    121: errno.ETIMEDOUT,  # ERROR_SEM_TIMEOUT
    1214: errno.EADDRNOTAVAIL,  # ERROR_INVALID_NETNAME
    1225: errno.ECONNREFUSED,  # ERROR_CONNECTION_REFUSED
    1231: errno.ENETUNREACH,  # ERROR_NETWORK_UNREACHABLE
    1232: errno.EHOSTUNREACH,  # ERROR_HOST_UNREACHABLE
    1233: errno.EHOSTUNREACH,  # ERROR_PROTOCOL_UNREACHABLE
    1234: errno.ECONNREFUSED,  # ERROR_PORT_UNREACHABLE
    1236: errno.ECONNABORTED,  # ERROR_CONNECTION_ABORTED
}

_NOT_KNOWN = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_OUT_OF_DATE = (9, 10)  # OpenSSL: X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")


class FailureKind(StrEnum):
    """What kind of failure it is."""

    NAME = "name"  # the name was not resolved
    REFUSED = "refused"  # the other side ended the connection, or takes none
    UNREACHABLE = "unreachable"  # no packet gets there, or none may be sent
    SILENT = "silent"  # the system gave up waiting
    CLOSED = "closed"  # the other side ended the connection within TLS
    UNTRUSTED = "untrusted"  # its certificate is not of who was asked, or of an authority that is not trusted
    OUT_OF_DATE = "out of date"  # its certificate has run out or is not valid yet, or a clock is wrong
    ALERT = "alert"  # the other side refused TLS with us, as for our certificate
    NO_TLS = "no TLS"  # it speaks something else
    TLS = "TLS"  # anything else that went wrong in TLS
    OTHER = "other"  # a failure of this machine's own, as a rule


@dataclass(frozen=True, slots=True)
class ConnectionFailure:
    """A failure in words, which follow "cannot be reached: ". ``detail``: what OpenSSL says of it (empty: nothing)."""

    kind: FailureKind
    words: str
    detail: str = ""


def explain_failure(error: OSError) -> ConnectionFailure:
    """What an error of the operating system, of name resolution or of TLS means."""
    if isinstance(error, socket.gaierror):
        return ConnectionFailure(FailureKind.NAME, f"its name {word_lookup(error)}")
    if isinstance(error, ssl.SSLError):
        return _explain_tls(error)
    number = _number(error)
    return ConnectionFailure(_classify(error, number), _word(error, number))


def word_lookup(error: OSError) -> str:
    """Why a name was not resolved, in words that follow the name."""
    if error.errno == socket.EAI_AGAIN:
        return "cannot be looked up: no name server answers"
    if error.errno in _NOT_KNOWN:
        return "does not exist"
    return f"cannot be looked up: {(error.strerror or str(error)).lower()}"


def _explain_tls(error: ssl.SSLError) -> ConnectionFailure:
    if isinstance(error, ssl.SSLCertVerificationError):
        late = getattr(error, "verify_code", None) in _OUT_OF_DATE
        detail = str(getattr(error, "verify_message", error))
        kind = FailureKind.OUT_OF_DATE if late else FailureKind.UNTRUSTED
        return ConnectionFailure(kind, f"the certificate is not trusted: {detail}", detail)
    reason = getattr(error, "reason", None) or ""  # one that Python itself raises has none
    detail = (reason or str(error)).replace("_", " ").lower()
    return ConnectionFailure(_classify_tls(error, reason), f"TLS failed: {detail}", detail)


def _classify_tls(error: ssl.SSLError, reason: str) -> FailureKind:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or "EOF" in f"{reason} {error}":
        return FailureKind.CLOSED
    if "ALERT" in reason:
        return FailureKind.ALERT
    return FailureKind.NO_TLS if reason in _NO_TLS else FailureKind.TLS


def _number(error: OSError) -> int | None:
    """The errno; on Windows the one that other systems would give."""
    return _WINDOWS.get(getattr(error, "winerror", None) or 0, error.errno)


def _classify(error: OSError, number: int | None) -> FailureKind:
    if isinstance(error, ConnectionError) or number in _REFUSALS:
        return FailureKind.REFUSED
    if number in _NO_ROUTE:
        return FailureKind.UNREACHABLE
    return FailureKind.SILENT if number == errno.ETIMEDOUT else FailureKind.OTHER


def _word(error: OSError, number: int | None) -> str:
    # asyncio raises some of these without an errno
    if isinstance(error, ConnectionRefusedError):
        return _WORDS[errno.ECONNREFUSED]
    if isinstance(error, ConnectionResetError | ConnectionAbortedError):
        return _WORDS[errno.ECONNRESET]
    if number in _WORDS:
        return _WORDS[number]
    return (error.strerror or str(error) or type(error).__name__).lower()

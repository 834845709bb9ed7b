"""How a probe fails, the plain words for it, and what it says of the link."""

from __future__ import annotations

import errno
import ssl

from ..core.sightings import Failure

_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.ECONNABORTED: "connection reset",
    errno.EPIPE: "connection closed by the other side",
    errno.ENETUNREACH: "network is unreachable",
    errno.ENETDOWN: "network is down",
    errno.EHOSTUNREACH: "no route to the host",
    errno.EHOSTDOWN: "host is down",
    errno.ETIMEDOUT: "no answer: the system gave up waiting",
    errno.EACCES: "not permitted, perhaps by a local firewall",
    errno.EPERM: "not permitted, perhaps by a local firewall",
    errno.EADDRNOTAVAIL: "no local address or port to send from",
    errno.EAFNOSUPPORT: "this machine does not speak that version of IP",
    errno.EMFILE: "this machine's agent has too many files open",
    errno.ENFILE: "this machine has too many files open",
}


# Linux turns ICMP errors into these: net/ipv4/icmp.c, icmp_err_convert; net/ipv6/icmp.c, tab_unreach.
_REFUSALS = {errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.EPIPE}
# A prohibiting route gives EACCES, a dropping output chain EPERM, no address in the family EADDRNOTAVAIL.
_NO_WAY = {errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.EACCES, errno.EPERM}
_NO_WAY |= {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.EPROTO, errno.ENOPROTOOPT}
_NO_WAY |= {getattr(errno, "ENONET", errno.EHOSTUNREACH)}


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

_OUT_OF_DATE = (9, 10)  # OpenSSL: X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_NO_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "HTTPS_PROXY_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG")


class ProbeFailure(Exception):
    """The target did not prove that the link works; ``reason`` says why, in words, and ``failure`` to programs.

    What names no ``failure`` is a probe that could not even be made, which says nothing of the link.
    """

    def __init__(self, reason: str, failure: Failure = Failure.BROKEN) -> None:
        super().__init__(reason)
        self.reason = reason
        self.failure = failure


class WrongAnswer(ProbeFailure):
    """Something answered, and not what was expected: its latency is known."""

    def __init__(self, reason: str, failure: Failure = Failure.WRONG) -> None:
        super().__init__(reason, failure)


def classify_error(error: OSError) -> Failure:
    """What an error of the operating system or of TLS says of the link."""
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):
        return Failure.REFUSED
    if isinstance(error, ssl.SSLError):
        return Failure.WRONG if _is_impostor(error) else Failure.DECLINED
    number = _number(error)
    if number in _REFUSALS:
        return Failure.REFUSED
    if number in _NO_WAY:
        return Failure.UNREACHABLE
    return Failure.SILENT if number == errno.ETIMEDOUT else Failure.BROKEN


def _number(error: OSError) -> int | None:
    """The errno; on Windows the one that other systems would give."""
    return _WINDOWS.get(getattr(error, "winerror", None) or 0, error.errno)


def _is_impostor(error: ssl.SSLError) -> bool:
    """Whether whoever answers is not who was asked: as a rule, a portal. All else is the server's own trouble.

    A certificate that has run out, or is not valid yet (or our clock is wrong), is the right server's; an alert is its
    refusal. Plain HTTP where TLS was asked for is what a portal answers that redirects port 443.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return getattr(error, "verify_code", None) not in _OUT_OF_DATE
    return error.reason in _NO_TLS


def explain_error(error: OSError) -> str:
    """Put an error of the operating system, of name resolution or of TLS in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    # asyncio raises some of these without an errno
    if isinstance(error, ConnectionRefusedError):
        return _WORDS[errno.ECONNREFUSED]
    if isinstance(error, (ConnectionResetError, ConnectionAbortedError)):
        return _WORDS[errno.ECONNRESET]
    number = _number(error)
    if number in _WORDS:
        return _WORDS[number]
    return (error.strerror or str(error) or type(error).__name__).lower()


def word_seconds(seconds: float) -> str:
    """``0.05`` as "50 ms", ``1.5`` as "1.5 s"."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"

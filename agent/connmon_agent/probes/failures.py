"""How a probe fails, the plain words for it, and what it says of the link."""

from __future__ import annotations

from ..connection_failures import FailureKind, explain_failure
from ..core.observations import Failure

# Whoever answers with another's certificate, or with plain HTTP where TLS was asked for, is as a rule a portal. All
# else in TLS is the server's own trouble: an alert is its refusal, a certificate that has run out the right server's.
_FAILURES = {
    FailureKind.NAME: Failure.NAME,
    FailureKind.REFUSED: Failure.REFUSED,
    FailureKind.CLOSED: Failure.REFUSED,
    FailureKind.UNREACHABLE: Failure.UNREACHABLE,
    FailureKind.SILENT: Failure.SILENT,
    FailureKind.UNTRUSTED: Failure.WRONG,
    FailureKind.NO_TLS: Failure.WRONG,
    FailureKind.OUT_OF_DATE: Failure.DECLINED,
    FailureKind.ALERT: Failure.DECLINED,
    FailureKind.TLS: Failure.DECLINED,
    FailureKind.OTHER: Failure.BROKEN,
}


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
    return _FAILURES[explain_failure(error).kind]


def explain_error(error: OSError) -> str:
    """Put an error of the operating system, of name resolution or of TLS in words."""
    return explain_failure(error).words


def word_seconds(seconds: float) -> str:
    """``0.05`` as "50 ms", ``1.5`` as "1.5 s"."""
    return f"{seconds:g} s" if seconds >= 1 else f"{seconds * 1000:g} ms"

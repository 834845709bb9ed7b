"""One explanation of a failed connection: what probes and the API make of it agrees, whatever it is."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest
from tests.fakes.loopback import tls_error

from connmon_agent.connection_failures import FailureKind, explain_failure
from connmon_agent.core.observations import Failure
from connmon_agent.kube.tls import explain_tls
from connmon_agent.probes.failures import classify_error

CERTIFICATE = ssl.SSLCertVerificationError

TABLE = [
    (socket.gaierror(socket.EAI_AGAIN, "x"), FailureKind.NAME, "its name cannot be looked up: no name server answers"),
    (socket.gaierror(socket.EAI_NONAME, "x"), FailureKind.NAME, "its name does not exist"),
    (socket.gaierror(socket.EAI_FAIL, "Gone"), FailureKind.NAME, "its name cannot be looked up: gone"),
    (OSError(errno.ECONNREFUSED, "x"), FailureKind.REFUSED, "connection refused"),
    (OSError(errno.EHOSTUNREACH, "x"), FailureKind.UNREACHABLE, "no route to the host"),
    (OSError(errno.ETIMEDOUT, "x"), FailureKind.SILENT, "no answer: connection timed out"),
    (OSError(errno.EIO, "Bad"), FailureKind.OTHER, "bad"),
    (ssl.SSLEOFError(8, "EOF occurred"), FailureKind.CLOSED, "TLS failed: eof occurred"),
    (
        tls_error(CERTIFICATE, verify_code=62, verify_message="Hostname mismatch"),
        FailureKind.UNTRUSTED,
        "the certificate is not trusted: Hostname mismatch",
    ),
    (
        tls_error(CERTIFICATE, verify_code=10, verify_message="has expired"),
        FailureKind.OUT_OF_DATE,
        "the certificate is not trusted: has expired",
    ),
    (tls_error(ssl.SSLError, reason="TLSV13_ALERT_X"), FailureKind.ALERT, "TLS failed: tlsv13 alert x"),
    (tls_error(ssl.SSLError, reason="WRONG_VERSION_NUMBER"), FailureKind.NO_TLS, "TLS failed: wrong version number"),
    (tls_error(ssl.SSLError, reason="DH_KEY_TOO_SMALL"), FailureKind.TLS, "TLS failed: dh key too small"),
]


@pytest.mark.parametrize(("error", "kind", "words"), TABLE, ids=[f"{row[1]}-{row[2][:25]}" for row in TABLE])
def test_what_it_is_and_in_which_words(error: OSError, kind: FailureKind, words: str) -> None:
    found = explain_failure(error)
    assert (found.kind, found.words) == (kind, words)


@pytest.mark.parametrize(
    ("kind", "link", "api"),
    [
        (FailureKind.CLOSED, Failure.REFUSED, "unreachable"),
        (FailureKind.UNTRUSTED, Failure.WRONG, "credentials"),
        (FailureKind.OUT_OF_DATE, Failure.DECLINED, "credentials"),
        (FailureKind.ALERT, Failure.DECLINED, "credentials"),
        (FailureKind.NO_TLS, Failure.WRONG, "protocol"),
        (FailureKind.TLS, Failure.DECLINED, "protocol"),
    ],
)
def test_what_a_failure_of_tls_says_of_the_link_and_of_the_api(kind: FailureKind, link: Failure, api: str) -> None:
    (error,) = [error for error, known, _ in TABLE if known is kind]
    assert isinstance(error, ssl.SSLError)
    assert (classify_error(error), explain_tls(error)[0]) == (link, api)


def test_every_kind_says_something_of_the_link() -> None:
    assert {kind for _, kind, _ in TABLE} == set(FailureKind)
    assert all(isinstance(classify_error(error), Failure) for error, _, _ in TABLE)

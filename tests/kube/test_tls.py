from __future__ import annotations

import ssl

import pytest

from connmon_agent.kube.tls import explain_tls, pem_blocks

BLOCK = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"


def failure(reason: str | None, *words: object, sort: type[ssl.SSLError] = ssl.SSLError) -> ssl.SSLError:
    """As OpenSSL gives it, with its ``reason``."""
    error = sort(*words)
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (failure("UNEXPECTED_EOF_WHILE_READING"), "unreachable"),
        (failure(None, 8, "EOF occurred in violation of protocol (_ssl.c:2427)"), "unreachable"),
        (failure(None, 8, "EOF", sort=ssl.SSLEOFError), "unreachable"),
        (failure(None, 6, "TLS/SSL connection has been closed", sort=ssl.SSLZeroReturnError), "unreachable"),
        (failure("SSLV3_ALERT_CERTIFICATE_EXPIRED"), "credentials"),
        (failure("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "credentials"),
        (failure("WRONG_VERSION_NUMBER"), "protocol"),
    ],
)
def test_what_a_failure_of_tls_means(error: ssl.SSLError, kind: str) -> None:
    assert explain_tls(error)[0] == kind


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        (BLOCK, BLOCK),
        (f"# M\u00fcller\n{BLOCK}\nsubject=CN\n{BLOCK}\u00fc", BLOCK * 2),
        (BLOCK.replace("\n", "\r\n"), BLOCK.replace("\n", "\r\n").rstrip("\r\n") + "\n"),
        ("nothing", ""),
        ("-----BEGIN CERTIFICATE-----\nQUJD", ""),
        ("", ""),
    ],
)
def test_only_the_blocks_of_a_pem_text_count(text: str, blocks: str) -> None:
    assert pem_blocks(text) == blocks

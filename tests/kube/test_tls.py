from __future__ import annotations

import base64
import ssl
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.errors import ClusterError
from connmon_agent.kube.tls import blame_certificate, explain_tls, pem_blocks, read_end

BLOCK = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
CERTIFICATES = Path(__file__).parent.parent / "probes" / "certificates"
NAMES = sorted(path.name for path in CERTIFICATES.glob("*.pem") if "BEGIN CERTIFICATE" in path.read_text())
PEM = (CERTIFICATES / "authority.pem").read_text()
BROKEN = ClusterError("unreachable", "https://a closed the connection: reset", delivered=None)


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


@pytest.mark.linux_alone(reason="the program openssl")
@pytest.mark.parametrize("name", NAMES)
def test_the_end_of_a_certificate_is_what_openssl_says(name: str) -> None:
    path = CERTIFICATES / name
    told = subprocess.run(
        ["openssl", "x509", "-enddate", "-noout", "-in", path], capture_output=True, text=True, check=False
    )
    if told.returncode != 0:
        pytest.skip("there is no openssl")
    end = datetime.strptime(told.stdout.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=UTC)
    assert read_end(path.read_text()) == end


@given(st.binary(max_size=60))
def test_what_is_no_certificate_has_no_end(data: bytes) -> None:
    body = base64.b64encode(data).decode()
    assert read_end(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----") is None
    assert read_end(body) is None


def test_an_early_end_is_the_certificates_fault_once_it_has_expired() -> None:
    end = read_end(PEM)
    assert end is not None
    blamed = blame_certificate(BROKEN, PEM, end.timestamp() + 1)
    assert blamed.kind == "credentials"
    assert f"our client certificate expired on {end:%Y-%m-%d}" in blamed.message


@pytest.mark.parametrize(
    ("error", "pem", "late"),
    [
        (BROKEN, PEM, False),
        (BROKEN, None, True),
        (BROKEN, "no certificate", True),
        (ClusterError("unreachable", "https://a cannot be reached: connection refused"), PEM, True),
        (ClusterError("timeout", "https://a closed the connection"), PEM, True),
    ],
)
def test_every_other_failure_stays_as_it_is(error: ClusterError, pem: str | None, late: bool) -> None:
    end = read_end(PEM)
    assert end is not None
    assert blame_certificate(error, pem, end.timestamp() + (1 if late else 0)) is error

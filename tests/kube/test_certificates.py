from __future__ import annotations

import base64
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.errors import ClusterError
from connmon_agent.kube.certificates import blame_certificate, read_end

CERTIFICATES = Path(__file__).parent.parent / "probes" / "certificates"
NAMES = sorted(path.name for path in CERTIFICATES.glob("*.pem") if "BEGIN CERTIFICATE" in path.read_text())
PEM = (CERTIFICATES / "authority.pem").read_text()
BROKEN = ClusterError("unreachable", "https://a broke the connection off: reset", delivered=None)


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
        (ClusterError("timeout", "https://a broke the connection off"), PEM, True),
    ],
)
def test_every_other_failure_stays_as_it_is(error: ClusterError, pem: str | None, late: bool) -> None:
    end = read_end(PEM)
    assert end is not None
    assert blame_certificate(error, pem, end.timestamp() + (1 if late else 0)) is error

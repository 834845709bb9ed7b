"""What this machine trusts is trusted, whatever else lies in its certificate stores."""

from __future__ import annotations

import ssl
import sys
from pathlib import Path

import pytest

from connmon_agent import authorities
from connmon_agent.authorities import create_context, create_lean_context, trust_this_machines

PEM = (Path(__file__).parent / "probes" / "certificates" / "authority.pem").read_text(encoding="ascii")
AUTHORITY = ssl.PEM_cert_to_DER_cert(PEM[PEM.index("-----BEGIN CERTIFICATE") :])
SERVER_AUTH = ssl.Purpose.SERVER_AUTH.oid
MALFORMED = b"\x30\x82\x01\x00 cut off"

Store = list[tuple[bytes, str, set[str] | bool]]


def trusted(monkeypatch: pytest.MonkeyPatch, **stores: Store | OSError) -> list[bytes]:
    """The authorities that are loaded on a Windows with these stores."""

    def enumerate_store(name: str) -> Store:
        found = stores.get(name, [])
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(authorities.sys, "platform", "win32")
    monkeypatch.setattr(ssl, "enum_certificates", enumerate_store, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", "nowhere")
    monkeypatch.setenv("SSL_CERT_DIR", "nowhere")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust_this_machines(context)
    return context.get_ca_certs(binary_form=True)


@pytest.mark.parametrize("store", ["ROOT", "CA"])
@pytest.mark.parametrize("purposes", [True, {SERVER_AUTH}, {"1.2.3", SERVER_AUTH}])
def test_an_authority_of_either_store(monkeypatch: pytest.MonkeyPatch, store: str, purposes: set[str] | bool) -> None:
    assert trusted(monkeypatch, **{store: [(AUTHORITY, "x509_asn", purposes)]}) == [AUTHORITY]


@pytest.mark.parametrize(
    "entry", [(AUTHORITY, "x509_asn", {"1.2.3"}), (AUTHORITY, "x509_asn", False), (AUTHORITY, "pkcs_7_asn", True)]
)
def test_what_is_not_for_servers_is_not(
    monkeypatch: pytest.MonkeyPatch, entry: tuple[bytes, str, set[str] | bool]
) -> None:
    assert trusted(monkeypatch, ROOT=[entry]) == []


def test_a_malformed_certificate_costs_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    bad = (MALFORMED, "x509_asn", True)
    assert trusted(monkeypatch, CA=[bad], ROOT=[bad, (AUTHORITY, "x509_asn", True), bad]) == [AUTHORITY]


def test_a_store_that_may_not_be_read_costs_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trusted(monkeypatch, CA=PermissionError(13, "no"), ROOT=[(AUTHORITY, "x509_asn", True)]) == [AUTHORITY]


@pytest.mark.skipif(sys.platform != "win32", reason="reads Windows' own stores")
def test_windows_own_stores_are_read() -> None:
    assert create_context().cert_store_stats()["x509_ca"] > 0


def test_a_context_verifies_the_server() -> None:
    context = create_context()
    assert context.verify_mode is ssl.CERT_REQUIRED and context.check_hostname


@pytest.mark.parametrize("named", [False, True])
def test_a_lean_context_verifies_and_takes_what_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    if named:
        monkeypatch.setenv("SSL_CERT_FILE", str(Path(__file__).parent / "probes" / "certificates" / "authority.pem"))
    context = create_lean_context()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    if named:
        assert AUTHORITY in context.get_ca_certs(binary_form=True)


@pytest.mark.linux_alone(reason="only there are authorities kept by their hashes")
def test_a_lean_context_reads_no_authority_before_it_needs_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("SSL_CERT_DIR", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "0123abcd.0").write_text(PEM, encoding="ascii")
    paths = ssl.DefaultVerifyPaths(None, str(tmp_path), "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    assert create_lean_context().get_ca_certs() == []

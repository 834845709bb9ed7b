"""The certificate authorities that this machine trusts."""

from __future__ import annotations

import contextlib
import ssl
import sys


def trust_this_machines(context: ssl.SSLContext) -> None:
    """Let ``context`` trust what this machine trusts; on Windows its certificate stores.

    Python loads the stores as a whole, and fails where one certificate in them is malformed, which other programs pass
    over (https://github.com/python/cpython/issues/79846, mended in 3.13): here each is loaded alone.
    """
    if sys.platform != "win32":
        context.load_default_certs()
        return
    context.set_default_verify_paths()  # those that SSL_CERT_FILE and SSL_CERT_DIR name
    for store in ("CA", "ROOT"):
        with contextlib.suppress(PermissionError):
            for certificate, encoding, purposes in ssl.enum_certificates(store):
                if encoding == "x509_asn" and (purposes is True or ssl.Purpose.SERVER_AUTH.oid in _listed(purposes)):
                    with contextlib.suppress(ssl.SSLError):
                        context.load_verify_locations(cadata=certificate)


def create_context() -> ssl.SSLContext:
    """A context for a client that trusts what this machine trusts, and verifies the server's name."""
    if sys.platform != "win32":
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust_this_machines(context)
    return context


def _listed(purposes: set[str] | bool) -> set[str]:
    return purposes if isinstance(purposes, set) else set()

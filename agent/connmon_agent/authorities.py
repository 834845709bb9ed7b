"""The certificate authorities that this machine trusts."""

from __future__ import annotations

import contextlib
import os
import ssl
import sys
from pathlib import Path


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


def create_lean_context() -> ssl.SSLContext:
    """As ``create_context``, for little memory: where the system has its authorities in a folder by their hashes, as
    Debian has, OpenSSL reads the one that it needs. The file with all of them takes 1 MB, and may have more.
    """
    folder = ssl.get_default_verify_paths().capath
    named = any(name in os.environ for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    if sys.platform == "win32" or named or folder is None or not any(Path(folder).glob("[0-9a-f]" * 8 + ".0")):
        return create_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=folder)
    return context

"""TLS towards the Kubernetes API: one context a session, from certificates and keys held in memory."""

from __future__ import annotations

import os
import ssl
import tempfile
from pathlib import Path

from .kubeconfig import Access, refuse


def build_context(access: Access, temp_dir: Path) -> ssl.SSLContext:
    """The context for ``access``. Raises ClusterError (credentials) where a certificate or key cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Python 3.13 asks for extensions that the certificate authorities of many clusters do not have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        if not access.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif access.authority is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(cadata=access.authority)
        if access.certificate:
            _load_pair(context, access.certificate, access.key or "", temp_dir)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise refuse(f"the certificates of {access.origin} cannot be used: {error}", "Renew the kubeconfig") from error
    return context


def _load_pair(context: ssl.SSLContext, certificate: str, key: str, temp_dir: Path) -> None:
    """TLS reads keys from files only: one that nobody else may read, and that is gone at once."""
    temp_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=temp_dir, suffix=".pem")
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"{certificate}\n{key}\n")
        # The empty password: OpenSSL would ask the terminal for that of an encrypted key, and wait.
        context.load_cert_chain(name, password="")
    finally:
        os.unlink(name)

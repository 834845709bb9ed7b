"""TLS towards the Kubernetes API: one context a session, from certificates and keys held in memory."""

from __future__ import annotations

import os
import re
import ssl
import tempfile
from pathlib import Path

from ..authorities import trust_this_machines
from ..connection_failures import FailureKind, explain_failure
from .kubeconfig import Access, refuse

# A PEM file may hold words of people around its blocks, in whatever encoding, which kubectl passes over.
_BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


def pem_blocks(text: str) -> str:
    """The blocks of a PEM text without what stands between them; empty where there is none, or one is not ASCII."""
    return "".join(f"{block.group()}\n" for block in _BLOCK.finditer(text) if block.group().isascii())


def explain_tls(error: ssl.SSLError) -> tuple[str, str, str | None]:
    """The kind of ClusterError that a failure of TLS is, in words that follow the server's name, and what to do.

    The peer's early end is ``unreachable``, whether TLS was told of it or not: an API server behind a TLS terminator is
    down. A refused or untrusted certificate is ``credentials``.
    """
    found = explain_failure(error)
    if found.kind in (FailureKind.UNTRUSTED, FailureKind.OUT_OF_DATE):
        hint = "Renew the kubeconfig: its certificate authority is not the cluster's, or the clock is wrong"
        return "credentials", f"is not trusted: {found.detail}", hint
    if found.kind is FailureKind.ALERT:
        return "credentials", f"refused our certificate: {found.detail}", "Renew the kubeconfig"
    if found.kind is FailureKind.CLOSED:
        return "unreachable", "broke the connection off", "Is the API server running behind this address?"
    words = f"does not speak TLS: {found.detail}" if found.kind is FailureKind.NO_TLS else found.words
    return "protocol", words, "Is this address the Kubernetes API?"


def build_context(access: Access, temp_dir: Path) -> ssl.SSLContext:
    """The context for ``access``. Raises ClusterError (credentials) where a certificate or key cannot be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Python 3.13 asks for extensions that the certificate authorities of many clusters do not have.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    try:
        if not access.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        elif access.authority is None:
            trust_this_machines(context)
        else:
            context.load_verify_locations(cadata=pem_blocks(access.authority))
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
            file.write(pem_blocks(certificate) + pem_blocks(key))
        # The empty password: OpenSSL would ask the terminal for that of an encrypted key, and wait.
        context.load_cert_chain(name, password="")
    finally:
        os.unlink(name)

"""The section ``kubernetes.registries``: what nodes pull from in the place of an image registry."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..settings import NOT_ASKED
from .sections import Section
from .targets import reject_login
from .values import Value

_REMEDY = f'write the URL of a mirror such as "https://mirror.example:5000", or {NOT_ASKED} to never ask this registry'


def read_registries(section: Section) -> dict[str, str]:
    """By the registry's name as images have it: the URL of the mirror that nodes pull from, or ``NOT_ASKED``."""
    found = {name: section.take(name, None, _read_endpoint) for name in section.names}
    section.close()
    return {name: endpoint for name, endpoint in found.items() if endpoint is not None}


def _read_endpoint(value: Value) -> str:
    text = value.scalar("the URL of a mirror, or none").text
    if text == NOT_ASKED:
        return text
    if "@" in text:
        reject_login(value, "remove it; a registry is asked without")
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.path not in ("", "/") or parts.query or parts.fragment:
        value.reject("is not the URL of a registry", _REMEDY)
    return text.rstrip("/")

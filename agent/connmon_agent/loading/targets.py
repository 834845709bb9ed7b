"""The link's targets, one reader a kind. A new kind is one reader and one line of ``_READERS``."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from ..settings import Target
from .defaults import FAMILIES, dns_target, gateway_target, http_target, icmp_target, interface_target, tcp_target
from .nodes import ScalarNode
from .sections import Section, open_section
from .values import Rejected, Value, choice, described, join_choices, nullable, read_port, read_text, whole_number

_HOST_LABEL = r"[A-Za-z0-9_](?:[-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?")
_DOTTED_NUMBERS = re.compile(r"[0-9.]+")
NO_PROXY = "none"
_UNUSED = ""  # stands for a needed value that is missing; its section is not sound, so nothing is built from it


def read_target(value: Value) -> Target:
    """One target: a mapping with ``kind`` and that kind's keys. Raises Rejected."""
    section = open_section(value)
    kind = section.take("kind", _UNUSED, choice(*_READERS))
    if not section.has("kind"):
        section.report("kind", "is missing", remedy=f"write kind: {join_choices(list(_READERS))}")
    if not kind:
        raise Rejected
    target = _READERS[kind](section)
    section.close()
    if not section.is_sound():
        raise Rejected
    return target


def _read_tcp(section: Section) -> Target:
    host, port = section.need("host", _UNUSED, _read_host), section.need("port", 0, read_port)
    return tcp_target(host, port, _read_family(section, host))


def _read_dns(section: Section) -> Target:
    return dns_target(
        section.need("server", _UNUSED, _read_address),
        section.need("name", _UNUSED, _read_domain),
        section.take("port", 53, read_port),
        record=section.take("record", "A", choice("A", "AAAA")),
        transport=section.take("transport", "udp", choice("udp", "tcp")),
    )


def _read_http(section: Section) -> Target:
    url = section.need("url", _UNUSED, _read_url)
    proxy = section.take("proxy", None, nullable(_read_proxy))
    family = _read_family(section, urlsplit(url).hostname or "")
    if family is not None and proxy not in (None, NO_PROXY):
        section.report("family", "has no effect through a proxy", remedy="remove it, or write proxy: none")
    status = section.take("status", 200, whole_number(100, 599))
    return http_target(url, status, section.take("body", None, _read_body), proxy=proxy, family=family)


def _read_icmp(section: Section) -> Target:
    host = section.need("host", _UNUSED, _read_host)
    return icmp_target(host, _read_family(section, host))


def _read_gateway(section: Section) -> Target:
    return gateway_target()


def _read_interface(section: Section) -> Target:
    return interface_target(section.take("name", None, nullable(read_text)))


_READERS: dict[str, Callable[[Section], Target]] = {
    "tcp": _read_tcp,
    "dns": _read_dns,
    "http": _read_http,
    "icmp": _read_icmp,
    "gateway": _read_gateway,
    "interface": _read_interface,
}
EVIDENCE_KINDS = frozenset({"gateway", "interface"})  # of settings.EVIDENCE_TARGETS, as a file names them


def _read_family(section: Section, host: str) -> str | None:
    """The IP version that a target is held to; None: either. It must be that of an address that is spelt out."""
    family = section.take("family", None, nullable(choice(*FAMILIES)))
    if family is not None and _is_address(host) and family != f"ipv{ip_address(host).version}":
        section.report("family", f"is not that of {host}", remedy="remove it: the address says it already")
    return family


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_host(text: str) -> bool:
    # What looks like an IPv4 address must be one: 1.1.1 and 1.1.1.256 would be looked up as names.
    return _is_address(text) or (
        len(text) <= 253 and _HOST.fullmatch(text) is not None and not _DOTTED_NUMBERS.fullmatch(text)
    )


def _read_host(value: Value) -> str:
    text = read_text(value)
    if not _is_host(text):
        value.reject("must be a host name or an IP address", "write the host alone, without scheme, port or brackets")
    return text


def _read_address(value: Value) -> str:
    text = read_text(value)
    if not _is_address(text):
        value.reject("must be an IP address", "a name server's name could not be looked up without a name server")
    return text


def _read_domain(value: Value) -> str:
    text = read_text(value)
    if _is_address(text) or not _is_host(text):
        value.reject("must be a domain name", "write a name that has an A record, such as example.com")
    return text


@described({"type": "string"})
def _read_body(value: Value) -> str:
    scalar = value.scalar("text")
    # An empty body, and one of several lines, can be what a server answers.
    if isinstance(scalar, ScalarNode) and scalar.quoted:
        return scalar.text
    return read_text(value)


def _read_url(value: Value) -> str:
    """An http or https URL with a host. Raises Rejected."""
    text = read_text(value)
    parts, port = _split_url(value, text, "write it as http://host/path")
    if parts.scheme not in ("http", "https") or not _is_host(parts.hostname or "") or port == 0:
        value.reject("must be an http or https URL", "write it as http://host/path")
    if parts.username is not None:
        reject_login(value, "remove it: a target is asked without one")
    if parts.fragment or not text.isascii() or " " in text:
        value.reject("must be a plain URL", "remove # and all behind it; write %20 for a blank, xn-- for umlauts")
    return text


def _read_proxy(value: Value) -> str:
    """``none``, or the URL of an HTTP proxy. Raises Rejected."""
    text = read_text(value)
    if text == NO_PROXY:
        return text
    remedy = "write it as http://host:port, or none to go past the environment's"
    parts, port = _split_url(value, text, remedy)
    if parts.username is not None:
        reject_login(value, "remove it; a proxy that wants one is named in the agent's environment, as http_proxy")
    if parts.scheme != "http" or not _is_host(parts.hostname or "") or port == 0 or not text.isascii():
        value.reject("must be the URL of an HTTP proxy", remedy)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        value.reject("must be the URL of an HTTP proxy", remedy)
    return text


def _split_url(value: Value, text: str, remedy: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text)
        return parts, parts.port
    except ValueError as error:
        value.reject(f"is no URL: {error}", remedy)


def reject_login(value: Value, remedy: str) -> NoReturn:
    # Not echoed: a password does not belong into a terminal or a log.
    value.problems.add("holds a user name or password", line=value.node.line, key=value.key, remedy=remedy)
    raise Rejected

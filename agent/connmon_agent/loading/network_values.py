"""Types of values that name places in a network: hosts, addresses, ports and URLs."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NoReturn
from urllib.parse import SplitResult, urlsplit

from ..settings import LOOPBACK, NOT_ASKED
from .defaults import join_address
from .nodes import ListNode, ScalarNode
from .values import PORT, ListOf, Rejected, Schema, Text, Value, ValueType, quote_text, read_text

LOCALHOST = "localhost"
NO_PROXY = "none"

_HOST_LABEL = r"[A-Za-z0-9_](?:[-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*\.?")
_DOTTED_NUMBERS = re.compile(r"[0-9.]+")
_LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+)):([0-9]{1,5})")
_METRICS_REMEDY = "write 127.0.0.1:9180, [::1]:9180, or null to serve nothing"
_ENDPOINT_REMEDY = (
    f'write the URL of a mirror such as "https://mirror.example:5000", or {NOT_ASKED} to never ask this registry'
)


def is_address(text: str) -> bool:
    """``text`` is an IPv4 or IPv6 address."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def is_host(text: str) -> bool:
    """``text`` is the name of a host, or an address."""
    # What looks like an IPv4 address must be one: 1.1.1 and 1.1.1.256 would be looked up as names.
    return is_address(text) or (
        len(text) <= 253 and _HOST.fullmatch(text) is not None and not _DOTTED_NUMBERS.fullmatch(text)
    )


def _read_host(value: Value) -> str:
    text = read_text(value)
    if not is_host(text):
        value.reject("must be a host name or an IP address", "write the host alone, without scheme, port or brackets")
    return text


def _read_address(value: Value) -> str:
    text = read_text(value)
    if not is_address(text):
        value.reject("must be an IP address", "write an address; a name cannot be resolved without a name server")
    return text


def _read_domain(value: Value) -> str:
    text = read_text(value)
    if is_address(text) or not is_host(text):
        value.reject("must be a domain name", "write a name that has an A record, such as example.com")
    return text


def _read_url(value: Value) -> str:
    return _read_plain_url(value, "remove it; targets are probed without one")


def _read_addressee(value: Value) -> str:
    return _read_plain_url(value, "write the URL to a file, and name the file in url_file")


def _read_plain_url(value: Value, remedy_of_login: str) -> str:
    """An http or https URL with a host. Raises Rejected."""
    text = read_text(value)
    parts, port = _split_url(value, text, "write it as http://host/path")
    if parts.scheme not in ("http", "https") or not is_host(parts.hostname or "") or port == 0:
        value.reject("must be an http or https URL", "write it as http://host/path")
    if parts.username is not None:
        _reject_login(value, remedy_of_login)
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
        _reject_login(value, "remove it; a proxy that wants one is named in the agent's environment, as http_proxy")
    if parts.scheme != "http" or not is_host(parts.hostname or "") or port == 0 or not text.isascii():
        value.reject("must be the URL of an HTTP proxy", remedy)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        value.reject("must be the URL of an HTTP proxy", remedy)
    return text


def _read_endpoint(value: Value) -> str:
    text = value.scalar("the URL of a mirror, or none").text
    if text == NOT_ASKED:
        return text
    if "@" in text:
        _reject_login(value, "remove it")
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.path not in ("", "/") or parts.query or parts.fragment:
        value.reject("is not the URL of a registry", _ENDPOINT_REMEDY)
    return text.rstrip("/")


def _read_request_path(value: Value) -> str:
    """The path of an HTTP request. Raises Rejected."""
    text = read_text(value)
    if not text.startswith("/") or not text.isascii() or " " in text or "#" in text:
        value.reject("must be the path of a URL", "write it as /healthz; %20 for a blank")
    return text


def _split_url(value: Value, text: str, remedy: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(text)
        return parts, parts.port
    except ValueError as error:
        value.reject(f"is not a URL: {error}", remedy)


def _reject_login(value: Value, remedy: str) -> NoReturn:
    # Not echoed: a password does not belong into a terminal or a log.
    value.problems.add("contains a user name or password", line=value.node.line, key=value.key, remedy=remedy)
    raise Rejected


class Bind(ValueType[tuple[str, ...]]):
    """The addresses to listen on: ``localhost``, one address of this machine, or a list of them."""

    limits = "`localhost`, an IP address, or a list of them"

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}

    def read(self, value: Value) -> tuple[str, ...]:
        if not isinstance(value.node, ListNode):
            return LOOPBACK if read_text(value) == LOCALHOST else (_read_bound(value),)
        addresses = _BOUND.read(value)
        if not addresses:
            value.reject("must name an address", f"write {LOCALHOST}, or addresses of this machine")
        repeated = {address for index, address in enumerate(addresses) if address in addresses[:index]}
        if repeated:
            value.reject(f"{', '.join(sorted(repeated))} is listed twice", "name each address once")
        _check_overlap(value, addresses)
        return addresses

    def write(self, found: tuple[str, ...]) -> str:
        return _BOUND.write(found)


def _check_overlap(value: Value, addresses: tuple[str, ...]) -> None:
    """One socket on all addresses and another on one of them cannot both listen on a port."""
    parsed = [ip_address(address) for address in addresses]
    for every in (address for address in parsed if address.is_unspecified):
        others = [str(other) for other in parsed if other != every and other.version == every.version]
        if others:
            value.reject(f"{every} comprises {', '.join(others)}", f"keep {every}, or the others")


def _read_bound(value: Value) -> str:
    text = read_text(value)
    if text == LOCALHOST:
        value.reject(
            f"{LOCALHOST} stands for {' and '.join(LOOPBACK)}", "write it alone, or the addresses that you mean"
        )
    address = _parse(text)
    if address is None:
        value.reject("must be an IP address", f"write {LOCALHOST}, 127.0.0.1, or a list of addresses of this machine")
    if address.is_multicast:
        value.reject("is a multicast address, on which nothing can listen", "write an address of this machine")
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        value.reject("is an IPv4 address written as IPv6", f"write {address.ipv4_mapped}")
    return str(address)


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


_BOUND = ListOf(Text(_read_bound, quoted=True))


class Listen(ValueType[tuple[str, int]]):
    """An IP address and a port, as ``127.0.0.1:9180`` or ``[::1]:9180``. ``remedy`` is for what is neither."""

    limits = "an IP address and a port"

    def __init__(self, remedy: str = _METRICS_REMEDY) -> None:
        self._remedy = remedy

    def schema(self) -> Schema:
        return {"type": "string"}

    def read(self, value: Value) -> tuple[str, int]:
        match = _LISTEN.fullmatch(read_text(value))
        if match is None or not 1 <= int(match[3]) <= 65535:
            value.reject("must be an IP address and a port", self._remedy)
        host = match[1] or match[2]
        if host == LOCALHOST:
            return LOOPBACK[0], int(match[3])
        try:
            address = ip_address(host)
        except ValueError:
            value.reject("must be an IP address and a port", self._remedy)
        if address.is_multicast:
            value.reject("is a multicast address, on which nothing can listen", self._remedy)
        return str(address), int(match[3])

    def write(self, found: tuple[str, int]) -> str:
        return quote_text(join_address(*found), always=True)


class TargetPort(ValueType[str]):
    """A port of a Kubernetes Service, by name or number."""

    limits = "a port's name or number"

    def schema(self) -> Schema:
        return {"anyOf": [{"type": "string"}, PORT.schema()]}

    def read(self, value: Value) -> str:
        node = value.node
        if isinstance(node, ScalarNode) and node.text.isdecimal():
            number = Value(value.problems, value.key, ScalarNode(int(node.text[:9]), node.text, node.line))
            return str(PORT.read(number))
        return read_text(value)

    def write(self, found: str) -> str:
        return quote_text(found)


class Body(ValueType[str]):
    """The body of an HTTP answer: in quotes it may be empty, or hold several lines."""

    def schema(self) -> Schema:
        return {"type": "string"}

    def read(self, value: Value) -> str:
        scalar = value.scalar("text")
        return scalar.text if scalar.quoted else read_text(value)

    def write(self, found: str) -> str:
        return quote_text(found, always=True)


HOST = Text(_read_host, "a name or an address")
ADDRESS = Text(_read_address, "an IP address")
DOMAIN = Text(_read_domain, "a domain name")
URL = Text(_read_url, "an http or https URL")
ADDRESSEE = Text(_read_addressee, "an http or https URL")  # of a request that may have a login, which is no probe
PROXY = Text(_read_proxy, f"the URL of an HTTP proxy without user name and password, `{NO_PROXY}`")
ENDPOINT = Text(_read_endpoint, f"the URL of a mirror, `{NOT_ASKED}`", quoted=True)
REQUEST_PATH = Text(_read_request_path, "the path of a URL")

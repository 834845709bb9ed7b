"""The link's targets: the keys of each kind, and how they become a target. A new kind is one line of ``KINDS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ..settings import (
    EVIDENCE_TARGETS,
    DnsTarget,
    GatewayTarget,
    HttpTarget,
    IcmpTarget,
    InterfaceTarget,
    Target,
    TcpTarget,
)
from .defaults import FAMILIES, dns_target, gateway_target, http_target, icmp_target, interface_target, tcp_target
from .key_tables import Key, KeyTable
from .network_values import ADDRESS, DOMAIN, HOST, NO_PROXY, PROXY, URL, Body, is_address
from .nodes import ListNode, MappingNode, Node, ScalarNode
from .sections import Section, open_section
from .values import PORT, TEXT, Choice, ListOf, OrNull, Rejected, Schema, Value, ValueType, WholeNumber, join_choices


class TargetKind(NamedTuple):
    """A kind of target: its keys beside ``kind``, and ``answers``, which says when it counts as reached.

    ``make`` takes the fields of ``target``; ``fields`` names those that have another name than the key.
    """

    target: type[Target]
    keys: KeyTable
    make: Callable[..., Target]
    answers: str
    fields: Mapping[str, str] = {}

    @property
    def votes(self) -> bool:
        """It counts for the quorum."""
        return self.target not in EVIDENCE_TARGETS

    def values_of(self, target: Target) -> dict[str, Any]:
        """What a file says of ``target``, by the keys' names."""
        return {name: getattr(target, self.fields.get(name, name)) for name in self.keys.keys}


_HOST = Key("host", HOST, "the host to reach", needed=True)
_FAMILY = Key(
    "family", OrNull(Choice(*FAMILIES)), "the version of IP to use; `null`: what the name has, whichever answers first"
)

KINDS: Mapping[str, TargetKind] = {
    "tcp": TargetKind(
        TcpTarget,
        KeyTable(_HOST, Key("port", PORT, "the TCP port", needed=True), _FAMILY, defaults=tcp_target("", 0)),
        tcp_target,
        "the connection is accepted",
    ),
    "dns": TargetKind(
        DnsTarget,
        KeyTable(
            Key("server", ADDRESS, "the name server", needed=True),
            Key("name", DOMAIN, "the name to look up", needed=True),
            Key("port", PORT, "the port of the name server"),
            Key("record", Choice("A", "AAAA"), "the record to look up"),
            Key("transport", Choice("udp", "tcp"), "`udp` repeats only a truncated answer over TCP"),
            defaults=dns_target("", ""),
        ),
        dns_target,
        "the server answers with an address",
        fields={"name": "query"},
    ),
    "http": TargetKind(
        HttpTarget,
        KeyTable(
            Key("url", URL, "what to GET; redirects are not followed", needed=True),
            Key("status", WholeNumber(100, 599), "the status that is expected"),
            Key("body", OrNull(Body()), "the exact body that is expected; `null`: any"),
            Key("proxy", OrNull(PROXY), "the proxy to use; `null`: what the environment says"),
            _FAMILY,
            defaults=http_target(""),
        ),
        http_target,
        "this status and exactly this body come back",
    ),
    "icmp": TargetKind(
        IcmpTarget, KeyTable(_HOST, _FAMILY, defaults=icmp_target("")), icmp_target, "an echo comes back as it was sent"
    ),
    "gateway": TargetKind(GatewayTarget, KeyTable(), gateway_target, "the default route's gateway is there"),
    "interface": TargetKind(
        InterfaceTarget,
        KeyTable(Key("name", OrNull(TEXT), "the interface; `null`: that of the default route", default=None)),
        interface_target,
        "the interface is up and has an address",
        fields={"name": "interface"},
    ),
}


class OneTarget(ValueType[Target]):
    """A mapping with ``kind`` and that kind's keys."""

    def schema(self) -> Schema:
        return {"oneOf": [_describe_kind(word, kind.keys.schema()) for word, kind in KINDS.items()]}

    def read(self, value: Value) -> Target:
        section = open_section(value)
        word = section.take("kind", "", Choice(*KINDS).read)
        if not section.has("kind"):
            section.report("kind", "is missing", remedy=f"write kind: {join_choices(list(KINDS))}")
        if not word:
            raise Rejected
        kind = KINDS[word]
        values = {**kind.keys.defaults, **kind.keys.read_written(section)}
        _check_family(section, values)
        section.close()
        if not section.is_sound():
            raise Rejected
        return kind.make(**{kind.fields.get(name, name): found for name, found in values.items()})

    def write(self, found: Target) -> str:
        word, kind = next(item for item in KINDS.items() if item[1].target is type(found))
        lines = [f"kind: {word}", *kind.keys.write_keys(kind.values_of(found))]
        return f"{{{', '.join(lines)}}}"


def _describe_kind(word: str, keys: Schema) -> Schema:
    properties, required = keys["properties"], keys.get("required", [])
    assert isinstance(properties, dict) and isinstance(required, list)
    properties = {"kind": {"const": word, "description": KINDS[word].answers}, **properties}
    return {**keys, "type": "object", "properties": properties, "required": ["kind", *required]}


def _check_family(section: Section, values: Mapping[str, Any]) -> None:
    """The version of IP must be that of an address that is spelt out, and a proxy chooses its own."""
    family = values.get("family")
    if family is None:
        return
    host = values.get("host") or urlsplit(values.get("url", "")).hostname or ""
    if is_address(host) and family != f"ipv{ip_address(host).version}":
        section.report("family", f"is not that of {host}", remedy="remove it: the address says it already")
    if values.get("proxy") not in (None, NO_PROXY):
        section.report("family", "has no effect through a proxy", remedy="remove it, or write proxy: none")


class Targets(ValueType[tuple[Target, ...]]):
    """The targets of the link: at least one of them shows the internet, and none comes twice."""

    limits = "at least one with a vote"

    def schema(self) -> Schema:
        return {"type": "array", "minItems": 1, "items": _TARGET.schema()}

    def read(self, value: Value) -> tuple[Target, ...]:
        targets = ListOf(_TARGET).read(value)
        if not targets:
            value.reject("must have at least one target", "add one, or remove the key to use the defaults")
        if not count_votes(targets):
            remedy = (
                "add one of kind tcp, dns, http or icmp: an interface or a gateway answers while the internet is gone"
            )
            value.reject("must have at least one target that checks the internet", remedy)
        repeated = list(_find_repeated(target.name for target in targets))
        for index, first in repeated:
            message = f"is the same target as {value.key}[{first}]: {targets[index].name}"
            line = value.node.items[index].line if isinstance(value.node, ListNode) else value.node.line
            value.problems.add(message, line=line, key=f"{value.key}[{index}]", remedy="remove one of them")
        if repeated:
            raise Rejected
        return targets

    def write_lines(self, name: str, found: tuple[Target, ...]) -> Iterator[str]:
        yield f"{name}:"
        yield from (f"  - {_TARGET.write(target)}" for target in found)


def count_votes(targets: Iterable[Target]) -> int:
    """How many targets count for the quorum; an interface and a gateway only tell where a fault is."""
    return sum(not isinstance(target, EVIDENCE_TARGETS) for target in targets)


def most_votes(section: Section, targets: Iterable[Target]) -> int:
    """How many targets count for the quorum, once those with mistakes in them are mended; 0: it cannot be known."""
    if section.is_sound("targets"):
        return count_votes(targets)
    value = section.find("targets")
    nodes = value.node.items if value is not None and isinstance(value.node, ListNode) else []
    return sum(not _is_evidence(node) for node in nodes)


def _is_evidence(node: Node) -> bool:
    kind = node.entries.get("kind") if isinstance(node, MappingNode) else None
    word = kind.node.text if kind is not None and isinstance(kind.node, ScalarNode) else ""
    return word in KINDS and not KINDS[word].votes


def _find_repeated(names: Iterator[str]) -> Iterator[tuple[int, int]]:
    """The index of every name that came before, with the index at which it came first."""
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield index, first[name]


_TARGET = OneTarget()
TARGETS = Targets()

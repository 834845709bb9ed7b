"""Types of values that only channels of notices have: addresses of mail, headers, arguments, templates."""

from __future__ import annotations

import json
import re
from typing import Any

from ..core.notice_fields import FIELDS, find_fields
from .network_values import is_host
from .nodes import ListNode, MappingNode, Node
from .values import Rejected, Schema, Text, Value, ValueType, quote_text, read_text

MOST_NODES = 500  # values of a template; aliases can make a short file unfold without end
LONGEST_TEMPLATE = 16_000  # characters
LONGEST_ARGUMENT = 4_000  # characters

_LOCAL_PART = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")  # RFC 5322's atoms, without quotes
_CHANNEL = re.compile(r"[a-z0-9][-a-z0-9]{0,39}")
_TAG = re.compile(r"[^\s,]{1,40}")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # RFC 9110, section 5.6.2
# Headers that the request itself needs: two of them would make it another one.
_OWN_HEADERS = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key", "expect", "te")
)


def _read_mail_address(value: Value) -> str:
    text = read_text(value)
    local, _, domain = text.rpartition("@")
    if not _LOCAL_PART.fullmatch(local) or not is_host(domain):
        value.reject("must be the address of a mailbox", "write it as name@example.com, without a name before it")
    return text


def _read_header_value(value: Value) -> str:
    text = read_text(value)
    if not text.isascii():
        value.reject("must be ASCII", "write the header's value without umlauts and the like")
    return text


def _read_tag(value: Value) -> str:
    text = read_text(value)
    if not _TAG.fullmatch(text):
        value.reject("must be one word", "write each tag alone, without blanks and commas, at most 40 characters")
    return text


def check_channel_name(value: Value, name: str) -> None:
    """Raises Rejected where ``name`` is none for commands, the state file and the labels of metrics."""
    if not _CHANNEL.fullmatch(name):
        value.reject("is not the name of a channel", "use a-z, 0-9 and hyphens, at most 40 of them")


def check_header_name(value: Value, name: str) -> None:
    """Raises Rejected where ``name`` is none of a header that a channel may set."""
    if not _HEADER_NAME.fullmatch(name):
        value.reject("is not the name of an HTTP header", "write a name such as X-Site or Authorization")
    if name.lower() in _OWN_HEADERS:
        value.reject("is set by connmon-agent", "remove it")


class Argument(ValueType[str]):
    """An argument of a program: any text that an argument can be, in quotes also an empty one."""

    limits = "text"

    def schema(self) -> Schema:
        return {"type": "string", "maxLength": LONGEST_ARGUMENT}

    def read(self, value: Value) -> str:
        scalar = value.scalar("text")
        text = scalar.text if scalar.quoted else read_text(value)
        if "\0" in text or len(text) > LONGEST_ARGUMENT:
            value.reject("cannot be an argument", f"write at most {LONGEST_ARGUMENT} characters, none of them NUL")
        return text

    def write(self, found: str) -> str:
        return quote_text(found, always=True)


class Template(ValueType[str]):
    """Keys and values that become JSON, which is what the settings hold. Texts may name fields in braces."""

    limits = "keys and values"

    def schema(self) -> Schema:
        return {"type": "object"}

    def read(self, value: Value) -> str:
        if not isinstance(value.node, MappingNode):
            value.reject("must contain keys and values", 'write them below it, as text: "{subject}"')
        found = json.dumps(_Unfolding(value).unfold(value.node), ensure_ascii=False)
        if len(found) > LONGEST_TEMPLATE:
            value.reject("is too long", f"write at most {LONGEST_TEMPLATE} characters")
        return found

    def write(self, found: str) -> str:
        return _write(json.loads(found))


class _Unfolding:
    """Nodes as the values that JSON has. Raises Rejected for a field that there is not, and for too many values."""

    def __init__(self, value: Value) -> None:
        self.value, self.left = value, MOST_NODES

    def unfold(self, node: Node) -> Any:
        self.left -= 1
        if self.left < 0:
            self.value.reject("is too long", f"write at most {MOST_NODES} values")
        if isinstance(node, MappingNode):
            return {entry.key: self.unfold(entry.node) for entry in node.entries.values()}
        if isinstance(node, ListNode):
            return [self.unfold(item) for item in node.items]
        if isinstance(node.value, str):
            self._check(node.value, node.line)
        return node.value

    def _check(self, text: str, line: int) -> None:
        for name in find_fields(text):
            if name not in FIELDS:
                message, remedy = (
                    f"names {{{name}}}, which is no field of a notice",
                    f"the fields are {', '.join(FIELDS)}",
                )
                self.value.problems.add(message, line=line, key=self.value.key, remedy=remedy)
                raise Rejected


def _write(found: Any) -> str:
    """``found`` as YAML on one line: JSON, but for the characters that its writers escape in two halves."""
    if isinstance(found, dict):
        return f"{{{', '.join(f'{quote_text(key, always=True)}: {_write(each)}' for key, each in found.items())}}}"
    if isinstance(found, list):
        return f"[{', '.join(map(_write, found))}]"
    return quote_text(found, always=True) if isinstance(found, str) else json.dumps(found)


MAIL_ADDRESS = Text(_read_mail_address, "the address of a mailbox", quoted=True)
HEADER = Text(_read_header_value, "ASCII", quoted=True)
TAG = Text(_read_tag, "a word")
ARGUMENT = Argument()
TEMPLATE = Template()

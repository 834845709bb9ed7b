"""The JSON Schema of ``connmon.yaml``, made by asking the readers of the file what they read.

A key that is added to a reader is thereby in the schema. What a schema cannot say, such as that a quorum is above the
number of targets, is left to ``config check``.
"""

from __future__ import annotations

import re
from pathlib import Path

from .connmon_files import read_connmon_file
from .descriptions import write_seconds
from .documents import parse_document
from .durations import DURATION_PATTERN
from .file_paths import PathRules
from .problems import Question
from .values import schema_of

_ANY = "ANY"  # stands in the sample for the names of services and registries
# A file that makes each reader ask for all of its keys.
_SAMPLE = f"""\
link:
  targets:
    - {{kind: tcp, host: a, port: 1}}
    - {{kind: dns, server: 192.0.2.1, name: a}}
    - {{kind: http, url: "http://a/"}}
    - {{kind: icmp, host: b}}
    - {{kind: gateway}}
    - {{kind: interface}}
recovery: {{when: {{outage_longer_than: 1s}}}}
kubernetes: {{registries: {{{_ANY}: none}}}}
services: {{{_ANY.lower()}: {{}}}}
"""
_KINDS = ("tcp", "dns", "http", "icmp", "gateway", "interface")  # of the targets, in their order
_NUMBERED = re.compile(r"\[(\d+)\]")

Schema = dict[str, object]


class _Place:
    """One key while its questions are gathered."""

    def __init__(self) -> None:
        self.question: Question | None = None
        self.below: dict[str, _Place] = {}

    def find(self, path: list[str]) -> _Place:
        """The place of a key below this one, which is made where it is missing."""
        return self.below.setdefault(path[0], _Place()).find(path[1:]) if path else self

    def write(self) -> Schema:
        """The schema of what may stand here."""
        own = _write_question(self.question) if self.question and self.question.read else {}
        if not self.below:
            return own
        mapping = self.write_mapping()
        return {"anyOf": [own, mapping]} if own else mapping

    def write_mapping(self) -> Schema:
        """A section of which nothing is left but comments is ``null``, which is allowed."""
        if list(self.below) in ([_ANY], [_ANY.lower()]):
            (each,) = self.below.values()
            return {"type": ["object", "null"], "additionalProperties": each.write()}
        schema: Schema = {"type": ["object", "null"], "additionalProperties": False}
        schema["properties"] = {name: place.write() for name, place in self.below.items()}
        needed = [name for name, place in self.below.items() if place.question and place.question.needed]
        return {**schema, "type": "object", "required": needed} if needed else schema


def make_schema() -> Schema:
    """The schema, by draft 2020-12."""
    root = _Place()
    for question in _ask():
        root.find(_NUMBERED.sub(r".\1", question.key).split(".")).question = question
    for name in ("deployment", "statefulset", "daemonset"):  # a service asks for the one kind that it is of
        root.find(["services", _ANY.lower(), name]).question = root.find(
            ["services", _ANY.lower(), "deployment"]
        ).question
    targets = root.find(["link", "targets"])
    kinds = [_write_target(kind, place) for kind, place in zip(_KINDS, targets.below.values(), strict=True)]
    targets.below = {}
    schema = root.write()
    _set_targets(schema, {"type": "array", "minItems": 1, "items": {"oneOf": kinds}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "connmon.yaml, the configuration of connmon-agent",
        **schema,
    }


def _ask() -> list[Question]:
    path = Path("/connmon.yaml")
    document = parse_document(_SAMPLE, path)
    asked: list[Question] = []
    document.problems.asked = asked
    read_connmon_file(document, PathRules(path.parent, None, {}, "linux"))
    return asked


def _write_target(kind: str, place: _Place) -> Schema:
    schema = place.write_mapping()
    properties, required = schema["properties"], schema.get("required", [])
    assert isinstance(properties, dict) and isinstance(required, list)
    return {
        **schema,
        "type": "object",
        "properties": {**properties, "kind": {"const": kind}},
        "required": ["kind", *required],
    }


def _set_targets(schema: Schema, targets: Schema) -> None:
    link = schema["properties"]["link"]  # type: ignore[index]
    link["properties"]["targets"] = targets


def _write_question(question: Question) -> Schema:
    assert question.read is not None
    schema = dict(schema_of(question.read))
    default = question.default
    if question.needed or not schema or not isinstance(default, bool | int | float | str):
        return schema
    if _is_duration(schema) and isinstance(default, int | float):
        default = write_seconds(default)
    return {**schema, "default": default}


def _is_duration(schema: Schema) -> bool:
    choices = schema.get("anyOf")
    return isinstance(choices, list) and any(each.get("pattern") == DURATION_PATTERN for each in choices)

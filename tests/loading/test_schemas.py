"""The JSON Schema says what the readers of connmon.yaml say, as far as a schema can."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import given
from tests.fakes.wine import on_wine
from tests.loading.test_descriptions import settings_of_all_kinds

from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.descriptions import describe_settings, make_schema
from connmon_agent.loading.documents import parse_document
from connmon_agent.loading.nodes import ListNode, MappingNode, Node
from connmon_agent.settings import Settings

if on_wine():
    pytest.skip("Wine lacks a DLL that jsonschema needs", allow_module_level=True)

jsonschema = pytest.importorskip("jsonschema")
ROOT = Path(__file__).parents[2]
SCHEMA: Any = make_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def find_errors(text: str) -> list[str]:
    root = parse_document(text, Path("connmon.yaml")).root
    return [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(value_of(root))]


def value_of(node: Node) -> Any:
    """What an editor's YAML reader makes of it."""
    if isinstance(node, ListNode):
        return [value_of(item) for item in node.items]
    if isinstance(node, MappingNode):
        return {entry.key: value_of(entry.node) for entry in node.entries.values()}
    return node.value


def find(path: str) -> Any:
    found = SCHEMA
    for name in path.split("."):
        found = found["properties"][name]
    return found


def list_keys(schema: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that a file can hold, with its schema."""
    for name, below in schema.get("properties", {}).items():
        yield f"{path}.{name}".strip("."), below
        yield from list_keys(below, f"{path}.{name}")
    each_of_many = [
        schema.get("additionalProperties"),
        *schema.get("anyOf", ()),
        *schema.get("items", {}).get("oneOf", ()),
    ]
    for each in filter(None, each_of_many):
        yield from list_keys(each, path)


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("text", [(ROOT / "config" / "connmon.yaml").read_text(), "link:\n", "services: {}\n"])
def test_good_files_are_good(text: str) -> None:
    assert find_errors(text) == []


@hypothesis.settings(max_examples=8)
@given(settings_of_all_kinds())
def test_whatever_can_be_configured_is_good(settings: Settings) -> None:
    assert find_errors(describe_settings(settings)) == []


@pytest.mark.parametrize(
    "text",
    [
        "network: {}",
        "link: {check_intervall: 1s}",
        "link: {check_interval: 1 second}",
        "link: {check_interval: 2h1}",
        "link: {check_interval: 7200}",
        "link: {fall: 0}",
        "link: {fall: '3'}",
        "link: {metered: sometimes}",
        "link: {targets: []}",
        "link: {targets: [{kind: tcp, host: a}]}",
        "link: {targets: [{kind: gateway, host: a}]}",
        "link: {targets: [{kind: pigeon}]}",
        "recovery: {when: never}",
        "recovery: {when: {outage_longer: 1s}}",
        "recovery: {backoff: 1s}",
        "services: {a: {depend_on: []}}",
        "services: {a: {port: 65536}}",
        "services: {a: {alternatives: 8080}}",
        "forwards: {transport: pigeon}",
        "logging: {level: loud}",
        "start: {enabled: 'yes'}",
    ],
)
def test_what_the_readers_refuse_the_schema_refuses(tmp_path: Path, text: str) -> None:
    assert find_errors(text) != []
    path = tmp_path / "connmon.yaml"
    path.write_text(text)
    with pytest.raises(Exception, match=r"connmon\.yaml:1"):
        load_settings(path, state_dir=tmp_path, environment={})


def test_every_key_has_a_form_and_says_what_it_means() -> None:
    found = list(list_keys(SCHEMA))
    assert len(found) > 80
    assert [key for key, schema in found if not {"type", "anyOf", "enum", "const"} & schema.keys()] == []
    assert [key for key, schema in found if not schema.get("description") or "](" in schema["description"]] == []


def test_defaults_are_told_as_a_file_writes_them() -> None:
    assert (find("link.check_interval")["default"], find("link.fall")["default"]) == ("2s", 3)
    assert (find("recovery.act")["default"], find("start.mode")["default"]) == (True, "background")

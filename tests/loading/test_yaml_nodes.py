from __future__ import annotations

from typing import Any

import pytest
import yaml

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.nodes import MAX_DEPTH, ListNode, MappingNode, Node, ScalarNode, show_node
from connmon_agent.loading.problems import Problems
from connmon_agent.loading.yaml_nodes import FASTEST_LOADER, parse_yaml

LOADERS = [pytest.param(FASTEST_LOADER, id="fastest"), pytest.param(yaml.SafeLoader, id="pure Python")]


def parse(text: str, loader: Any = FASTEST_LOADER) -> Node | None:
    problems = Problems("f.yaml")
    root = parse_yaml(text, problems, loader=loader)
    assert problems.found == []
    return root


def read_value(text: str, loader: Any = FASTEST_LOADER) -> object:
    root = parse(f"key: {text}\n", loader)
    assert isinstance(root, MappingNode)
    node = root.entries["key"].node
    assert isinstance(node, ScalarNode)
    return node.value


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ('""', ""),
        ("true", True),
        ("False", False),
        ("on", "on"),
        ("off", "off"),
        ("yes", "yes"),
        ("No", "No"),
        ("y", "y"),
        ('"true"', "true"),
        ("5", 5),
        ("-5", -5),
        ("0", 0),
        ("2.5", 2.5),
        ("1e3", 1000.0),
        ("1:30", "1:30"),
        ("02:00", "02:00"),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        (".inf", ".inf"),
        ("2026-11-23", "2026-11-23"),
        ("9" * 5000, "9" * 5000),
        ("!!str 5", "5"),
        ("1.1.1.1", "1.1.1.1"),
    ],
)
def test_only_plain_decimal_numbers_null_true_and_false_are_more_than_text(
    loader: Any, text: str, value: object
) -> None:
    found = read_value(text, loader)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("loader", LOADERS)
def test_every_key_and_value_knows_its_line(loader: Any) -> None:
    root = parse("# a comment\nlink:\n  fall: 3\n\n  targets:\n    - {kind: tcp}\n    -\n      kind: dns\n", loader)
    assert isinstance(root, MappingNode)
    link = root.entries["link"]
    assert isinstance(link.node, MappingNode)
    targets = link.node.entries["targets"]
    assert isinstance(targets.node, ListNode)
    assert (link.line, link.node.entries["fall"].node.line, targets.line) == (2, 3, 5)
    assert [item.line for item in targets.node.items] == [6, 8]


@pytest.mark.parametrize("loader", LOADERS)
def test_duplicates_tags_and_merge_keys_are_noted_and_the_rest_is_still_read(loader: Any) -> None:
    problems = Problems("f.yaml")
    text = "a: &x {b: 1, b: 2}\nc:\n  - !set {d: 1}\n  - <<: *x\nc: 3\n"
    root = parse_yaml(text, problems, loader=loader)
    assert isinstance(root, MappingNode)
    assert list(root.entries) == ["a", "c"]
    assert sorted(str(problem) for problem in problems.found) == [
        "f.yaml:1: a.b: duplicate key, first at line 1 (got 2); keep one of the two",
        "f.yaml:3: c[0]: tags are not supported (got !set); remove the tag",
        "f.yaml:4: c[1].<<: merge keys are not supported; write the settings out where they are meant",
        "f.yaml:5: c: duplicate key, first at line 2 (got 3); keep one of the two",
    ]


@pytest.mark.parametrize("loader", LOADERS)
def test_an_alias_repeats_its_value(loader: Any) -> None:
    root = parse("first: &pause 10s\nmax: *pause\n", loader)
    assert isinstance(root, MappingNode)
    assert root.entries["max"].node == root.entries["first"].node


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize(
    ("text", "line", "remedy"),
    [
        pytest.param("a: 1\n\tb: 2\n", 2, "indent with spaces: YAML allows no tabs", id="tab"),
        pytest.param("a: 1\nb: c: d\n", 2, "look at this line", id="two colons"),
        pytest.param("a: 1\nb: [1, 2\n", 2, "look at this line", id="open bracket"),
        pytest.param("a: 1\nb: 'x\nc: 2\n", 2, "look at this line", id="open quote"),
        pytest.param("- a\nb: c\n", 2, "look at this line", id="list and mapping"),
        pytest.param("a: @x\n", 1, "look at this line", id="reserved character"),
        pytest.param("a: 1\n---\nb: 2\n", 2, "keep one document per file", id="two documents"),
        pytest.param("a: 1\nb: *x\n", 2, "write the value itself", id="unknown alias"),
        pytest.param("a: &x [*x]\n", 1, "write the value itself", id="recursion"),
        pytest.param("{[a]: 1}\n", 1, "write a plain name", id="list as key"),
    ],
)
def test_what_is_not_yaml_is_refused_at_its_line(loader: Any, text: str, line: int, remedy: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, Problems("f.yaml"), loader=loader)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert str(problem.remedy).startswith(remedy)


@pytest.mark.parametrize("loader", LOADERS)
@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_depth_is_bounded(opening: str, loader: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"nest deeper than {MAX_DEPTH} levels"):
        parse_yaml(opening * 5_000, Problems("f.yaml"), loader=loader)


def test_nothing_but_comments_is_nothing() -> None:
    assert parse("# link:\n") is None


@pytest.mark.parametrize("before", range(0, 80, 8))
def test_no_part_of_a_credential_is_left_where_the_value_is_cut(before: int) -> None:
    secret = "cm9ib3Q6aGx5ME0zZTltTjJUbVBBYXZ0TnJMUmxoUkNpaDZMd205UVR3dHoyZQ=="
    text = " " * before + '{"auths": {"registry.example": {"auth": "' + secret + '"}}}'
    assert secret[:8] not in show_node(ScalarNode(text, text, 1, quoted=True))

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.errors import ConfigurationError
from connmon_agent.loading.json_nodes import parse_json
from connmon_agent.loading.nodes import ListNode, MappingNode, Node, ScalarNode
from connmon_agent.loading.problems import Problems

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def unfold(node: Node) -> object:
    if isinstance(node, MappingNode):
        return {key: unfold(entry.node) for key, entry in node.entries.items()}
    if isinstance(node, ListNode):
        return [unfold(item) for item in node.items]
    return node.value


@given(VALUES, st.sampled_from([None, 0, 2, "\t"]), st.booleans())
def test_every_json_document_is_read_as_json_reads_it(value: Any, indent: int | str | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    problems = Problems("f.json")
    assert unfold(parse_json(text, problems)) == json.loads(text)
    assert problems.found == []


def test_lines_are_counted_through_tabs_blank_lines_and_windows_line_ends() -> None:
    root = parse_json('{\r\n\t"a": {\r\n\r\n\t\t"b": [1,\r\n2]}}', Problems("f.json"))
    assert isinstance(root, MappingNode)
    inner = root.entries["a"].node
    assert isinstance(inner, MappingNode)
    items = inner.entries["b"].node
    assert isinstance(items, ListNode)
    assert (root.entries["a"].line, inner.entries["b"].line) == (2, 4)
    assert [item.line for item in items.items] == [4, 5]


def test_text_is_known_from_numbers() -> None:
    root = parse_json('["5", 5, "on", "C:\\\\ERP"]', Problems("f.json"))
    assert isinstance(root, ListNode)
    assert [item.quoted for item in root.items if isinstance(item, ScalarNode)] == [True, False, True, True]
    assert [item.text for item in root.items if isinstance(item, ScalarNode)] == ["5", "5", "on", "C:\\ERP"]


def test_duplicate_keys_are_noted_with_their_path() -> None:
    problems = Problems("f.json")
    root = parse_json('{"a": [{"b": 1,\n "b": 2}]}', problems)
    assert unfold(root) == {"a": [{"b": 1}]}
    assert [str(problem) for problem in problems.found] == [
        "f.json:2: a[0].b: duplicate key, first at line 1 (got 2); keep one of the two"
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            '{\n  // how often\n  "CheckInterval": 30\n}',
            "f.json:2: this is not JSON: Expecting property name enclosed in double quotes; "
            "remove the comment; JSON does not allow comments",
            id="comment",
        ),
        pytest.param(
            '{\n  "LogDir": "C:\\ERP"\n}',
            "f.json:2: this is not JSON: Invalid \\escape; write each backslash twice: C:\\\\ERP\\\\logs",
            id="single backslashes",
        ),
        pytest.param(
            '{"a": 1,,\n "b": 2\n}',
            "f.json:1: this is not JSON: Expecting property name enclosed in double quotes; "
            "look at this line and the one before it: a missing or extra comma, quote or bracket",
            id="comma too many",
        ),
        pytest.param(
            '{"Logging": {"Level": "Info"}\n',
            "f.json:2: this is not JSON: Expecting ',' delimiter; "
            "the file ends too early: add the missing closing brackets } or ] at its end",
            id="bracket missing before a line feed",
        ),
        pytest.param(
            "\n\n{\x0b1}",
            "f.json:3: this is not JSON: Expecting property name enclosed in double quotes; "
            "look at this line and the one before it: a missing or extra comma, quote or bracket",
            id="what only Python takes for a line end",
        ),
        pytest.param(
            '{"CheckInterval": 2,5}',
            "f.json:1: this is not JSON: Expecting property name enclosed in double quotes; "
            "write decimal numbers with a point: 2.5",
            id="decimal comma",
        ),
        pytest.param(
            '{"a": 1\n "b": 2}',
            "f.json:2: this is not JSON: Expecting ',' delimiter; "
            "look at this line and the one before it: a missing or extra comma, quote or bracket",
            id="comma missing",
        ),
        pytest.param(
            '{"a": NaN}',
            "f.json: this is not JSON: NaN is not a JSON number; write a decimal number",
            id="not a number",
        ),
        pytest.param("[" * 150 + "]" * 150, "f.json:1: lists and mappings nest deeper than 100 levels", id="deep"),
        pytest.param("[" * 100_000, "f.json: lists and mappings nest deeper than 100 levels", id="very deep"),
    ],
)
def test_what_is_not_json_is_refused_in_words(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_json(text, Problems("f.json"))
    assert str(caught.value) == message


@given(VALUES, st.integers(0, 3))
def test_a_comma_after_the_last_item_means_nothing(value: Any, indent: int) -> None:
    plain = json.dumps([value, {"last": ',]"}'}], indent=indent)
    trailing = plain.removesuffix("]").rstrip() + " ,\r\n]"
    assert unfold(parse_json(trailing, Problems("f.json"))) == json.loads(plain)


@given(VALUES, st.integers(0))
def test_a_file_that_was_cut_off_gets_one_line(value: Any, place: int) -> None:
    text = json.dumps({"Logging": value}, indent=1) + "\n"
    cut = text[: place % (len(text) - 2)]
    with pytest.raises(ConfigurationError) as caught:
        parse_json(cut, Problems("f.json"))
    (problem,) = caught.value.problems
    assert problem.line is not None and "this is not JSON" in problem.message

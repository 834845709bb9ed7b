"""JSON Patch by RFC 6902 appendix A and JSON Merge Patch by RFC 7396 appendix A, case by case."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from connmon_lab.kubernetes.patches import PatchFailed, PatchMalformed, apply_json_patch, apply_merge_patch

RFC_6902 = [
    pytest.param(
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux"}],
        {"baz": "qux", "foo": "bar"},
        id="A.1-add-member",
    ),
    pytest.param(
        {"foo": ["bar", "baz"]},
        [{"op": "add", "path": "/foo/1", "value": "qux"}],
        {"foo": ["bar", "qux", "baz"]},
        id="A.2-add-element",
    ),
    pytest.param(
        {"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}, id="A.3-remove-member"
    ),
    pytest.param(
        {"foo": ["bar", "qux", "baz"]},
        [{"op": "remove", "path": "/foo/1"}],
        {"foo": ["bar", "baz"]},
        id="A.4-remove-element",
    ),
    pytest.param(
        {"baz": "qux", "foo": "bar"},
        [{"op": "replace", "path": "/baz", "value": "boo"}],
        {"baz": "boo", "foo": "bar"},
        id="A.5-replace",
    ),
    pytest.param(
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        id="A.6-move-member",
    ),
    pytest.param(
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
        id="A.7-move-element",
    ),
    pytest.param(
        {"baz": "qux", "foo": ["a", 2, "c"]},
        [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
        {"baz": "qux", "foo": ["a", 2, "c"]},
        id="A.8-test-succeeds",
    ),
    pytest.param(
        {"foo": "bar"},
        [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
        {"foo": "bar", "child": {"grandchild": {}}},
        id="A.10-add-nested",
    ),
    pytest.param(
        {"foo": "bar"},
        [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
        {"foo": "bar", "baz": "qux"},
        id="A.11-unrecognized-element",
    ),
    pytest.param(
        {"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}, id="A.14-escape-order"
    ),
    pytest.param(
        {"foo": ["bar"]},
        [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
        {"foo": ["bar", ["abc", "def"]]},
        id="A.16-append",
    ),
    pytest.param({"foo": 1}, [{"op": "replace", "path": "", "value": [1]}], [1], id="replace-the-document"),
    pytest.param(
        {"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}}, id="copy"
    ),
    pytest.param({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}, id="move-onto-itself"),
    pytest.param({"a": 1}, [{"op": "test", "path": "/b", "value": None}], {"a": 1}, id="kubernetes-null-is-missing"),
    pytest.param({"a": 1}, [], {"a": 1}, id="no-operation"),
]

RFC_6902_FAILURES = [
    pytest.param({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], id="A.9-test-fails"),
    pytest.param({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}], id="A.12-add-to-nothing"),
    pytest.param({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": "10"}], id="A.15-text-is-no-number"),
    pytest.param({"a": 1}, [{"op": "test", "path": "/a", "value": True}], id="true-is-no-number"),
    pytest.param({"a": 1}, [{"op": "test", "path": "/b/c", "value": None}], id="test-below-nothing"),
    pytest.param({"a": 1}, [{"op": "remove", "path": "/b"}], id="remove-nothing"),
    pytest.param({"a": 1}, [{"op": "replace", "path": "/b", "value": 1}], id="replace-nothing"),
    pytest.param({"a": [1]}, [{"op": "add", "path": "/a/2", "value": 1}], id="beyond-the-end"),
    pytest.param({"a": [1, 2]}, [{"op": "remove", "path": "/a/01"}], id="leading-zero"),
    pytest.param({"a": [1]}, [{"op": "replace", "path": "/a/-", "value": 1}], id="after-the-end"),
    pytest.param({"a": {"b": 1}}, [{"op": "move", "from": "/a", "path": "/a/b"}], id="move-into-itself"),
    pytest.param({"a": 1}, [{"op": "add", "path": "a", "value": 1}], id="pointer-without-slash"),
    pytest.param({"a": 1}, [{"op": "add", "path": "/a"}], id="no-value"),
    pytest.param({"a": 1}, [{"op": "spam", "path": "/a"}], id="unknown-operation"),
    pytest.param({"a": "x"}, [{"op": "add", "path": "/a/b", "value": 1}], id="below-a-text"),
]


@pytest.mark.parametrize(("document", "patch", "result"), RFC_6902)
def test_json_patch(document: Any, patch: Any, result: Any) -> None:
    before = deepcopy(document)
    assert apply_json_patch(document, patch) == result
    assert document == before, "what was given is not changed"


@pytest.mark.parametrize(("document", "patch"), RFC_6902_FAILURES)
def test_a_json_patch_that_cannot_be_applied(document: Any, patch: Any) -> None:
    with pytest.raises(PatchFailed):
        apply_json_patch(document, patch)


@pytest.mark.parametrize("patch", [{}, "patch", None, ["add"]])
def test_what_is_no_json_patch(patch: Any) -> None:
    with pytest.raises(PatchMalformed):
        apply_json_patch({}, patch)


RFC_7396 = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    (["a", "b"], ["c", "d"], ["c", "d"]),
    ({"a": "b"}, ["c"], ["c"]),
    ({"a": "foo"}, None, None),
    ({"a": "foo"}, "bar", "bar"),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("document", "patch", "result"), RFC_7396)
def test_merge_patch(document: Any, patch: Any, result: Any) -> None:
    before = deepcopy(document)
    assert apply_merge_patch(document, patch) == result
    assert document == before

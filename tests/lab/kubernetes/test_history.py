"""Which restart token a request writes."""

from __future__ import annotations

from typing import Any

import pytest

from connmon_lab.kubernetes.history import find_token

POINTER = "/spec/template/metadata/annotations/connmon.io~1restart-token"


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (None, None),
        ({}, None),
        ({"spec": {"template": {"metadata": {"annotations": {"connmon.io/restart-token": "t"}}}}}, "t"),
        ([{"op": "add", "path": POINTER, "value": "t"}], "t"),
        ([{"op": "test", "path": POINTER, "value": "old"}, {"op": "replace", "path": POINTER, "value": "t"}], "t"),
        ([{"op": "test", "path": POINTER, "value": "old"}], None),
        (
            [
                {
                    "op": "add",
                    "path": "/spec/template/metadata/annotations",
                    "value": {"connmon.io/restart-token": "t"},
                }
            ],
            "t",
        ),
        (["no operation"], None),
    ],
)
def test_the_token_of_a_request(body: Any, token: str | None) -> None:
    assert find_token(body) == token

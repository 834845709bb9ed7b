"""What an answer may hold before it is parsed: its values are counted from above."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.errors import ClusterError
from connmon_agent.kube import limits
from connmon_agent.kube.limits import check_values

SCALARS = st.none() | st.booleans() | st.integers() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))


def count(value: Any) -> int:
    """The values in a JSON document, itself included."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(count, inner))


@given(JSON)
def test_no_document_of_more_values_passes(document: Any) -> None:
    values = count(document)
    for compact in (",", ", "):
        body = json.dumps(document, separators=(compact, ":")).encode()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(limits, "MAX_VALUES", values - 2)  # the outermost stands after nothing that is counted
            with pytest.raises(ClusterError, match=r"sent JSON of more than -?\d+ values"):
                check_values(body, "https://10.0.0.1:6443")


def test_a_page_of_pods_passes() -> None:
    fields = {f"f:{name}": {} for name in range(300)}
    pod = {"metadata": {"name": "web", "managedFields": [{"fieldsV1": fields}] * 3}}
    check_values(json.dumps({"items": [pod] * 100}).encode(), "https://10.0.0.1:6443")


@pytest.mark.parametrize("unit", [b"[],", b"{},", b"0,", b'"":[[[['], ids=["lists", "objects", "numbers", "nested"])
def test_what_would_fill_the_memory_is_refused_before_it_is_parsed(unit: bytes) -> None:
    body = unit * (limits.MAX_BODY // len(unit))
    with pytest.raises(ClusterError, match="sent JSON of more than 500000 values") as caught:
        check_values(body, "https://10.0.0.1:6443")
    assert caught.value.kind == "protocol"

"""Strategic merge patch, as far as a restarter uses it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from connmon_lab.kubernetes.patches import PatchMalformed
from connmon_lab.kubernetes.strategic import MergeKeyMissing, apply_strategic_merge_patch

WEB = {"name": "web", "image": "web:1"}
SIDECAR = {"name": "sidecar", "image": "log:1"}


def of(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


CASES = [
    pytest.param({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}, id="objects-merge"),
    pytest.param({"a": {"b": 1}}, {"a": {"b": None}}, {"a": {}}, id="null-removes"),
    pytest.param({"args": ["a"]}, {"args": ["b"]}, {"args": ["b"]}, id="other-lists-are-replaced"),
    pytest.param(
        of(WEB, SIDECAR),
        of({"name": "web", "image": "web:2"}),
        of({"name": "web", "image": "web:2"}, SIDECAR),
        id="containers-merge-by-name",
    ),
    pytest.param(of(WEB), of(SIDECAR), of(SIDECAR, WEB), id="a-new-item-comes-first"),
    pytest.param(
        of(SIDECAR, WEB), of({"name": "web", "tty": True}), of(SIDECAR, {**WEB, "tty": True}), id="the-order-stays"
    ),
    pytest.param(of(WEB, SIDECAR), of({"name": "web", "$patch": "delete"}), of(SIDECAR), id="delete-an-item"),
    pytest.param(of(WEB), of(SIDECAR, {"$patch": "replace"}), of(SIDECAR), id="replace-the-list"),
    pytest.param(
        of({**WEB, "ports": [{"containerPort": 80, "name": "http"}]}),
        of({"name": "web", "ports": [{"containerPort": 80, "protocol": "TCP"}]}),
        of({**WEB, "ports": [{"containerPort": 80, "name": "http", "protocol": "TCP"}]}),
        id="container-ports-by-containerPort",
    ),
    pytest.param(
        {"spec": {"ports": [{"port": 80, "name": "http"}]}},
        {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}},
        {"spec": {"ports": [{"port": 80, "name": "http", "targetPort": 8080}]}},
        id="service-ports-by-port",
    ),
    pytest.param({"a": {"b": 1}}, {"a": {"c": 1, "$patch": "replace"}}, {"a": {"c": 1}}, id="replace-an-object"),
    pytest.param({"a": {"b": 1}}, {"a": {"$patch": "delete"}}, {"a": {}}, id="delete-an-object"),
    pytest.param(
        {"strategy": {"type": "RollingUpdate", "rollingUpdate": {}}},
        {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}},
        {"strategy": {"type": "Recreate"}},
        id="retain-keys",
    ),
    pytest.param(of(WEB), {"spec": {"$setElementOrder/containers": [{"name": "web"}]}}, of(WEB), id="element-order"),
]


@pytest.mark.parametrize(("document", "patch", "result"), CASES)
def test_strategic_merge_patch(document: Any, patch: Any, result: Any) -> None:
    before = deepcopy(document)
    assert apply_strategic_merge_patch(document, patch) == result
    assert document == before


def test_an_item_without_its_merge_key() -> None:
    with pytest.raises(MergeKeyMissing, match="does not contain declared merge key: name"):
        apply_strategic_merge_patch(of(WEB), of({"image": "web:2"}))


def test_what_is_no_patch() -> None:
    with pytest.raises(PatchMalformed):
        apply_strategic_merge_patch({}, [])

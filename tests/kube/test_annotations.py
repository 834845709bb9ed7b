"""Who wrote the spec of an object."""

from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.kube.annotations import MOST_MANAGERS, list_managers


def entry(manager: str, time: str | None = "2026-11-23T10:00:00Z", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": "Update", "time": time, "fieldsType": "FieldsV1", **more}


@pytest.mark.parametrize(
    ("entries", "managers"),
    [
        pytest.param(None, (), id="none is noted"),
        pytest.param([entry("helm")], ("helm 2026-11-23T10:00:00Z",), id="one"),
        pytest.param([entry("helm", "1"), entry("flux", "2")], ("flux 2", "helm 1"), id="the newest first"),
        pytest.param(
            [entry("connmon-agent"), entry("kube-controller-manager"), entry("flux", "1")], ("flux 1",), id="duties"
        ),
        pytest.param(
            [entry("hpa", "1", subresource="scale"), entry("x", subresource="status")], ("hpa 1",), id="status"
        ),
        pytest.param([entry("helm", None), {"operation": "Update"}], ("helm ",), id="without time or name"),
        pytest.param([entry(f"m{n}", "1") for n in range(99)], None, id="many"),
    ],
)
def test_the_field_managers(entries: list[dict[str, Any]] | None, managers: tuple[str, ...] | None) -> None:
    found = list_managers({"metadata": {"managedFields": entries}})
    assert found == managers if managers is not None else len(found) == MOST_MANAGERS

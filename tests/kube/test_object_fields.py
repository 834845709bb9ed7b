"""Fields that may be missing or null are read as none, in whatever object of the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.kube.object_fields import (
    condition_of,
    has_finished,
    is_deleted,
    is_living,
    labels_of,
    list_statuses,
    metadata_of,
    name_of,
    owners_of,
    uid_of,
)


@pytest.mark.parametrize("manifest", [{}, {"metadata": None, "status": None}, {"metadata": {}, "status": {}}])
def test_an_object_without_fields_has_none(manifest: dict[str, Any]) -> None:
    assert (metadata_of(manifest), labels_of(manifest), list(owners_of(manifest)), list_statuses(manifest)) == (
        {},
        {},
        [],
        [],
    )
    assert is_living(manifest)
    assert condition_of(manifest, "Ready") == {}


def test_an_object_is_told_by_its_uid_and_without_one_by_its_name() -> None:
    assert uid_of({"metadata": {"name": "web", "uid": "1-2"}}) == "1-2"
    assert uid_of({"metadata": {"name": "web"}}) == name_of({"metadata": {"name": "web"}}) == "web"


@pytest.mark.parametrize(
    ("phase", "deleted", "living"),
    [
        ("Running", None, True),
        ("Pending", None, True),
        ("Unknown", None, True),
        ("Failed", None, False),
        ("Succeeded", None, False),
        ("Running", "2026-11-23T10:00:00Z", False),
    ],
)
def test_a_pod_lives_until_it_has_ended_or_is_deleted(phase: str, deleted: str | None, living: bool) -> None:
    pod = {"metadata": {"deletionTimestamp": deleted}, "status": {"phase": phase}}
    assert is_living(pod) is living
    assert (is_deleted(pod), has_finished(pod)) == (deleted is not None, phase in ("Failed", "Succeeded"))


def test_init_containers_come_first() -> None:
    status = {"containerStatuses": [{"name": "b"}], "initContainerStatuses": [{"name": "a"}]}
    assert [one["name"] for one in list_statuses({"status": status})] == ["a", "b"]


def test_a_condition_is_found_by_its_type() -> None:
    conditions = [{"type": "Scheduled", "status": "True"}, {"type": "Ready", "status": "False"}]
    assert condition_of({"status": {"conditions": conditions}}, "Ready")["status"] == "False"

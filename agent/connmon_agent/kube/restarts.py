"""One restart as a compare-and-set: a JSON Patch whose tests must hold, or the API server changes nothing.

A timestamp alone is not idempotent: a request that is delivered late would restart once more. With a test of what was
there before, each token takes effect at most once, whatever is lost, repeated or late.
"""

from __future__ import annotations

from ..core.effects import Restart
from ..core.timestamps import Timestamp
from .annotations import FIELD_MANAGER, REASON, RESTARTED_AT, TOKEN, format_time
from .requests import JSON_PATCH, ApiRequest, Json, workload_path

REASON_LENGTH = 500  # characters
_ANNOTATIONS = "/spec/template/metadata/annotations"


def patch_workload(restart: Restart, at: Timestamp) -> ApiRequest:
    """The request that restarts the workload, once."""
    return ApiRequest(
        "PATCH",
        workload_path(restart.kind, restart.namespace, restart.workload),
        restart.kind.value,
        query=(("fieldManager", FIELD_MANAGER),),
        body=build_patch(restart, at),
        content_type=JSON_PATCH,
    )


def build_patch(restart: Restart, at: Timestamp) -> list[Json]:
    """The operations (RFC 6902). A failing test is answered with 422, and nothing is changed."""
    return [*_build_tests(restart), *_build_changes(restart, at)]


def _build_tests(restart: Restart) -> list[Json]:
    tests: list[Json] = []
    if restart.uid is not None:
        tests.append({"op": "test", "path": "/metadata/uid", "value": restart.uid})
    if restart.previous_token is not None:
        tests.append({"op": "test", "path": _pointer(TOKEN), "value": restart.previous_token})
    else:
        tests.append({"op": "test", "path": "/metadata/generation", "value": restart.generation})
    return tests


def _build_changes(restart: Restart, at: Timestamp) -> list[Json]:
    values = {TOKEN: restart.token, RESTARTED_AT: format_time(at.wall), REASON: restart.reason[:REASON_LENGTH]}
    if not restart.annotated:  # RFC 6902 adds no member to an object that is not there
        return [{"op": "add", "path": _ANNOTATIONS, "value": values}]
    return [{"op": "add", "path": _pointer(key), "value": value} for key, value in values.items()]


def _pointer(annotation: str) -> str:
    return f"{_ANNOTATIONS}/{annotation.replace('~', '~0').replace('/', '~1')}"

"""What the containers of the embedded cluster have said."""

from __future__ import annotations

from typing import Any

import pytest

from connmon_lab.kubernetes.pod_logs import CRASH_LOG, read_log
from connmon_lab.kubernetes.statuses import ApiError


def pod(state: dict[str, Any], last: dict[str, Any] | None = None) -> dict[str, Any]:
    status = {"name": "web", "state": state, "lastState": last or {}}
    spec = {"containers": [{"name": "web"}]}
    return {"metadata": {"name": "web-1"}, "spec": spec, "status": {"containerStatuses": [status]}}


CRASHED = pod({"waiting": {"reason": "CrashLoopBackOff"}}, {"terminated": {"exitCode": 1}})


@pytest.mark.parametrize(
    ("one", "query", "log"),
    [
        (CRASHED, {"previous": "true"}, CRASH_LOG),
        (CRASHED, {"previous": "true", "container": "web", "tailLines": "1"}, CRASH_LOG.splitlines(keepends=True)[-1]),
        (CRASHED, {"previous": "true", "limitBytes": "7"}, CRASH_LOG[:7]),
        (pod({"running": {}}), {}, ""),
    ],
)
def test_the_end_of_a_log(one: dict[str, Any], query: dict[str, str], log: str) -> None:
    assert read_log(one, query) == log


@pytest.mark.parametrize(
    ("one", "query", "message"),
    [
        (CRASHED, {}, 'container "web" in pod "web-1" is waiting to start: CrashLoopBackOff'),
        (pod({"running": {}}), {"previous": "true"}, 'previous terminated container "web" in pod "web-1" not found'),
        (CRASHED, {"container": "no"}, "container no is not valid for pod web-1"),
    ],
)
def test_where_there_is_none(one: dict[str, Any], query: dict[str, str], message: str) -> None:
    with pytest.raises(ApiError) as caught:
        read_log(one, query)
    assert (caught.value.code, caught.value.message) == (400, message)

from __future__ import annotations

from typing import Any

import pytest

from connmon_agent.core.plan import Kind
from connmon_agent.kube.strategies import most_unavailable


def rolling(**limits: int | str) -> dict[str, Any]:
    return {"type": "RollingUpdate", "rollingUpdate": limits}


@pytest.mark.parametrize(
    ("strategy", "desired", "expected"),
    [
        pytest.param({}, 1, 0, id="the defaults of one replica: 25 % is 0"),
        pytest.param({}, 3, 0, id="the defaults of three: 25 % is 0"),
        pytest.param({}, 4, 1, id="the defaults of four: 25 % is 1"),
        pytest.param(rolling(maxSurge=1, maxUnavailable=0), 8, 0, id="a surge alone"),
        pytest.param(rolling(maxSurge=0, maxUnavailable=1), 1, 1, id="one in the place of the other"),
        pytest.param(rolling(maxSurge="0%", maxUnavailable="10%"), 1, 1, id="neither: the controller takes one"),
        pytest.param(rolling(maxSurge=1, maxUnavailable=5), 2, 2, id="more than there are"),
        pytest.param(rolling(maxUnavailable="50%"), 2, 1, id="half"),
        pytest.param({"type": "Recreate"}, 3, 3, id="all of them first"),
    ],
)
def test_what_the_rollout_of_a_deployment_takes_away(strategy: dict[str, Any], desired: int, expected: int) -> None:
    assert most_unavailable(Kind.DEPLOYMENT, {"spec": {"strategy": strategy}}, desired) == expected


@pytest.mark.parametrize(
    ("kind", "strategy", "desired", "expected"),
    [
        pytest.param(Kind.STATEFUL_SET, {}, 3, 1, id="a StatefulSet: one at a time"),
        pytest.param(Kind.STATEFUL_SET, rolling(partition=1), 3, 1, id="a StatefulSet with a partition"),
        pytest.param(Kind.STATEFUL_SET, rolling(maxUnavailable=2), 3, 2, id="a StatefulSet: two at a time"),
        pytest.param(Kind.STATEFUL_SET, rolling(maxUnavailable="40%"), 4, 1, id="a StatefulSet: rounded down"),
        pytest.param(Kind.STATEFUL_SET, rolling(maxUnavailable="10%"), 3, 1, id="a StatefulSet: one at least"),
        pytest.param(Kind.DAEMON_SET, rolling(maxUnavailable=1), 1, 1, id="a DaemonSet on one node"),
        pytest.param(Kind.DAEMON_SET, rolling(maxUnavailable="40%"), 3, 2, id="a DaemonSet: rounded up"),
        pytest.param(Kind.DAEMON_SET, rolling(maxSurge=1, maxUnavailable=0), 3, 0, id="a DaemonSet with a surge"),
    ],
)
def test_what_another_rollout_takes_away(kind: Kind, strategy: dict[str, Any], desired: int, expected: int) -> None:
    assert most_unavailable(kind, {"spec": {"updateStrategy": strategy}}, desired) == expected

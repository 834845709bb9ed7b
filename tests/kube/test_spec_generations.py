"""A status is about the spec of the generation that it names, and about the same spec of every later one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest
from tests.fakes.kube_sites import AT, plan, restart_of

from connmon_agent.core.observations import Observation, Rollout
from connmon_agent.kube.calls import Calls
from connmon_agent.kube.cluster import KubernetesCluster
from connmon_agent.kube.requests import ApiRequest, Json
from connmon_agent.kube.spec_generations import SpecGenerations

PATH = "/apis/apps/v1/namespaces/erp/deployments/web"
UNOBSERVED = (Rollout.UNDER_WAY, True)
COMPLETE = (Rollout.COMPLETE, False)


def deployment(generation: int, observed: int, *, template: str = "a", uid: str = "u-1") -> Json:
    """A Deployment whose one pod is there, as its controller last looked at generation ``observed``."""
    counts = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), 1)
    settled = {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}
    return {
        "metadata": {"name": "web", "uid": uid, "generation": generation},
        "spec": {"replicas": 1, "template": {"metadata": {"annotations": {"example.com/of": template}}}},
        "status": {"observedGeneration": observed, "conditions": [settled], **counts},
    }


class Answers:
    """The port of the requests, answered with one object after the other."""

    def __init__(self, *objects: Json) -> None:
        self._objects: Iterator[Json] = iter(objects)

    async def send(self, request: ApiRequest) -> Any:
        return next(self._objects)


def looks_at(*objects: Json) -> list[tuple[Rollout, bool]]:
    """Where the rollout stands, and whether it rolls, at one look after the other."""
    cluster = KubernetesCluster(cast(Calls, Answers(*objects)))

    async def look() -> Observation:
        seen = await cluster.inspect(plan("web"), closely=False)
        assert isinstance(seen, Observation), seen
        return seen

    return [(seen.rollout, seen.rolling) for seen in (asyncio.run(look()) for _ in objects)]


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        pytest.param([deployment(5, 4)], [UNOBSERVED], id="a first look cannot tell what was changed"),
        pytest.param([deployment(5, 4), deployment(9, 4)], [UNOBSERVED, UNOBSERVED], id="nothing was observed since"),
        pytest.param([deployment(5, 4), deployment(9, 5)], [UNOBSERVED, COMPLETE], id="annotated ever since"),
        pytest.param([deployment(4, 4), deployment(9, 4)], [COMPLETE, COMPLETE], id="only ever annotated"),
        pytest.param(
            [deployment(4, 4), deployment(5, 4, template="b"), deployment(8, 4, template="b")],
            [COMPLETE, UNOBSERVED, UNOBSERVED],
            id="a changed spec must be observed, however much is annotated after it",
        ),
        pytest.param(
            [deployment(4, 4), deployment(5, 4, template="b"), deployment(8, 5, template="b")],
            [COMPLETE, UNOBSERVED, COMPLETE],
            id="and it is enough that it was",
        ),
        pytest.param(
            [deployment(4, 4), deployment(2, 1, uid="u-2")], [COMPLETE, UNOBSERVED], id="another object of that name"
        ),
        pytest.param([deployment(9, 9), deployment(3, 3)], [COMPLETE, COMPLETE], id="a cluster put back by a backup"),
    ],
)
def test_what_the_controller_must_have_observed(objects: list[Json], expected: list[tuple[Rollout, bool]]) -> None:
    assert looks_at(*objects) == expected


def test_a_spec_that_this_agent_changes_is_looked_at_anew() -> None:
    """Somebody may have changed it back before the next look: the same spec then, and another generation's status."""
    before, patched, after = deployment(4, 4), deployment(5, 4, template="ours"), deployment(6, 5)
    cluster = KubernetesCluster(cast(Calls, Answers(before, patched, after)))

    async def story() -> Observation:
        seen = await cluster.inspect(plan("web"), closely=False)
        assert isinstance(seen, Observation)
        await cluster.restart(restart_of(plan("web"), seen), AT)
        after = await cluster.inspect(plan("web"), closely=False)
        assert isinstance(after, Observation)
        return after

    assert asyncio.run(story()).rolling


def test_an_object_without_a_generation_needs_none() -> None:
    assert SpecGenerations().find(PATH, {}) == 0

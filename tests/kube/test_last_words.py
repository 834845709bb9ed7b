from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.kube_sites import AT, plan, site

from connmon_agent.core.observations import Observation
from connmon_agent.kube.last_words import Crash, LastWords, find_crashes, read_log
from connmon_agent.kube.pods import find_trouble
from connmon_agent.kube.requests import ApiRequest, Json
from connmon_lab.kubernetes import Answer, EmbeddedKubernetes, Hang, Timing, manifests

WEB = plan("web")
ENDED = {"exitCode": 3, "reason": "Error"}
BACKOFF = {"waiting": {"reason": "CrashLoopBackOff"}}


def pod(name: str = "web-1", *, restarts: int = 4, **changes: Any) -> Json:
    status = {"name": "web", "state": BACKOFF, "lastState": {"terminated": ENDED}, "restartCount": restarts, **changes}
    return {"metadata": {"name": name, "uid": f"{name}-uid"}, "status": {"containerStatuses": [status]}}


@pytest.mark.parametrize(
    ("one", "crashes"),
    [
        pytest.param(pod(), [Crash("web-1", "web-1-uid", "web", 4, previous=True)], id="it waits for its next try"),
        pytest.param(
            pod(state={"running": {}}), [Crash("web-1", "web-1-uid", "web", 4, previous=True)], id="it tries again"
        ),
        pytest.param(
            pod(state={"terminated": ENDED}, lastState={}),
            [Crash("web-1", "web-1-uid", "web", 4, previous=False)],
            id="it has just ended",
        ),
        pytest.param(pod(lastState={"terminated": {**ENDED, "message": "boom"}}), [], id="it left a message"),
        pytest.param(pod(lastState={"terminated": {"exitCode": 0}}), [], id="it ended well"),
        pytest.param(pod(state={"waiting": {"reason": "ErrImagePull"}}, lastState={}), [], id="it never ran"),
        pytest.param({**pod(), "metadata": {"name": "a", "deletionTimestamp": "now"}}, [], id="it is being deleted"),
        pytest.param({**pod(), "status": {**pod()["status"], "phase": "Failed"}}, [], id="it has ended for good"),
        pytest.param(
            {**pod(), "status": {**pod()["status"], "conditions": [{"type": "Ready", "status": "True"}]}},
            [],
            id="it works again",
        ),
    ],
)
def test_a_crash_without_a_message_is_asked_about(one: Json, crashes: list[Crash]) -> None:
    assert list(find_crashes([one])) == crashes


@pytest.mark.parametrize("previous", [True, False])
def test_only_the_end_of_the_log_is_read(previous: bool) -> None:
    target = read_log("erp", Crash("web-1", "uid", "web", 1, previous=previous)).target
    before = "&previous=true" if previous else ""
    assert target == f"/api/v1/namespaces/erp/pods/web-1/log?container=web&tailLines=5&limitBytes=2000{before}"


class Api:
    """Answers with a log, and counts what it is asked."""

    def __init__(self, log: str | None) -> None:
        self.log = log
        self.asked: list[ApiRequest] = []

    async def ask(self, request: ApiRequest) -> Json | None:
        self.asked.append(request)
        return None if self.log is None else {"text": self.log}


@pytest.mark.parametrize(
    ("log", "told"), [("starting\nboom\n", ": starting boom)"), (None, "(exit code 3)"), ("", "3)")]
)
def test_each_crash_is_asked_for_once_whatever_the_answer(log: str | None, told: str) -> None:
    api = Api(log)

    async def scenario() -> list[str | None]:
        words = LastWords(api.ask)
        return [
            find_trouble(await words.complete("erp", [pod(restarts=restarts)], lambda pod: True))
            for restarts in (1, 1, 2, 1, 2)
        ]

    assert all((trouble or "").endswith(told) for trouble in asyncio.run(scenario()))
    assert len(api.asked) == 2


def test_pods_of_the_current_template_are_asked_about_first() -> None:
    api = Api("boom")

    async def scenario() -> list[Json]:
        pods = [pod("old"), pod("web-2")]
        return await LastWords(api.ask).complete("erp", pods, lambda one: one["metadata"]["name"] == "web-2")

    assert find_trouble(asyncio.run(scenario())) == (
        "old: CrashLoopBackOff (exit code 3); web-2: CrashLoopBackOff (exit code 3: boom)"
    )
    assert [request.path for request in api.asked] == ["/api/v1/namespaces/erp/pods/web-2/log"]


def test_many_crashes_take_bounded_memory() -> None:
    api = Api("boom")

    async def scenario() -> None:
        words = LastWords(api.ask)
        for number in range(1000):
            await words.complete("erp", [pod(restarts=number)], lambda pod: True)
        assert len(words._heard) <= 200

    asyncio.run(scenario())


def spoil_nothing(api: EmbeddedKubernetes) -> None:
    """The API tells."""


def hang(api: EmbeddedKubernetes) -> None:
    """The API says nothing, for ever."""
    api.faults.add(Hang(), path="/log$")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        pytest.param(
            spoil_nothing,
            "CrashLoopBackOff (exit code 1: reading settings.yaml no such file: settings.yaml)",
            id="told",
        ),
        pytest.param(lambda api: api.access.deny("get", "pods/log"), "CrashLoopBackOff (exit code 1)", id="withheld"),
        pytest.param(
            lambda api: api.faults.add(Answer(500), path="/log$"), "CrashLoopBackOff (exit code 1)", id="broken"
        ),
        pytest.param(hang, "CrashLoopBackOff (exit code 1)", id="hanging"),
    ],
)
def test_a_crash_is_told_with_or_without_its_last_words(
    tmp_path: Path, spoil: Callable[[EmbeddedKubernetes], Any], told: str
) -> None:
    async def scenario() -> str:
        api = EmbeddedKubernetes(pace=Timing(ready_after=0.0), now=lambda: AT.wall)
        api.workloads.fail_rollouts("Deployment", "default", "web", how="never-ready")
        spoil(api)
        api.create(manifests.deployment("web"))
        patience = {"read": 0.5, "deadline": 0.6} if spoil is hang else {}  # what is told takes as long as it likes
        async with site(tmp_path, api, **patience) as cluster:
            while True:
                seen = await cluster.inspect(WEB, closely=True)
                if isinstance(seen, Observation) and seen.trouble:
                    return seen.trouble
                await asyncio.sleep(0.005)

    assert asyncio.run(scenario()).endswith(told)

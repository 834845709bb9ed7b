from __future__ import annotations

import asyncio
import contextlib
import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.fakes.kube_sites import (
    AT,
    RISING,
    SOON,
    TOKEN,
    calls_of,
    http,
    local,
    plan,
    restart_of,
    site,
    speak,
    until_complete,
    until_seen,
    write_kubeconfig,
)
from tests.fakes.loopback import closed_port, serve_tcp

from connmon_agent.core.events import Outcome, RestartAnswered
from connmon_agent.core.observations import Observation, Pull, Rollout, Unobserved
from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.kube.calls import THREADS
from connmon_agent.kube.cluster import KubernetesCluster
from connmon_agent.kube.images import registry_of
from connmon_agent.kube.lists import PAGE
from connmon_lab.kubernetes import (
    NEWEST,
    OLDEST,
    Answer,
    Drip,
    EmbeddedKubernetes,
    Fault,
    Hang,
    Html,
    LateDelivery,
    Malformed,
    Manifest,
    Reset,
    Timing,
    manifests,
)

WEB = plan("web")
AT_ONCE = Timing(ready_after=0.0)
WORKLOADS = [
    pytest.param(plan("web"), manifests.deployment("web", replicas=2), 2, id="Deployment"),
    pytest.param(plan("db", Kind.STATEFUL_SET), manifests.stateful_set("db", replicas=2), 2, id="StatefulSet"),
    pytest.param(plan("logs", Kind.DAEMON_SET), manifests.daemon_set("logs"), 1, id="DaemonSet"),
]


def small_cluster(**options: Any) -> EmbeddedKubernetes:
    """A cluster whose pods start at once and whose clock stands still."""
    return EmbeddedKubernetes(pace=AT_ONCE, now=lambda: AT.wall, **options)


ONE_FOR_ONE = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}  # a pod goes before the next one comes

ALL = {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "100%"}}


def cluster_with_web() -> EmbeddedKubernetes:
    api = small_cluster()
    api.create(manifests.deployment("web", strategy=ONE_FOR_ONE))
    return api


@contextlib.asynccontextmanager
async def cluster_that_says(body: bytes, folder: Path) -> AsyncIterator[KubernetesCluster]:
    """The adapter to a server whose every answer is ``body``."""
    async with (
        serve_tcp(speak(http(body))) as port,
        calls_of(write_kubeconfig(folder / "kubeconfig", local(port))) as calls,
    ):
        yield KubernetesCluster(calls)


class TestInspect:
    @pytest.mark.parametrize(("service", "manifest", "replicas"), WORKLOADS)
    def test_a_workload_is_seen(self, tmp_path: Path, service: ServicePlan, manifest: Manifest, replicas: int) -> None:
        async def scenario() -> Observation:
            api = small_cluster()
            api.create(manifest)
            async with site(tmp_path, api) as cluster:
                return await until_complete(cluster, service)

        seen = asyncio.run(scenario())
        assert (seen.exists, seen.rollout, seen.desired, seen.available) == (True, Rollout.COMPLETE, replicas, replicas)
        assert (seen.token, seen.annotated, seen.revised_by) == (None, False, None)

    @pytest.mark.parametrize(("service", "manifest", "replicas"), WORKLOADS)
    def test_a_close_look_dates_the_template(
        self, tmp_path: Path, service: ServicePlan, manifest: Manifest, replicas: int
    ) -> None:
        async def scenario() -> Observation | Unobserved:
            api = small_cluster()
            api.create(manifest)
            async with site(tmp_path, api) as cluster:
                await until_complete(cluster, service)
                return await cluster.inspect(service, closely=True)

        seen = asyncio.run(scenario())
        assert isinstance(seen, Observation)
        assert (seen.blocked_by, seen.trouble) == (None, None)

    @pytest.mark.parametrize(
        ("version", "created", "blocked_by"),
        [
            pytest.param(NEWEST, "v1", "keep", id="policy/v1"),
            pytest.param(OLDEST, "v1beta1", "keep", id="policy/v1beta1, before 1.21"),
        ],
    )
    def test_a_budget_that_allows_nothing_is_named(
        self, tmp_path: Path, version: str, created: str, blocked_by: str | None
    ) -> None:
        async def scenario() -> Observation | Unobserved:
            api = small_cluster(version=version)
            api.create(manifests.deployment("web", strategy=ONE_FOR_ONE))
            api.create(manifests.disruption_budget("keep", app="web", version=created, minAvailable=1))
            async with site(tmp_path, api) as cluster:
                await until_complete(cluster, WEB)
                return await cluster.inspect(WEB, closely=True)

        seen = asyncio.run(scenario())
        assert isinstance(seen, Observation)
        assert seen.blocked_by == blocked_by

    @pytest.mark.parametrize(
        ("service", "manifest", "blocked_by"),
        [
            pytest.param(WEB, manifests.deployment("web"), None, id="a Deployment of one replica with a surge"),
            pytest.param(WEB, manifests.deployment("web", replicas=4), "keep", id="one of four may be missing"),
            pytest.param(WEB, manifests.deployment("web", strategy={"type": "Recreate"}), "keep", id="Recreate"),
            pytest.param(plan("web", Kind.STATEFUL_SET), manifests.stateful_set("web"), "keep", id="StatefulSet"),
            pytest.param(plan("web", Kind.DAEMON_SET), manifests.daemon_set("web"), "keep", id="DaemonSet"),
        ],
    )
    def test_a_budget_forbids_only_what_takes_a_working_pod_away(
        self, tmp_path: Path, service: ServicePlan, manifest: Manifest, blocked_by: str | None
    ) -> None:
        async def scenario() -> Observation | Unobserved:
            api = small_cluster()
            api.create(manifest)
            api.create(manifests.disruption_budget("keep", app="web", minAvailable="100%"))
            async with site(tmp_path, api) as cluster:
                await until_complete(cluster, service)
                return await cluster.inspect(service, closely=True)

        seen = asyncio.run(scenario())
        assert isinstance(seen, Observation)
        assert seen.blocked_by == blocked_by

    @pytest.mark.parametrize(
        ("service", "workload", "replaced"),
        [
            pytest.param(WEB, manifests.deployment("web"), False, id="a Deployment of one replica with a surge"),
            pytest.param(WEB, manifests.deployment("web", strategy={"type": "Recreate"}), True, id="Recreate"),
            pytest.param(WEB, manifests.deployment("web", strategy=ONE_FOR_ONE), True, id="one for one"),
            pytest.param(WEB, manifests.deployment("web", replicas=2, strategy=ONE_FOR_ONE), False, id="one of two"),
            pytest.param(WEB, manifests.deployment("web", replicas=2, strategy=ALL), True, id="rounds to all"),
            pytest.param(plan("web", Kind.STATEFUL_SET), manifests.stateful_set("web"), True, id="StatefulSet"),
            pytest.param(plan("web", Kind.DAEMON_SET), manifests.daemon_set("web"), True, id="DaemonSet"),
        ],
    )
    @pytest.mark.parametrize("policy", ["Always", "IfNotPresent", "Never"])
    def test_what_a_restart_must_pull_after_it_has_ended_working_pods(
        self, tmp_path: Path, service: ServicePlan, workload: Manifest, replaced: bool, policy: str
    ) -> None:
        async def scenario() -> tuple[str, Observation | Unobserved]:
            api = small_cluster()
            manifest = copy.deepcopy(workload)
            [container] = manifest["spec"]["template"]["spec"]["containers"]
            container["imagePullPolicy"] = policy
            api.create(manifest)
            async with site(tmp_path, api) as cluster:
                await until_complete(cluster, service)
                return container["image"], await cluster.inspect(service, closely=True)

        image, seen = asyncio.run(scenario())
        assert isinstance(seen, Observation)
        pulled = replaced and policy == "Always"  # its own pods run the image, so that a node has it
        assert seen.pulls == ((Pull(registry_of(image), image, "imagePullPolicy Always"),) if pulled else ())

    @pytest.mark.parametrize(
        ("images", "denied", "why"),
        [
            pytest.param([], False, "not present on any node", id="listed by no node"),
            pytest.param(["ghcr.io/site/next:2"], False, None, id="listed"),
            pytest.param(
                ["ghcr.io/site/next:2"],
                True,
                "presence on nodes unknown, the role cannot list nodes",
                id="the role cannot list nodes",
            ),
        ],
    )
    def test_an_image_that_no_pod_runs_yet_is_looked_for_on_the_nodes(
        self, tmp_path: Path, images: list[str], denied: bool, why: str | None
    ) -> None:
        async def scenario() -> Observation | Unobserved:
            api = small_cluster()
            created = copy.deepcopy(api.create(manifests.stateful_set("web", replicas=2)))
            api.set_images("node-1", *images)
            if denied:
                api.access.deny("list", "nodes")
            service = plan("web", Kind.STATEFUL_SET)
            async with site(tmp_path, api) as cluster:
                await until_complete(cluster, service)
                api.workloads.fail_rollouts("StatefulSet", "default", "web", how="image-pull")
                [container] = created["spec"]["template"]["spec"]["containers"]
                container["image"] = "ghcr.io/site/next:2"
                container["imagePullPolicy"] = "IfNotPresent"
                change = {"spec": {"template": created["spec"]["template"]}}
                path, merge = "/apis/apps/v1/namespaces/default/statefulsets/web", "application/merge-patch+json"
                assert api.request("PATCH", path, change, content_type=merge).status == 200
                while True:
                    seen = await cluster.inspect(service, closely=True)
                    if isinstance(seen, Unobserved) or seen.available:
                        return seen

        seen = asyncio.run(scenario())
        assert isinstance(seen, Observation)
        assert seen.pulls == (() if why is None else (Pull("ghcr.io", "ghcr.io/site/next:2", why),))

    def test_what_is_not_there_does_not_exist(self, tmp_path: Path) -> None:
        async def scenario() -> list[Observation | Unobserved]:
            async with site(tmp_path, small_cluster()) as cluster:
                gone = replace(WEB, namespace="gone")
                return [await cluster.inspect(service, closely=True) for service in (WEB, gone)]

        assert asyncio.run(scenario()) == [
            Observation(exists=False, progress="no Deployment web in the namespace default"),
            Observation(exists=False, progress="no Deployment web in the namespace gone"),
        ]

    @pytest.mark.parametrize("resource", ["replicasets", "pods", "poddisruptionbudgets"])
    @pytest.mark.parametrize("status", [403, 404])
    def test_what_a_role_withholds_stays_unknown(self, tmp_path: Path, resource: str, status: int) -> None:
        async def scenario() -> Observation | Unobserved:
            api = cluster_with_web()
            api.faults.add(Answer(status), path=f"/{resource}$")
            async with site(tmp_path, api) as cluster:
                return await cluster.inspect(WEB, closely=True)

        seen = asyncio.run(scenario())
        assert isinstance(seen, Observation)
        assert seen.exists
        assert (seen.blocked_by, seen.trouble) == (None, None)

    @pytest.mark.parametrize("resource", ["replicasets", "pods", "poddisruptionbudgets", "policy"])
    def test_half_a_sight_is_none(self, tmp_path: Path, resource: str) -> None:
        async def scenario() -> Observation | Unobserved:
            api = cluster_with_web()
            api.faults.add(Answer(503, retry_after=3), path=f"/{resource}$")
            async with site(tmp_path, api) as cluster:
                return await cluster.inspect(WEB, closely=True)

        seen = asyncio.run(scenario())
        assert isinstance(seen, Unobserved)
        assert (seen.kind, seen.retry_after) == ("server-error", 3.0)

    def test_a_plain_look_is_one_request(self, tmp_path: Path) -> None:
        async def scenario() -> Observation | Unobserved:
            api = cluster_with_web()
            api.faults.add(Answer(500), path="/(replicasets|pods|poddisruptionbudgets|policy)$")
            async with site(tmp_path, api) as cluster:
                return await cluster.inspect(WEB, closely=False)

        assert isinstance(asyncio.run(scenario()), Observation)

    def test_pods_in_trouble_are_named(self, tmp_path: Path) -> None:
        async def scenario() -> str:
            api = small_cluster()
            api.workloads.fail_rollouts("Deployment", "default", "web", how="image-pull")
            api.create(manifests.deployment("web"))
            async with site(tmp_path, api) as cluster:
                while True:
                    seen = await cluster.inspect(WEB, closely=True)
                    if isinstance(seen, Observation) and seen.trouble:
                        return seen.trouble
                    await asyncio.sleep(0.005)

        assert "ImagePullBackOff" in asyncio.run(scenario())

    @pytest.mark.parametrize(
        ("ended", "told"),
        [(0, ""), (PAGE, "; 100 ended pods (Evicted)"), (2 * PAGE, "; at least 100 ended pods (Evicted)")],
    )
    def test_pods_that_have_ended_are_counted_as_far_as_a_page(self, tmp_path: Path, ended: int, told: str) -> None:
        """Eviction loops leave thousands; what is to be said is of the pods that are to run."""

        async def scenario() -> str:
            api = small_cluster()
            api.create(manifests.deployment("web"))
            async with site(tmp_path, api) as cluster:
                before = await until_complete(cluster, WEB)
                api.workloads.leave_evicted_pods("Deployment", "default", "web", ended)
                api.workloads.fail_rollouts("Deployment", "default", "web", how="image-pull")
                await cluster.restart(restart_of(WEB, before), AT)
                while True:
                    seen = await cluster.inspect(WEB, closely=True)
                    if isinstance(seen, Observation) and seen.trouble and "ImagePullBackOff" in seen.trouble:
                        return seen.trouble
                    await asyncio.sleep(0.005)

        trouble = asyncio.run(scenario())
        assert trouble.endswith(f"){told}"), trouble


NO_RIGHT = 'deployments.apps "web" is forbidden: User "agent" cannot patch resource "deployments"'

FAULTS = [
    pytest.param(Answer(400), "invalid", Outcome.REFUSED, id="400"),
    pytest.param(Answer(401), "unauthorized", Outcome.UNKNOWN, id="401"),
    pytest.param(Answer(403, message=NO_RIGHT), "forbidden", Outcome.REFUSED, id="403"),
    pytest.param(Answer(409), "conflict", Outcome.REFUSED, id="409"),
    pytest.param(Answer(422), "invalid", Outcome.REFUSED, id="422"),
    pytest.param(Answer(429, retry_after=1), "throttled", Outcome.UNKNOWN, id="429"),
    pytest.param(Answer(500), "server-error", Outcome.UNKNOWN, id="500"),
    pytest.param(Answer(503, retry_after=7), "server-error", Outcome.UNKNOWN, id="503"),
    pytest.param(Answer(504), "server-error", Outcome.UNKNOWN, id="504"),
    pytest.param(Hang(), "timeout", Outcome.UNKNOWN, id="it hangs"),
    pytest.param(Hang(processed=True), "timeout", Outcome.UNKNOWN, id="it acts and hangs"),
    pytest.param(Drip(0.1), "timeout", Outcome.UNKNOWN, id="it drips"),
    pytest.param(Reset(), "unreachable", Outcome.UNKNOWN, id="it breaks off"),
    pytest.param(Reset(processed=True), "unreachable", Outcome.UNKNOWN, id="it acts and breaks off"),
    pytest.param(LateDelivery(0.01), "unreachable", Outcome.UNKNOWN, id="it breaks off and acts later"),
    pytest.param(Malformed(), "protocol", Outcome.UNKNOWN, id="half of the JSON"),
    pytest.param(Html(), "protocol", Outcome.UNKNOWN, id="a portal"),
    pytest.param(Html(status=404), "protocol", Outcome.UNKNOWN, id="a proxy's 404"),
    pytest.param(Html(status=502), "server-error", Outcome.UNKNOWN, id="a proxy's 502"),
]


def patience_for(fault: Fault, deadline: float = SOON) -> dict[str, float]:
    """Short timeouts where they are what ends the request."""
    return {"read": 0.7 * deadline, "deadline": deadline} if isinstance(fault, Hang | Drip) else {}


@pytest.mark.parametrize(("fault", "kind", "outcome"), FAULTS)
@pytest.mark.parametrize("closely", [False, True])
def test_an_api_in_trouble_leaves_the_workload_unseen(
    tmp_path: Path, fault: Fault, kind: str, outcome: Outcome, closely: bool
) -> None:
    async def scenario() -> list[Observation | Unobserved]:
        api = cluster_with_web()
        async with site(tmp_path, api, **patience_for(fault)) as cluster:
            rule = api.faults.add(fault)
            unseen = await cluster.inspect(WEB, closely=closely)
            api.faults.remove(rule)
            return [unseen, await until_seen(cluster, WEB)]

    unseen, seen = asyncio.run(scenario())
    assert isinstance(unseen, Unobserved)
    assert (unseen.kind, unseen.retry_after) == (kind, getattr(fault, "retry_after", None))
    assert "http://127.0.0.1" in unseen.reason
    assert isinstance(seen, Observation)


@pytest.mark.parametrize(("fault", "kind", "outcome"), FAULTS)
def test_an_api_in_trouble_is_sent_the_restart_once(tmp_path: Path, fault: Fault, kind: str, outcome: Outcome) -> None:
    async def scenario(deadline: float) -> tuple[RestartAnswered, int]:
        api = cluster_with_web()
        async with site(tmp_path, api, **patience_for(fault, deadline)) as cluster:
            restart = restart_of(WEB, Observation(generation=1))
            api.faults.add(fault, method="PATCH")
            return await cluster.restart(restart, AT), len(api.history)

    for deadline in RISING:
        answered, sent = asyncio.run(scenario(deadline))
        if sent:
            break
    assert (answered.outcome, answered.kind, answered.generation) == (outcome, kind, None)
    assert (answered.at, answered.service, answered.token) == (AT, "web", TOKEN)
    assert answered.retry_after == getattr(fault, "retry_after", None)
    assert sent == 1


class TestRestart:
    @pytest.mark.parametrize(("service", "manifest", "replicas"), WORKLOADS)
    def test_it_is_accepted_and_rolled_out(
        self, tmp_path: Path, service: ServicePlan, manifest: Manifest, replicas: int
    ) -> None:
        async def scenario() -> tuple[RestartAnswered, Observation, Observation | Unobserved]:
            api = small_cluster()
            api.create(manifest)
            async with site(tmp_path, api) as cluster:
                before = await until_complete(cluster, service)
                answered = await cluster.restart(restart_of(service, before), AT)
                await until_complete(cluster, service)
                return answered, before, await cluster.inspect(service, closely=True)

        answered, before, after = asyncio.run(scenario())
        assert (answered.outcome, answered.kind) == (Outcome.APPLIED, None)
        assert isinstance(after, Observation)
        assert answered.generation == after.generation == before.generation + 1
        assert (after.token, after.revised_by) == (TOKEN, "connmon-agent")

    def test_the_same_restart_takes_effect_once(self, tmp_path: Path) -> None:
        async def scenario() -> tuple[list[Outcome], Observation | Unobserved]:
            async with site(tmp_path, cluster_with_web()) as cluster:
                restart = restart_of(WEB, await cluster.inspect(WEB, closely=False))
                answers = [await cluster.restart(restart, AT) for _ in range(3)]
                return [answer.outcome for answer in answers], await cluster.inspect(WEB, closely=False)

        outcomes, seen = asyncio.run(scenario())
        assert outcomes == [Outcome.APPLIED, Outcome.REFUSED, Outcome.REFUSED]
        assert isinstance(seen, Observation)
        assert seen.generation == 2

    def test_a_late_restart_does_not_undo_the_next_one(self, tmp_path: Path) -> None:
        async def scenario() -> tuple[RestartAnswered, RestartAnswered, Observation | Unobserved]:
            api = cluster_with_web()
            async with site(tmp_path, api) as cluster:
                first = restart_of(WEB, await cluster.inspect(WEB, closely=False), token="a")
                applied = await cluster.restart(first, AT)
                second = restart_of(WEB, await cluster.inspect(WEB, closely=False), token="b")
                late = replace(second, token="late")
                await cluster.restart(second, AT)
                return applied, await cluster.restart(late, AT), await cluster.inspect(WEB, closely=False)

        applied, late, seen = asyncio.run(scenario())
        assert (applied.outcome, late.outcome, late.kind) == (Outcome.APPLIED, Outcome.REFUSED, "conflict")
        assert isinstance(seen, Observation)
        assert (seen.token, seen.generation) == ("b", 3)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({"generation": 99}, id="somebody changed it"),
            pytest.param({"uid": "another"}, id="it was deleted and made anew"),
            pytest.param({"previous_token": "x"}, id="another token is there"),
        ],
    )
    def test_a_precondition_that_fails_refuses(self, tmp_path: Path, change: dict[str, object]) -> None:
        async def scenario() -> tuple[RestartAnswered, Observation | Unobserved]:
            async with site(tmp_path, cluster_with_web()) as cluster:
                restart = restart_of(WEB, await cluster.inspect(WEB, closely=False))
                answered = await cluster.restart(replace(restart, **change), AT)
                return answered, await cluster.inspect(WEB, closely=False)

        answered, seen = asyncio.run(scenario())
        assert (answered.outcome, answered.kind) == (Outcome.REFUSED, "conflict")
        assert isinstance(seen, Observation)
        assert (seen.token, seen.generation) == (None, 1)

    def test_what_is_gone_refuses(self, tmp_path: Path) -> None:
        async def scenario() -> RestartAnswered:
            async with site(tmp_path, small_cluster()) as cluster:
                return await cluster.restart(restart_of(WEB, Observation(generation=1)), AT)

        answered = asyncio.run(scenario())
        assert (answered.outcome, answered.kind) == (Outcome.REFUSED, "not-found")

    def test_other_annotations_stay_as_they_are(self, tmp_path: Path) -> None:
        annotations = {"kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z", "a": "b"}

        async def scenario() -> dict[str, str]:
            api = small_cluster()
            template = manifests.pod_template("web", annotations=annotations)
            api.create(manifests.deployment("web", template=template))
            async with site(tmp_path, api) as cluster:
                restart = restart_of(WEB, await cluster.inspect(WEB, closely=False))
                await cluster.restart(restart, AT)
                stored = api.get("Deployment", "default", "web")
                assert stored is not None
                found: dict[str, str] = stored["spec"]["template"]["metadata"]["annotations"]
                return found

        assert asyncio.run(scenario()) == {
            **annotations,
            "connmon.io/restart-token": TOKEN,
            "connmon.io/restarted-at": "2026-11-23T11:00:00.000000+00:00",
            "connmon.io/reason": "the link is back",
        }

    def test_a_role_without_patch_refuses(self, tmp_path: Path) -> None:
        async def scenario() -> RestartAnswered:
            api = cluster_with_web()
            api.access.deny("patch")
            async with site(tmp_path, api) as cluster:
                return await cluster.restart(restart_of(WEB, await cluster.inspect(WEB, closely=False)), AT)

        answered = asyncio.run(scenario())
        assert (answered.outcome, answered.kind) == (Outcome.REFUSED, "forbidden")

    def test_an_answer_without_our_token_is_no_success(self, tmp_path: Path) -> None:
        async def scenario() -> RestartAnswered:
            body = json.dumps({"kind": "Deployment", "metadata": {"generation": 2}, "spec": {}}).encode()
            async with cluster_that_says(body, tmp_path) as cluster:
                return await cluster.restart(restart_of(WEB, Observation(generation=1)), AT)

        answered = asyncio.run(scenario())
        assert (answered.outcome, answered.kind, answered.generation) == (Outcome.UNKNOWN, "protocol", None)


def test_nobody_listens(tmp_path: Path) -> None:
    async def scenario() -> tuple[Observation | Unobserved, RestartAnswered]:
        with closed_port() as port:
            async with calls_of(write_kubeconfig(tmp_path / "c", local(port))) as calls:
                cluster = KubernetesCluster(calls)
                seen = await cluster.inspect(WEB, closely=True)
                return seen, await cluster.restart(restart_of(WEB, Observation(generation=1)), AT)

    seen, answered = asyncio.run(scenario())
    assert isinstance(seen, Unobserved)
    assert seen.kind == "unreachable"
    assert "connection refused" in seen.reason
    assert (answered.outcome, answered.kind) == (Outcome.UNKNOWN, "unreachable")


def test_the_api_server_comes_back(tmp_path: Path) -> None:
    async def scenario() -> list[Observation | Unobserved]:
        api = cluster_with_web()
        async with site(tmp_path, api) as cluster:
            seen = [await cluster.inspect(WEB, closely=False)]
            api.refuse_connections()
            seen.append(await cluster.inspect(WEB, closely=False))
            api.accept_connections()
            seen.append(await until_seen(cluster, WEB))
            return seen

    before, during, after = asyncio.run(scenario())
    assert isinstance(before, Observation)
    assert isinstance(during, Unobserved)
    assert isinstance(after, Observation)


@pytest.mark.parametrize("fault", [Hang(), Drip(0.1)], ids=["hanging", "dripping"])
def test_more_bad_answers_than_threads_hold_nothing_up(tmp_path: Path, fault: Fault) -> None:
    async def scenario() -> tuple[list[Observation | Unobserved], Observation | Unobserved]:
        api = cluster_with_web()
        async with site(tmp_path, api, deadline=0.2) as cluster:
            rule = api.faults.add(fault)
            looks = await asyncio.gather(*(cluster.inspect(WEB, closely=False) for _ in range(20)))
            api.faults.remove(rule)
            return looks, await until_seen(cluster, WEB)

    looks, after = asyncio.run(scenario())
    assert {look.kind for look in looks if isinstance(look, Unobserved)} == {"timeout"}
    assert isinstance(after, Observation)


def test_a_restart_that_still_waited_for_a_thread_is_never_sent(tmp_path: Path) -> None:
    async def scenario() -> int:
        api = cluster_with_web()
        async with site(tmp_path, api) as cluster:
            restart = restart_of(WEB, await cluster.inspect(WEB, closely=False))
            hang = api.faults.add(Hang())
            tasks = [asyncio.create_task(cluster.restart(restart, AT)) for _ in range(THREADS + 5)]
            while hang.hits < THREADS:
                await asyncio.sleep(0.005)
            for task in reversed(tasks):  # those that wait for a thread come first
                task.cancel()
            await asyncio.wait(tasks)
            api.faults.clear()
            await until_seen(cluster, WEB)
            return len(api.history)

    assert asyncio.run(scenario()) == THREADS


def test_closing_ends_what_is_under_way(tmp_path: Path) -> None:
    async def scenario() -> list[Observation | Unobserved]:
        api = cluster_with_web()
        async with site(tmp_path, api) as cluster:
            rule = api.faults.add(Hang())
            look = asyncio.create_task(cluster.inspect(WEB, closely=False))
            while not rule.hits:
                await asyncio.sleep(0.005)
            await cluster.close()
            return [await look, await cluster.inspect(WEB, closely=False)]

    hung, later = asyncio.run(scenario())
    assert isinstance(hung, Unobserved)
    assert hung.kind == "timeout"
    assert isinstance(later, Unobserved)
    assert later.reason == "the connection to the Kubernetes API was closed"


@pytest.mark.parametrize(
    "workload",
    [
        pytest.param({"metadata": 5}, id="metadata is a number"),
        pytest.param({"spec": []}, id="an empty list is nothing"),
        pytest.param({"spec": {"replicas": "many"}}, id="replicas in words"),
        pytest.param({"spec": {"template": {"metadata": {"annotations": [1]}}}}, id="annotations in a list"),
        pytest.param({"status": {"conditions": [1]}}, id="a condition is a number"),
        pytest.param({"status": {"conditions": 7}}, id="the conditions are a number"),
    ],
)
@pytest.mark.parametrize("closely", [False, True])
def test_an_object_without_sense_is_no_reason_to_fall(
    tmp_path: Path, workload: dict[str, object], closely: bool
) -> None:
    async def scenario() -> Observation | Unobserved:
        body = json.dumps({"kind": "Deployment", **workload}).encode()
        async with cluster_that_says(body, tmp_path) as cluster:
            return await cluster.inspect(WEB, closely=closely)

    seen = asyncio.run(scenario())
    assert isinstance(seen, Observation) or seen.kind == "protocol"

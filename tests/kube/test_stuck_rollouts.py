"""What a close look shows of rollouts that cannot go on, over the embedded API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.fakes.kube_sites import AT, plan, restart_of, site, until_complete

from connmon_agent.core.observations import Observation
from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.kube.cluster import KubernetesCluster
from connmon_lab.kubernetes import EmbeddedKubernetes, Manifest, Timing, manifests
from connmon_lab.kubernetes.controllers.pods import MOUNT_FAILURE, SIDECAR_EXIT, SIDECAR_WORDS
from connmon_lab.kubernetes.workloads import Failure

Seen = Callable[[Observation], bool]
SIDECAR = {"name": "proxy", "image": "registry.k8s.io/pause:3.10", "restartPolicy": "Always"}


def template(**spec: Any) -> Manifest:
    made = manifests.pod_template("web")
    return {**made, "spec": {**made["spec"], **spec}}


MAKERS = {
    Kind.DEPLOYMENT: manifests.deployment,
    Kind.STATEFUL_SET: manifests.stateful_set,
    Kind.DAEMON_SET: manifests.daemon_set,
}
REASONS = {
    "never-ready": "CrashLoopBackOff (exit code 1: reading settings.yaml",
    "image-pull": "ImagePullBackOff",
    "image-never-pull": "ErrImageNeverPull",
    "image-name": "InvalidImageName",
    "config": 'CreateContainerConfigError (secret "settings" not found)',
    "create": "CreateContainerError",
    "run": "RunContainerError",
    "sidecar-crash": f"sidecar proxy: CrashLoopBackOff (exit code {SIDECAR_EXIT}: {SIDECAR_WORDS})",
    "mount": "FailedMount (",
    "unschedulable": "Unschedulable (0/1 nodes are available",
}


def small_cluster() -> EmbeddedKubernetes:
    return EmbeddedKubernetes(pace=Timing(ready_after=0.0), now=lambda: AT.wall)


async def until(cluster: KubernetesCluster, service: ServicePlan, wanted: Seen) -> Observation:
    """The first close look for which ``wanted`` holds; the test's own limit ends a look in vain."""
    while True:
        seen = await cluster.inspect(service, closely=True)
        if isinstance(seen, Observation) and wanted(seen):
            return seen
        await asyncio.sleep(0.005)


def roll(
    folder: Path, service: ServicePlan, manifest: Manifest, spoil: Callable[[EmbeddedKubernetes], Any]
) -> Observation:
    """A restart of a workload that was well, spoiled before it; what is seen once it does not go on."""

    async def scenario() -> Observation:
        api = small_cluster()
        api.create(manifest)
        async with site(folder, api) as cluster:
            before = await until_complete(cluster, service)
            spoil(api)
            await cluster.restart(restart_of(service, before), AT)
            return await until(cluster, service, lambda seen: seen.stalled)

    return asyncio.run(scenario())


def test_every_failure_of_the_embedded_api_is_looked_at() -> None:
    assert set(REASONS) == set(get_args(Failure))


@pytest.mark.parametrize("kind", list(MAKERS))
@pytest.mark.parametrize("how", sorted(set(get_args(Failure)) - {"unschedulable", "mount"}))
def test_a_rollout_whose_pods_cannot_start_is_stalled_with_the_reason(tmp_path: Path, kind: Kind, how: Failure) -> None:
    manifest = MAKERS[kind]("web", template=template(initContainers=[SIDECAR] if how == "sidecar-crash" else []))
    seen = roll(
        tmp_path,
        plan("web", kind),
        manifest,
        lambda api: api.workloads.fail_rollouts(kind.value, "default", "web", times=None, how=how),
    )
    assert REASONS[how] in (seen.trouble or "")
    assert not seen.healthy
    assert seen.old_serving == (1 if kind is Kind.DEPLOYMENT else 0), "a Deployment keeps the pod that works"


@pytest.mark.parametrize("kind", [Kind.DEPLOYMENT, Kind.STATEFUL_SET])
def test_a_rollout_whose_pods_find_no_place_is_stalled_with_the_reason(tmp_path: Path, kind: Kind) -> None:
    seen = roll(
        tmp_path,
        plan("web", kind),
        MAKERS[kind]("web"),
        lambda api: api.workloads.fail_rollouts(kind.value, "default", "web", times=None, how="unschedulable"),
    )
    assert REASONS["unschedulable"] in (seen.trouble or "")


@pytest.mark.parametrize("kind", list(MAKERS))
def test_what_only_an_event_says_is_told(tmp_path: Path, kind: Kind) -> None:
    """And is no proof: the agent goes on measuring whether the rollout moves."""

    async def scenario() -> Observation:
        api = small_cluster()
        api.workloads.fail_rollouts(kind.value, "default", "web", times=None, how="mount")
        api.create(MAKERS[kind]("web"))
        async with site(tmp_path, api) as cluster:
            return await until(cluster, plan("web", kind), lambda seen: seen.trouble is not None)

    seen = asyncio.run(scenario())
    assert f": FailedMount ({MOUNT_FAILURE})" in (seen.trouble or "")
    assert not seen.stalled


@pytest.mark.parametrize("kind", [Kind.STATEFUL_SET, Kind.DAEMON_SET])
def test_a_quota_that_allows_no_pod_is_named_where_no_status_says_it(tmp_path: Path, kind: Kind) -> None:
    async def scenario() -> Observation:
        api = small_cluster()
        api.create(manifests.quota("few", pods=0))
        api.create(MAKERS[kind]("web"))
        async with site(tmp_path, api) as cluster:
            return await until(cluster, plan("web", kind), lambda seen: seen.trouble is not None)

    trouble = asyncio.run(scenario()).trouble or ""
    assert trouble.startswith("FailedCreate (")
    assert "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0" in trouble


def test_the_last_new_pod_of_a_daemon_set_is_rolled_out_until_it_was_ready(tmp_path: Path) -> None:
    """Its status does not tell one that starts from one that hangs."""

    async def scenario() -> tuple[Observation, Observation]:
        logs = plan("logs", Kind.DAEMON_SET)
        clock = [AT.wall]
        api = EmbeddedKubernetes(pace=Timing(ready_after=0.3), now=lambda: clock[0])
        api.create(manifests.daemon_set("logs"))
        async with site(tmp_path, api) as cluster:
            before = await until_complete(cluster, logs)
            clock[0] += 60.0
            api.workloads.become_unready("DaemonSet", "default", "logs")
            hanging = await until(cluster, logs, lambda seen: seen.available == 0)
            await cluster.restart(restart_of(logs, before), AT)
            return hanging, await until(cluster, logs, lambda seen: seen.token is not None and seen.available == 0)

    hanging, starting = asyncio.run(scenario())
    assert (hanging.rolling, starting.rolling) == (False, True)


def test_events_that_may_not_be_read_are_left_out(tmp_path: Path) -> None:
    async def scenario() -> Observation:
        api = small_cluster()
        api.access.deny("list", "events")
        api.workloads.fail_rollouts("Deployment", "default", "web", times=None, how="mount")
        api.create(manifests.deployment("web"))
        async with site(tmp_path, api) as cluster:
            return await until(cluster, plan("web"), lambda seen: "ContainerCreating" in seen.progress)

    assert asyncio.run(scenario()).trouble is None


def test_a_quota_without_room_for_one_more_pod_is_named(tmp_path: Path) -> None:
    quota = manifests.quota("few", pods=1)
    seen = roll(tmp_path, plan("web"), manifests.deployment("web"), lambda api: api.create(quota))
    assert "FailedCreate (pods" in (seen.trouble or "")
    assert "exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1" in (seen.trouble or "")
    assert "set maxUnavailable to 1" in (seen.trouble or "")
    assert (seen.available, seen.old_serving) == (1, 1)


def test_a_host_port_that_the_old_pod_keeps_is_named(tmp_path: Path) -> None:
    made = manifests.pod_template("web")
    made["spec"]["containers"][0]["ports"][0]["hostPort"] = 8080
    seen = roll(tmp_path, plan("web"), manifests.deployment("web", template=made), lambda api: None)
    assert "didn't have free ports" in (seen.trouble or "")
    assert "set maxUnavailable to 1" in (seen.trouble or "")
    assert seen.old_serving == 1


def test_a_host_port_that_the_old_pod_leaves_is_no_reason(tmp_path: Path) -> None:
    async def scenario() -> Observation:
        made = template(terminationGracePeriodSeconds=30)
        made["spec"]["containers"][0]["ports"][0]["hostPort"] = 8080
        strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}}
        api = EmbeddedKubernetes(pace=Timing(ready_after=0.0, terminate_after=0.5), now=lambda: AT.wall)
        api.create(manifests.deployment("web", template=made, strategy=strategy))
        async with site(tmp_path, api) as cluster:
            before = await until_complete(cluster, plan("web"))
            await cluster.restart(restart_of(plan("web"), before), AT)
            waiting = await until(cluster, plan("web"), lambda seen: "Unschedulable" in (seen.trouble or ""))
            assert not waiting.stalled, "the old pod is ending"
            return await until(cluster, plan("web"), lambda seen: seen.healthy)

    assert asyncio.run(scenario()).available == 1


def test_pods_that_wait_for_a_gate_that_their_template_has_not_are_named(tmp_path: Path) -> None:
    """As an admission webhook sets it."""

    async def scenario() -> Observation:
        api = small_cluster()
        api.create(manifests.deployment("web", template=template(schedulingGates=[{"name": "example.com/hold"}])))
        async with site(tmp_path, api) as cluster:
            return await until(cluster, plan("web"), lambda seen: seen.stalled)

    seen = asyncio.run(scenario())
    assert seen.gated == "its pod template has the scheduling gate example.com/hold"
    assert "has the scheduling gate example.com/hold" in (seen.trouble or "")


def test_pods_that_were_evicted_long_ago_do_not_hide_the_cause(tmp_path: Path) -> None:
    async def scenario() -> Observation:
        api = small_cluster()
        api.create(manifests.deployment("web"))
        async with site(tmp_path, api) as cluster:
            for number in range(1, 7):
                before = await until_complete(cluster, plan("web"))
                api.workloads.evict("Deployment", "default", "web")
                await until(cluster, plan("web"), lambda seen, least=number: seen.healthy and ended(api) == least)
            api.workloads.fail_rollouts("Deployment", "default", "web", times=None, how="image-pull")
            await cluster.restart(restart_of(plan("web"), before), AT)
            return await until(cluster, plan("web"), lambda seen: seen.stalled)

    def ended(api: EmbeddedKubernetes) -> int:
        return sum(pod["status"]["phase"] == "Failed" for pod in api.list_objects("Pod"))

    seen = asyncio.run(scenario())
    assert (seen.trouble or "").index("ImagePullBackOff") < (seen.trouble or "").index("6 ended pods (Evicted)")


def test_a_failed_rollout_tells_why_in_a_plain_look_too(tmp_path: Path) -> None:
    async def scenario() -> Observation:
        api = small_cluster()
        api.create(manifests.deployment("web", progressDeadlineSeconds=1))
        async with site(tmp_path, api) as cluster:
            before = await until_complete(cluster, plan("web"))
            api.workloads.fail_rollouts("Deployment", "default", "web", times=None, how="config")
            await cluster.restart(restart_of(plan("web"), before), AT)
            while True:
                seen = await cluster.inspect(plan("web"), closely=False)
                if isinstance(seen, Observation) and "ProgressDeadlineExceeded" in seen.progress:
                    return seen
                await asyncio.sleep(0.02)

    assert "CreateContainerConfigError" in (asyncio.run(scenario()).trouble or "")

"""What doctor looks at, one check after another: what is good, what is not, and what to do about it."""

import asyncio
import os
import re
import shlex
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from msgspec import structs
from tests.fakes.kube_sites import local, write_kubeconfig
from tests.fakes.loopback import PATIENT, closed_port
from tests.fakes.memories import live_through_an_outage
from tests.fakes.statefiles import tampered

from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.loading.charts import PLACES
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.presence import LOCK_FILE, AgentLock
from connmon_agent.runtime.examinations import (
    NETWORK_FILE_SYSTEMS,
    examine_charts,
    examine_cluster,
    examine_folder,
    examine_memory,
    examine_proc,
    file_system_of,
    is_read_only,
)
from connmon_agent.runtime.findings import Finding, good, note
from connmon_agent.settings import Settings
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_lab.kubernetes import NEWEST, Answer, EmbeddedKubernetes, Manifest, Timing, manifests

Json = dict[str, Any]

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
proc /proc proc rw 0 0
nas:/export /srv/nas nfs4 rw 0 0
tmpfs /srv/nas/fast tmpfs rw 0 0
//box/share /mnt/with\\040space cifs rw 0 0
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    file = tmp_path / "mounts"
    file.write_text(MOUNTS)
    return file


def only(findings: Iterable[Finding]) -> tuple[str, str]:
    """The health and the text of the one finding."""
    (finding,) = findings
    assert (finding.remedy is None) is (finding.health in ("good", "note"))
    return str(finding.health), finding.text


async def gather(findings: AsyncIterator[Finding]) -> dict[str, Finding]:
    return {finding.about: finding async for finding in findings}


# Charts.


def test_a_machine_without_proc_is_told_what_it_lacks(tmp_path: Path) -> None:
    health, text = only(examine_proc(tmp_path, platform="linux"))
    assert health == "warning" and text.startswith(f"{tmp_path} is missing or only partly mounted")
    assert list(examine_proc(tmp_path, platform="darwin")) == []
    (tmp_path / "stat").touch()
    assert list(examine_proc(tmp_path, platform="linux")) == []


def test_charts_are_named_with_their_folder() -> None:
    assert only(examine_charts()) == (
        "good",
        f"link, service, forward in {PLACES[0]}: valid, all declared properties hold",
    )


def test_a_mistake_in_a_chart_is_a_problem(tmp_path: Path) -> None:
    charts = Path(shutil.copytree(PLACES[0], tmp_path / "charts"))
    (charts / "service.yaml").write_text("chart: [")
    health, text = only(examine_charts((charts,)))
    assert health == "problem"
    assert text.startswith(f"{charts / 'service.yaml'}:1: this is not YAML")


def test_missing_charts_are_a_problem(tmp_path: Path) -> None:
    health, text = only(examine_charts((tmp_path / "none",)))
    assert (health, "folder not found" in text) == ("problem", True)


# The state directory.


def test_a_writable_folder_with_room_is_good(tmp_path: Path) -> None:
    health, text = only(examine_folder(tmp_path, least_free=0, is_open=lambda _: False))
    assert (health, text.startswith(f"{tmp_path}, ")) == ("good", True)


def test_a_folder_that_start_will_make_is_worth_a_note(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    assert only(examine_folder(folder)) == (
        "note",
        f"{folder} does not exist yet; `connmon-agent start` creates it",
    )
    assert not folder.parent.exists()


def test_a_folder_that_nobody_can_make_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    health, text = only(examine_folder(tmp_path / "file" / "state"))
    assert (health, "this user cannot write to" in text) == ("problem", True)


def test_a_file_in_its_place_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert only(examine_folder(tmp_path / "file")) == ("problem", f"{tmp_path / 'file'} is not a directory")


def test_a_disk_without_room_is_a_problem(tmp_path: Path) -> None:
    health, text = only(examine_folder(tmp_path, least_free=1 << 80))
    assert (health, text.endswith(f" MiB are free in {tmp_path}")) == ("problem", True)


@pytest.mark.linux_alone(reason="statvfs")
def test_a_disk_without_inodes_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)
    full = os.statvfs_result((*real[:5], 1000, 0, 0, *real[8:10]))
    monkeypatch.setattr("os.statvfs", lambda _: full)
    assert only(examine_folder(tmp_path)) == ("problem", f"no inodes are free in {tmp_path}")


@pytest.mark.linux_alone(reason="the table of mounts")
def test_a_network_file_system_is_a_problem(tmp_path: Path, mounts: Path) -> None:
    mounts.write_text(f"nas:/export {tmp_path} nfs4 rw 0 0\n")
    assert only(examine_folder(tmp_path, least_free=0, mounts=mounts)) == ("problem", f"{tmp_path} is on nfs4")


def test_a_folder_that_anybody_may_use_is_told_with_the_command_that_closes_it(tmp_path: Path) -> None:
    (found,) = examine_folder(tmp_path, least_free=0, is_open=lambda folder: folder == tmp_path)
    assert (found.health, found.text) == ("warning", f"{tmp_path} is open to every user of this machine")
    command = (found.remedy or "").partition(": ")[2]
    who = ["*S-1-5-18", "*S-1-5-32-544", psutil.Process().username()]
    # As cmd.exe and PowerShell read it: nothing is left for either to expand or evaluate outside of quotes.
    assert shlex.split(command.replace("\\", "\\\\")) == [
        "icacls",
        str(tmp_path),
        "/inheritance:r",
        "/grant:r",
        *(f"{one}:(OI)(CI)F" for one in who),
    ]
    assert not re.search(r"[%$()]", re.sub(r'"[^"]*"', "", command))


@pytest.mark.skipif(sys.platform != "win32", reason="drive letters and shares are Windows'")
def test_a_share_is_a_network_drive_and_the_system_drive_is_none() -> None:
    assert file_system_of(Path("//server/share/connmon")) in NETWORK_FILE_SYSTEMS
    assert file_system_of(Path("C:/connmon")) is None


@pytest.mark.linux_alone(reason="the table of mounts")
@pytest.mark.parametrize(
    ("folder", "system"),
    [
        ("/var/lib/connmon-agent", "ext4"),
        ("/", "ext4"),
        ("/srv/nas", "nfs4"),
        ("/srv/nas/agent", "nfs4"),
        ("/srv/nas/fast/agent", "tmpfs"),
        ("/srv/nasty", "ext4"),
        ("/mnt/with space/agent", "cifs"),
    ],
)
def test_the_innermost_mount_counts(mounts: Path, folder: str, system: str) -> None:
    assert file_system_of(Path(folder), mounts) == system


def test_a_system_that_does_not_tell_is_not_guessed_about(tmp_path: Path) -> None:
    assert file_system_of(tmp_path, tmp_path / "none") is None


def test_a_folder_that_can_be_written_is_not_read_only(tmp_path: Path) -> None:
    assert not is_read_only(tmp_path)


# The memory.


def test_a_memory_that_holds_together_is_good(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    findings = {finding.about: finding for finding in examine_memory(tmp_path)}
    assert findings["state file"].health == "good"
    assert findings["state file"].text.endswith("hash chain valid")
    assert findings["agent"].text == "not running. Run `connmon-agent start`"
    assert findings["sqlite"].health in ("good", "note")


def test_a_memory_that_does_not_exist_yet_is_worth_a_note(tmp_path: Path) -> None:
    findings = {finding.about: finding for finding in examine_memory(tmp_path)}
    assert findings["state file"] == note("state file", "connmon.db does not exist yet")


def test_a_running_agent_is_named(tmp_path: Path) -> None:
    with AgentLock(tmp_path):
        findings = {finding.about: finding for finding in examine_memory(tmp_path)}
    assert findings["agent"] == good("agent", f"running (pid {os.getpid()})")


def test_an_agent_that_writes_nothing_any_more_is_a_problem(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)  # days ago
    with Reader(tmp_path / DATABASE_FILE) as reader:
        agent = reader.agent()
    assert agent is not None
    with AgentLock(tmp_path):
        (tmp_path / LOCK_FILE).write_text(f'{{"pid": {agent.pid}}}')
        finding = {finding.about: finding for finding in examine_memory(tmp_path)}["agent"]
    assert finding.health == "problem"
    assert finding.text.startswith(f"pid {agent.pid} has written nothing for ")


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="signals of Unix")
def test_an_agent_that_was_stopped_is_a_problem_with_the_order_that_ends_it(tmp_path: Path) -> None:
    ready, told = os.pipe()
    child = os.fork()
    if not child:
        with AgentLock(tmp_path):
            os.write(told, b"x")
            os.kill(os.getpid(), signal.SIGSTOP)
        os._exit(0)
    try:
        assert os.read(ready, 1) == b"x"
        os.waitpid(child, os.WUNTRACED)
        finding = {finding.about: finding for finding in examine_memory(tmp_path)}["agent"]
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(ready)
        os.close(told)
    assert (finding.health, finding.text) == ("problem", f"pid {child} is suspended")
    assert finding.remedy == f"kill -CONT {child}"


def test_a_changed_journal_is_a_problem(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    with tampered(tmp_path / DATABASE_FILE) as sql:
        sql.execute("DROP TRIGGER event_is_never_changed")
        sql.execute("UPDATE event SET body = replace(body, '0.1.0', '0.1.1') WHERE seq = 1")
    findings = {finding.about: finding for finding in examine_memory(tmp_path)}
    assert findings["state file"].text == "the hash chain is broken at event 1"
    assert findings["state file"].health == "problem"


def test_a_damaged_file_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"SQLite format 3\0" + b"\xa5" * 8000)
    findings = {finding.about: finding for finding in examine_memory(tmp_path)}
    assert findings["state file"].health == "problem"
    assert "is not a database" in findings["state file"].text
    assert findings["state file"].remedy is not None


# The cluster.

WEB = ServicePlan("web", Kind.DEPLOYMENT, "shop", "web")

Prepare = Callable[[EmbeddedKubernetes], object]


async def look_at_cluster(
    folder: Path,
    service: ServicePlan,
    prepare: Prepare,
    *,
    healthy: bool = True,
    manifest: Manifest | None = None,
    registries: dict[str, str] | None = None,
) -> dict[str, Finding]:
    """What is found where the Deployment web runs, after ``prepare``."""
    async with EmbeddedKubernetes(pace=Timing(ready_after=0.01), namespaces=("shop",)) as api:
        api.create(manifest or manifests.deployment("web", "shop"))
        prepare(api)
        settings = settings_for(folder, service, kubeconfig=api.write_kubeconfig(folder / "kubeconfig"))
        settings = replace(settings, kubernetes=structs.replace(settings.kubernetes, registries=registries or {}))
        while True:
            findings = await gather(examine_cluster(settings))
            if not healthy or "0 of 1" not in str(findings.get(f"service {service.name}")):
                return findings


def test_a_server_whose_certificate_is_not_verified_is_named(tmp_path: Path) -> None:
    async def scenario() -> list[Finding]:
        async with EmbeddedKubernetes(namespaces=("shop",)) as api:
            kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
            config = yaml.safe_load(kubeconfig.read_text())
            config["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
            kubeconfig.write_text(yaml.safe_dump(config))
            return [one async for one in examine_cluster(settings_for(tmp_path, kubeconfig=kubeconfig))]

    found = [one for one in asyncio.run(scenario()) if one.about == "kubernetes API"]
    assert [one.health for one in found] == ["good", "warning"]
    assert "insecure-skip-tls-verify: true" in found[1].text


def settings_for(folder: Path, *services: ServicePlan, kubeconfig: Path) -> Settings:
    settings = built_in_settings(folder)
    kubernetes = structs.replace(
        settings.kubernetes, kubeconfig=kubeconfig, connect_timeout=PATIENT, read_timeout=PATIENT
    )
    return replace(settings, plan=structs.replace(settings.plan, services=services), kubernetes=kubernetes)


def nothing(api: EmbeddedKubernetes) -> None:
    """Leave the cluster as it is."""


def change(body: Json) -> Prepare:
    """A merge patch of the Deployment."""

    def patch(api: EmbeddedKubernetes) -> None:
        path = "/apis/apps/v1/namespaces/shop/deployments/web"
        assert api.request("PATCH", path, body, content_type="application/merge-patch+json").status == 200

    return patch


def guard_against_recreation(api: EmbeddedKubernetes) -> None:
    """A Deployment whose rollout ends its pods first, and a budget that forbids that."""
    change({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": None}}})(api)
    api.create(manifests.disruption_budget("guard", "shop", app="web", minAvailable=1))


def test_a_healthy_cluster_is_good(tmp_path: Path) -> None:
    findings = asyncio.run(look_at_cluster(tmp_path, WEB, nothing))
    assert {finding.health for finding in findings.values()} == {"good"}
    assert findings["kubernetes API"].text.startswith(f"{NEWEST} at http://127.0.0.1:")
    assert findings["permissions"].text == "all 8 required permissions are granted"
    assert findings["service web"].text == "Deployment shop/web, 1 of 1 available"


@pytest.mark.parametrize(
    ("service", "prepare", "health", "text"),
    [
        pytest.param(
            structs.replace(WEB, workload="nix"), nothing, "problem", "Deployment shop/nix does not exist", id="missing"
        ),
        pytest.param(
            WEB,
            change({"spec": {"paused": True}}),
            "warning",
            "Deployment shop/web is paused and will not be restarted",
            id="paused",
        ),
        pytest.param(
            WEB,
            change({"spec": {"replicas": 0}}),
            "note",
            "Deployment shop/web is scaled to 0 and will not be restarted",
            id="scaled to 0",
        ),
        pytest.param(
            WEB,
            guard_against_recreation,
            "warning",
            "Deployment shop/web is available, but PodDisruptionBudget guard allows no disruption, and a restart stops "
            "a pod before its replacement is available",
            id="guarded by a disruption budget",
        ),
        pytest.param(
            WEB,
            change({"spec": {"template": {"spec": {"schedulingGates": [{"name": "example.com/hold"}]}}}}),
            "warning",
            "Deployment shop/web will not be restarted: its pod template has the scheduling gate example.com/hold",
            id="its pods wait for a gate",
        ),
        pytest.param(
            WEB,
            lambda api: api.create(manifests.disruption_budget("guard", "shop", app="web", minAvailable=1)),
            "good",
            "Deployment shop/web, 1 of 1 available",
            id="guarded by a disruption budget that its rollout keeps",
        ),
        pytest.param(
            structs.replace(WEB, kind=Kind.DAEMON_SET, workload="logs"),
            lambda api: api.create(manifests.daemon_set("logs", "shop", updateStrategy={"type": "OnDelete"})),
            "warning",
            "DaemonSet shop/logs: its update strategy is OnDelete, so a changed pod template restarts nothing",
            id="not restartable",
        ),
    ],
)
def test_a_service_is_judged(tmp_path: Path, service: ServicePlan, prepare: Prepare, health: str, text: str) -> None:
    finding = asyncio.run(look_at_cluster(tmp_path, service, prepare))["service web"]
    assert (finding.health, finding.text) == (health, text)
    assert (finding.remedy is None) is (health in ("note", "good"))


def test_a_registry_out_of_reach_is_named_where_a_restart_would_end_what_works(tmp_path: Path) -> None:
    manifest = manifests.deployment("web", "shop", strategy={"type": "Recreate"})
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    container |= {"image": "registry.example/web:1", "imagePullPolicy": "Always"}
    with closed_port() as port:
        look = look_at_cluster(
            tmp_path, WEB, nothing, manifest=manifest, registries={"registry.example": f"http://127.0.0.1:{port}"}
        )
        finding = asyncio.run(look)["service web"]
    assert (finding.health, finding.text) == (
        "warning",
        "Deployment shop/web is available, but registry registry.example is unreachable: connection refused, and a "
        "restart would stop working pods before new ones can pull registry.example/web:1 (imagePullPolicy Always)",
    )
    assert finding.remedy is not None and "kubernetes.registries" in finding.remedy


def test_a_namespace_without_any_of_the_workloads_is_one_finding(tmp_path: Path) -> None:
    async def look() -> list[Finding]:
        async with EmbeddedKubernetes(pace=Timing(ready_after=0.0), namespaces=("shop",)) as api:
            for name in ("jaeger", "grafana"):
                api.create(manifests.deployment(name, "default"))
            kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
            built_in = built_in_settings(tmp_path)
            wanted = [
                structs.replace(service, namespace="shop")
                for service in built_in.plan.services
                if service.name in ("frontend", "grafana", "jaeger")
            ]
            return [
                finding async for finding in examine_cluster(settings_for(tmp_path, *wanted, kubeconfig=kubeconfig))
            ]

    (finding,) = (finding for finding in asyncio.run(look()) if finding.health != "good")
    assert (finding.health, finding.text) == (
        "problem",
        "namespace shop has none of the 3 Deployments (frontend, grafana, jaeger); default has grafana, jaeger",
    )


def test_a_service_that_is_not_available_is_a_warning(tmp_path: Path) -> None:
    def fail(api: EmbeddedKubernetes) -> None:
        api.workloads.fail_rollouts("Deployment", "shop", "web", times=None)

    finding = asyncio.run(look_at_cluster(tmp_path, WEB, fail, healthy=False))["service web"]
    assert finding.health == "warning"


@pytest.mark.parametrize(
    ("verb", "resource", "health"),
    [("patch", "deployments", "problem"), ("list", "poddisruptionbudgets", "warning")],
    ids=["essential", "useful"],
)
def test_a_missing_permission_is_named(tmp_path: Path, verb: str, resource: str, health: str) -> None:
    findings = asyncio.run(look_at_cluster(tmp_path, WEB, lambda api: api.access.deny(verb, resource)))
    finding = findings["permissions"]
    assert finding.health == health
    assert finding.text.startswith(f"missing permission: {verb} {resource} in shop, needed to ")
    assert finding.remedy == "Run `connmon-agent doctor --role` to print the Role that grants it"


def test_a_permission_that_cannot_be_asked_about_is_a_warning(tmp_path: Path) -> None:
    def break_reviews(api: EmbeddedKubernetes) -> None:
        api.faults.add(Answer(500), path="selfsubjectaccessreviews")

    finding = asyncio.run(look_at_cluster(tmp_path, WEB, break_reviews))["permissions"]
    assert (finding.health, "could not be checked" in finding.text) == ("warning", True)


def test_an_api_that_cannot_be_reached_is_the_last_thing_told(tmp_path: Path) -> None:
    with closed_port() as port:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", local(port))
        findings = asyncio.run(gather(examine_cluster(settings_for(tmp_path, WEB, kubeconfig=kubeconfig))))
    assert list(findings) == ["kubernetes API"]
    assert findings["kubernetes API"].health == "problem"
    assert findings["kubernetes API"].text.endswith("cannot be reached: connection refused")


def test_a_missing_kubeconfig_is_a_problem(tmp_path: Path) -> None:
    findings = asyncio.run(gather(examine_cluster(settings_for(tmp_path, WEB, kubeconfig=tmp_path / "none"))))
    assert findings["kubernetes API"].text == f"the kubeconfig {tmp_path / 'none'} does not exist"
    assert findings["kubernetes API"].remedy == "Correct kubernetes.kubeconfig"
    assert list(tmp_path.iterdir()) == [], "looking changes nothing"

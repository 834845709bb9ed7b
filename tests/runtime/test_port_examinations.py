"""What ``doctor`` finds of local ports: who has them, which the kernel may give away, and what is at their end."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.fakes.wine import on_wine
from tests.sockets.holders import free_port, free_ports, held

from connmon_agent.core.plan import ForwardPlan, Kind, Plan, ServicePlan
from connmon_agent.kube.calls import Calls
from connmon_agent.kube.cluster import open_calls
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.runtime.findings import Finding
from connmon_agent.runtime.port_examinations import examine_ends, examine_metrics, examine_ports
from connmon_agent.settings import ForwardSettings, KubernetesSettings, MetricsSettings, Settings
from connmon_agent.sockets.port_ranges import read_ephemeral_range
from connmon_lab.kubernetes import EmbeddedKubernetes, ThreadedKubernetes, manifests


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """The kernel's range of ports for outgoing connections, out of the way of the tests' own ports."""
    path = tmp_path / "ip_local_port_range"
    path.write_text("1\t2\n")
    return path


# Wine names no process that has a socket.
PID = "a hidden process" if on_wine() else f"(pid {os.getpid()})"


def settings_of(folder: Path, forwards: dict[str, ForwardSettings]) -> Settings:
    plans = tuple(
        ServicePlan(
            name, Kind.DEPLOYMENT, "shop", name, forward=ForwardPlan(forward.port, forward.alternatives, ("127.0.0.1",))
        )
        for name, forward in forwards.items()
    )
    return replace(built_in_settings(folder), plan=Plan(services=plans), forwards=forwards)


def reading(table: Path) -> Callable[[], tuple[int, int] | None]:
    return partial(read_ephemeral_range, "linux", table=table)


def told(findings: list[Finding]) -> list[tuple[str, str, str]]:
    return [(finding.health, finding.about, finding.text) for finding in findings]


def test_ports_that_are_free_are_one_good_finding(tmp_path: Path, table: Path) -> None:
    settings = settings_of(tmp_path, {"web": ForwardSettings("web", free_port())})
    assert told(list(examine_ports(settings, agent=None, read_range=reading(table)))) == [
        ("good", "local ports", "1 service, all primary ports are available")
    ]


def test_a_site_without_ports_says_nothing(tmp_path: Path, table: Path) -> None:
    assert list(examine_ports(settings_of(tmp_path, {}), agent=None, read_range=reading(table))) == []


def test_a_taken_port_names_who_has_it_and_what_would_be_used(tmp_path: Path, table: Path) -> None:
    port, other = free_ports(2)
    settings = settings_of(tmp_path, {"web": ForwardSettings("web", port, (other,))})
    with held(port=port):
        (found,) = examine_ports(settings, agent=None, read_range=reading(table))
    assert (found.health, found.about) == ("warning", "local port of web")
    assert f"{port} is in use by" in found.text and PID in found.text
    assert found.text.endswith(f"; {other} would be used")


def test_a_service_that_can_have_no_port_is_a_problem(tmp_path: Path, table: Path) -> None:
    port = free_port()
    with held(port=port):
        (found,) = examine_ports(
            settings_of(tmp_path, {"web": ForwardSettings("web", port)}), agent=None, read_range=reading(table)
        )
    assert (found.health, found.text.split(":")[0]) == ("problem", "no port is available")


@pytest.mark.skipif(on_wine(), reason="Wine names no process that has a socket")
def test_what_the_running_agent_has_is_no_obstacle(tmp_path: Path, table: Path) -> None:
    port = free_port()
    settings = settings_of(tmp_path, {"web": ForwardSettings("web", port)})
    with held(port=port):
        (found,) = examine_ports(settings, agent=os.getpid(), read_range=reading(table))
    assert found.health == "good"


def test_a_port_that_the_kernel_may_give_away_is_told(tmp_path: Path, table: Path) -> None:
    port = free_port()
    table.write_text(f"{port}\t{port}\n")
    _, found = examine_ports(
        settings_of(tmp_path, {"web": ForwardSettings("web", port)}), agent=None, read_range=reading(table)
    )
    assert (found.health, found.about) == ("warning", "local ports")
    assert found.text == f"{port}: in the range of outgoing connections, {port} to {port}"


@pytest.mark.parametrize(
    ("platform", "remedy"),
    [
        ("linux", ", or reserve them: sysctl net.ipv4.ip_local_reserved_ports"),
        ("win32", ", or reserve them: netsh interface ipv4 add excludedportrange"),
        ("darwin", ""),
    ],
)
def test_a_remedy_is_the_systems_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str, remedy: str
) -> None:
    port = free_port()
    settings = settings_of(tmp_path, {"web": ForwardSettings("web", port)})
    monkeypatch.setattr(sys, "platform", platform)
    _, found = examine_ports(settings, agent=None, read_range=lambda: (port, port))
    assert (found.remedy or "").startswith(f"Choose ports below {port}{remedy}")


def test_where_the_system_has_no_such_table_nothing_is_said_of_it(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, {"web": ForwardSettings("web", free_port())})
    (found,) = examine_ports(settings, agent=None, read_range=lambda: None)
    assert found.health == "good"


@pytest.fixture
def calls(tmp_path: Path) -> Iterator[Calls]:
    with ThreadedKubernetes(EmbeddedKubernetes(namespaces=("shop",))) as api:
        api.create(manifests.service("web", "shop"))
        kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig")
        opened = open_calls(KubernetesSettings(kubeconfig=kubeconfig, namespace="shop"), temp_dir=tmp_path / "private")
        yield opened


def ends_of(folder: Path, calls: Calls, **forwards: ForwardSettings) -> list[tuple[str, str, str]]:
    return told(findings_of(folder, calls, **forwards))


def findings_of(folder: Path, calls: Calls, **forwards: ForwardSettings) -> list[Finding]:
    async def whole() -> list[Finding]:
        try:
            return [finding async for finding in examine_ends(settings_of(folder, forwards), calls)]
        finally:
            await calls.close()

    return asyncio.run(whole())


def test_services_that_are_there_are_one_good_finding(tmp_path: Path, calls: Calls) -> None:
    assert ends_of(tmp_path, calls, web=ForwardSettings("web", 8080, target="http")) == [
        ("good", "forward targets", "1 Service found, with the configured ports")
    ]


@pytest.mark.parametrize(
    ("forward", "trouble"),
    [
        (ForwardSettings("wep", 8080), "there is no Service wep in the namespace shop"),
        (ForwardSettings("web", 8080, target="grpc"), "the Service web has no port grpc; it has: http (80)"),
    ],
)
def test_what_leads_nowhere_is_told_with_what_there_is(
    tmp_path: Path, calls: Calls, forward: ForwardSettings, trouble: str
) -> None:
    assert ends_of(tmp_path, calls, web=forward) == [("warning", "local port of web", f"has no target: {trouble}")]


def test_a_service_with_several_ports_asks_for_a_target(tmp_path: Path) -> None:
    found = manifests.service("web", "shop")
    found["spec"]["ports"] = [{"name": "a", "port": 81}, {"name": "b", "port": 82}]
    with ThreadedKubernetes(EmbeddedKubernetes(namespaces=("shop",))) as api:
        api.create(found)
        settings = KubernetesSettings(kubeconfig=api.write_kubeconfig(tmp_path / "kubeconfig"), namespace="shop")
        opened = open_calls(settings, temp_dir=tmp_path / "private")
        (finding,) = findings_of(tmp_path, opened, web=ForwardSettings("web", 8080))
    assert "a (81), b (82)" in finding.text
    assert finding.remedy == "Set services.web.target to the name or number of one of these ports"


def serving(folder: Path, port: int) -> Settings:
    return replace(built_in_settings(folder), metrics=MetricsSettings(("127.0.0.1", port)))


def test_metrics_that_are_not_wanted_are_no_finding(tmp_path: Path) -> None:
    assert list(examine_metrics(built_in_settings(tmp_path), agent=None)) == []


def test_a_port_of_the_metrics_that_is_taken_is_found_unless_the_agent_itself_has_it(tmp_path: Path) -> None:
    port = free_port()
    assert told(list(examine_metrics(serving(tmp_path, port), agent=None))) == [
        ("good", "metrics", f"127.0.0.1:{port} is free")
    ]
    with held("127.0.0.1") as port:
        (finding,) = examine_metrics(serving(tmp_path, port), agent=None)
        assert (finding.health, finding.about) == ("warning", "metrics")
        assert finding.text.startswith("cannot be served: ") and PID in finding.text
        if not on_wine():
            assert told(list(examine_metrics(serving(tmp_path, port), agent=os.getpid()))) == [
                ("good", "metrics", f"served on 127.0.0.1:{port}")
            ]


def test_an_address_of_another_machine_is_found(tmp_path: Path) -> None:
    settings = replace(built_in_settings(tmp_path), metrics=MetricsSettings(("192.0.2.99", 9180), allow_remote=True))
    (finding,) = examine_metrics(settings, agent=None)
    assert finding.health == "warning"

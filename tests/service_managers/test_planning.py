"""From a configuration to what is installed: what the service could not do is found beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from connmon_agent.errors import ConnmonError
from connmon_agent.kube.kubeconfig import Places
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.service_managers import planning
from connmon_agent.service_managers.interface import Installation
from connmon_agent.service_managers.planning import plan_installation, require_config
from connmon_agent.settings import (
    ChannelSettings,
    CommandChannel,
    ForwardSettings,
    GatewayTarget,
    LoggingSettings,
    NotifySettings,
    NtfyChannel,
    Settings,
)

pytestmark = pytest.mark.linux_alone(reason="services of systemd, cron and launchd, with paths of Unix")

CONFIG = Path("/etc/connmon-agent/connmon.yaml")


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program and the configuration lie where all may read them."""
    monkeypatch.setattr(planning, "refuse_unreachable", lambda paths, *, remedy: None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return replace(built_in_settings(tmp_path), source=str(CONFIG))


def kubeconfig(path: Path, **user: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "https://192.0.2.1:6443"}}],
                "users": [{"name": "u", "user": user}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    )
    path.chmod(0o600)
    return path


Plan = Callable[..., tuple[Installation, list[str]]]


@pytest.fixture
def plan(tmp_path: Path, settings: Settings, public: None) -> Plan:
    def make(settings: Settings = settings, environment: dict[str, str] | None = None, **options: Any) -> Any:
        places = Places(
            environment or {}, tmp_path / "home", k3s=tmp_path / "k3s.yaml", service_account=tmp_path / "sa"
        )
        given = {"user": False, "sandboxed": True, "instance": None, "state_dir": None, **options}
        return plan_installation(settings, CONFIG, places=places, **given)

    return make


def test_a_kubeconfig_of_root_is_handed_over(tmp_path: Path, plan: Plan) -> None:
    found = kubeconfig(tmp_path / "k3s.yaml")
    installation, notes = plan()
    assert (installation.kubeconfig, installation.credentials, notes) == (found, (found,), [])


def test_files_that_it_names_are_handed_over_with_it(tmp_path: Path, plan: Plan) -> None:
    """minikube's keys lie in a home."""
    key = tmp_path / "client.key"
    key.write_text("k")
    found = kubeconfig(tmp_path / "home/.kube/config", **{"client-key": str(key)})
    assert plan()[0].credentials == (found, key)


def test_a_kubeconfig_of_the_configuration_needs_no_variable(tmp_path: Path, settings: Settings, plan: Plan) -> None:
    named = kubeconfig(tmp_path / "own")
    kubernetes = structs.replace(settings.kubernetes, kubeconfig=named)
    installation, _ = plan(replace(settings, kubernetes=kubernetes))
    assert (installation.kubeconfig, installation.credentials) == (None, (named,))


def test_without_a_kubeconfig_it_is_installed_and_said(plan: Plan) -> None:
    installation, (note,) = plan()
    assert installation.credentials == ()
    assert note.startswith("The service cannot reach the cluster: no kubeconfig found")


def notifying(settings: Settings, *files: Path, program: Path | None = None) -> Settings:
    """With a channel for each of these secrets."""
    channels = {path.name: ChannelSettings(NtfyChannel(url="https://n/t", token_file=path)) for path in files}
    if program is not None:
        channels["command"] = ChannelSettings(CommandChannel(program))
    return replace(settings, notify=NotifySettings(None, channels))


def test_secrets_of_notices_are_handed_over(tmp_path: Path, settings: Settings, plan: Plan) -> None:
    found = kubeconfig(tmp_path / "k3s.yaml")
    token = tmp_path / "token"
    token.write_text("t", encoding="utf-8")
    token.chmod(0o600)
    installation, notes = plan(notifying(settings, token, token))
    assert (installation.credentials, notes) == ((found, token), [])


def test_a_secret_that_is_missing_would_keep_the_unit_from_starting(
    tmp_path: Path, settings: Settings, plan: Plan
) -> None:
    kubeconfig(tmp_path / "k3s.yaml")
    installation, (note,) = plan(notifying(settings, tmp_path / "token"))
    assert tmp_path / "token" not in installation.credentials
    assert (
        note == f"{tmp_path / 'token'}, which notify names, does not exist. Create it, then run `service install` again"
    )


def test_a_program_that_the_service_cannot_reach_is_named(tmp_path: Path, settings: Settings, plan: Plan) -> None:
    kubeconfig(tmp_path / "k3s.yaml")
    program = tmp_path / "send"
    program.write_text("", encoding="utf-8")
    program.chmod(0o700)
    _, (note,) = plan(notifying(settings, program=program))
    assert note.startswith(f"The service cannot run {program}: ")


def test_several_kubeconfigs_are_refused(tmp_path: Path, plan: Plan) -> None:
    named = f"{kubeconfig(tmp_path / 'a')}:{kubeconfig(tmp_path / 'b')}"
    with pytest.raises(ConnmonError, match=r"names several files.*Merge them"):
        plan(environment={"KUBECONFIG": named})


def test_a_credential_plugin_is_warned_of(tmp_path: Path, plan: Plan) -> None:
    kubeconfig(tmp_path / "k3s.yaml", exec={"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"})
    _, (note,) = plan()
    assert "uses the credential plugin aws" in note


def test_a_state_directory_of_ones_own_is_refused(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(ConnmonError, match=r"/srv/state; systemd provides /var/lib/connmon-agent.*Remove state_dir"):
        plan(state_dir=Path("/srv/state"))
    plan(state_dir=Path("/var/lib/connmon-agent"))
    plan(state_dir=Path("/srv/state"), sandboxed=False)


def test_logs_elsewhere_are_refused(settings: Settings, plan: Plan) -> None:
    def logging_to(folder: str) -> Settings:
        return replace(settings, logging=LoggingSettings(dir=Path(folder)))

    with pytest.raises(ConnmonError, match=r"/srv/logs; systemd provides /var/log/connmon-agent.*logging\.dir"):
        plan(logging_to("/srv/logs"))
    plan(logging_to("/var/log/connmon-agent"))


def test_low_ports_are_noticed(settings: Settings, plan: Plan) -> None:
    assert not plan()[0].low_ports
    low = {"web": ForwardSettings("web", 8080, alternatives=(443,))}
    assert plan(replace(settings, forwards=low))[0].low_ports


@pytest.mark.parametrize(("allowed", "said"), [("1\t0\n", True), ("0\t2147483647\n", False), ("0\t1000\n", True)])
def test_pings_that_the_kernel_forbids_are_said(
    tmp_path: Path, settings: Settings, plan: Plan, monkeypatch: pytest.MonkeyPatch, allowed: str, said: bool
) -> None:
    (tmp_path / "range").write_text(allowed)
    monkeypatch.setattr(planning, "PING_RANGE", tmp_path / "range")
    kubeconfig(tmp_path / "k3s.yaml")
    _, notes = plan(replace(settings, targets=(GatewayTarget("gateway"),)))
    assert [note for note in notes if "ping_group_range" in note] == notes and bool(notes) is said
    assert plan(replace(settings, targets=()))[1] == []


def test_an_instance_has_a_kubeconfig_of_its_name(tmp_path: Path, settings: Settings, plan: Plan) -> None:
    kubernetes = structs.replace(settings.kubernetes, kubeconfig=kubeconfig(tmp_path / "own"))
    with pytest.raises(ConnmonError, match=rf"/etc/connmon-agent/b\.kubeconfig, not from .*ln -s {tmp_path}/own"):
        plan(replace(settings, kubernetes=kubernetes), instance="b")
    kubeconfig(tmp_path / "k3s.yaml")
    with pytest.raises(ConnmonError, match=r"b\.kubeconfig, which does not exist.*ln -s"):
        plan(instance="b")


def test_a_program_or_a_configuration_in_a_home_is_refused(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Places({}, tmp_path, k3s=tmp_path / "k3s", service_account=tmp_path)

    def attempt(config: Path) -> None:
        plan_installation(settings, config, user=False, sandboxed=True, instance=None, places=places, state_dir=None)

    program = Path("/root/venv/bin/connmon-agent")
    monkeypatch.setattr(planning, "find_command", lambda: ((str(program),), (program,)))
    with pytest.raises(ConnmonError, match=r"cannot read /root/venv/.*hidden from.*Install connmon-agent .*/opt"):
        attempt(CONFIG)
    monkeypatch.setattr(planning, "find_command", lambda: (("/bin/sh",), (Path("/bin/sh"),)))
    with pytest.raises(ConnmonError, match=r"cannot read /root/connmon\.yaml.*Copy it to /etc/connmon-agent"):
        attempt(Path("/root/connmon.yaml"))


def test_built_in_defaults_are_no_configuration_of_a_service(tmp_path: Path) -> None:
    with pytest.raises(ConnmonError, match=r"no configuration file.*Copy config/connmon\.yaml to /etc"):
        require_config(built_in_settings(tmp_path), tmp_path)
    named = replace(built_in_settings(tmp_path), source="config/connmon.yaml")
    assert require_config(named, Path("/srv/erp")) == Path("/srv/erp/config/connmon.yaml")

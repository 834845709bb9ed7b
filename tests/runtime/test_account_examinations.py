"""What `doctor` says of the account of a service of Windows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from connmon_agent.kube.kubeconfig import Places
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.runtime import account_examinations
from connmon_agent.runtime.account_examinations import examine_account
from connmon_agent.runtime.findings import Health
from connmon_agent.settings import BUILT_IN, Settings

LOCAL_SERVICE = r"NT AUTHORITY\LocalService"
KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: it
contexts: [{name: it, context: {cluster: it, user: me}}]
clusters: [{name: it, cluster: {server: "https://192.0.2.1:6443"}}]
users: [{name: me, user: {tokenFile: token}}]
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of a site whose kubeconfig names another file."""
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_text(KUBECONFIG)
    (tmp_path / ".kube" / "token").write_text("geheim")
    monkeypatch.setattr(account_examinations, "_places", lambda: Places({}, tmp_path))
    return replace(built_in_settings(tmp_path), source=str(tmp_path / "connmon.yaml"))


def installed(settings: Settings, account: str = LOCAL_SERVICE) -> tuple[str, str]:
    return f'"python.exe" -c "main()" --config "{settings.source}" start', account


def test_what_the_account_cannot_read_is_named_with_the_command_that_lets_it(
    tmp_path: Path, settings: Settings
) -> None:
    def list_closed(account: str, files: Iterable[Path]) -> list[Path]:
        return [file for file in files if file.is_relative_to(tmp_path / ".kube")]

    (finding,) = examine_account(settings, find_service=lambda: installed(settings), list_closed=list_closed)
    assert finding.health is Health.WARNING
    for name in ("config", "token"):
        assert str(tmp_path / ".kube" / name) in finding.text
        assert f'icacls "{tmp_path / ".kube" / name}" /grant "*S-1-5-19:R"' in str(finding.remedy)
    assert "geheim" not in finding.text


def test_an_account_that_can_read_it_all_is_good(settings: Settings) -> None:
    asked: list[Path] = []

    def list_closed(account: str, files: Iterable[Path]) -> list[Path]:
        asked.extend(files)
        return []

    (finding,) = examine_account(settings, find_service=lambda: installed(settings), list_closed=list_closed)
    assert finding.health is Health.GOOD and finding.text.startswith(LOCAL_SERVICE)
    assert {Path(settings.source), Path(settings.source).parent / ".kube" / "token"} <= set(asked)


def test_where_no_service_or_another_ones_is_installed_nothing_is_said(settings: Settings) -> None:
    other = replace(settings, source=str(Path(settings.source).with_name("other.yaml")))
    assert list(examine_account(settings, find_service=lambda: None)) == []
    assert list(examine_account(settings, find_service=lambda: installed(other))) == []
    assert list(examine_account(replace(settings, source=BUILT_IN), find_service=lambda: installed(settings))) == []

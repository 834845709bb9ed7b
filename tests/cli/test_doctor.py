"""doctor: every finding with its remedy, and an exit code for scripts."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from tests.fakes.local_sites import LocalAgent, LocalSite

from connmon_agent.cli import connmon_agent
from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.kube.permissions import list_permissions
from connmon_agent.private_files import make_folder

HEALTHY = (
    "configuration: ",
    "charts: ",
    "state directory: ",
    "sqlite: ",
    "agent: ",
    "state file: ",
    "target tcp 127.0.0.1:",
    "target dns 127.0.0.1:",
    "target http://127.0.0.1:",
    "link: good round: 3 of 3 counted targets answered, quorum is 2",
    "kubernetes API: v1.37.2 at http://127.0.0.1:",
    "permissions: all 8 required permissions are granted",
    "service web: Deployment shop/web, 1 of 1 available",
    "service db: Deployment shop/db, 1 of 1 available",
)


def findings_of(agent: LocalAgent, *, code: int) -> dict[str, dict[str, Any]]:
    result = agent.run("doctor", "--json")
    assert result.exit_code == code, result.output
    document = json.loads(result.stdout)
    assert document["schema"] == 1
    return {finding["about"]: finding for finding in document["findings"]}


def test_a_healthy_site_has_no_problem(agent: LocalAgent) -> None:
    make_folder(agent.state)
    result = agent.run("doctor")
    assert result.exit_code == 0
    marked = [line for line in result.output.splitlines() if line[:4] in ("ok  ", "--  ", "!!  ", "XX  ")]
    assert [line[:2] for line in marked if line[:2] in ("!!", "XX")] == []
    marked = [line for line in marked if "target gateway" not in line]  # this machine's own, where it has one
    found = [f"{line[4:]} " for line in marked]  # a long path begins a line of its own
    assert [line for line, about in zip(found, HEALTHY, strict=True) if not line.startswith(about)] == []
    assert result.output.splitlines()[-2] == "No problems found."
    assert list(agent.state.iterdir()) == [], "looking changes nothing"


def test_a_problem_has_a_remedy_and_ends_with_1(agent: LocalAgent) -> None:
    agent.configuration["services"]["nix"] = {}
    agent.write()
    result = agent.run("doctor")
    assert result.exit_code == 1
    lines = result.output.splitlines()
    place = lines.index("XX  service nix: Deployment shop/nix does not exist")
    assert lines[place + 1] == "    -> Correct the name or the namespace, or remove the service from services"
    assert lines[-2:] == ["1 problem, 0 warnings.", "ok: good, --: information, !!: warning, XX: problem"]


def test_equal_remedies_are_one_line_with_all_names(agent: LocalAgent) -> None:
    agent.configuration["services"].update({"nix": {}, "nada": {}, "nought": {}})
    agent.write()
    lines = agent.run("doctor").output.splitlines()
    place = lines.index("XX  service nix: Deployment shop/nix does not exist")
    assert lines[place + 1 : place + 4] == [
        "XX  service nada: Deployment shop/nada does not exist",
        "XX  service nought: Deployment shop/nought does not exist",
        "    -> service nix, service nada, service nought: "
        "Correct the name or the namespace, or remove the service from services",
    ]


def test_no_line_is_wider_than_the_terminal(agent: LocalAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.cli.screens.width_of_output", lambda: 80)
    agent.configuration["kubernetes"]["kubeconfig"] = str(agent.folder / "/".join(["deeper"] * 20) / "kubeconfig")
    agent.write()
    assert max(map(len, agent.run("doctor").output.splitlines())) <= 80


def test_the_document_has_the_same_findings(agent: LocalAgent) -> None:
    agent.configuration["services"]["nix"] = {}
    agent.write()
    findings = findings_of(agent, code=1)
    assert findings["service web"] == {
        "about": "service web",
        "health": "good",
        "text": "Deployment shop/web, 1 of 1 available",
        "remedy": None,
    }
    assert findings["service nix"]["health"] == "problem"


def test_what_only_weakens_the_agent_ends_with_0(site: LocalSite, agent: LocalAgent) -> None:
    denial = site.api.access.deny("list", "pods")
    try:
        findings = findings_of(agent, code=0)
    finally:
        site.api.access.allow(denial)
    assert (findings["permissions"]["health"], findings["permissions"]["text"]) == (
        "warning",
        "missing permission: list pods in shop, needed to find out why a pod is not ready",
    )


def test_a_running_agent_is_found(running: LocalAgent) -> None:
    findings = findings_of(running, code=0)
    assert findings["agent"]["text"] == f"running (pid {running.process.pid})"
    assert findings["state file"]["health"] == "good"


def test_a_configuration_that_cannot_be_used_ends_with_2(agent: LocalAgent) -> None:
    agent.write("nonsense: 1\n")
    result = agent.run("doctor")
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_role_grants_what_the_agent_needs(tmp_path: Path) -> None:
    config = tmp_path / "connmon.yaml"
    config.write_text("kubernetes: {namespace: shop}\nservices: {web: {}, db: {statefulset: pg, namespace: data}}\n")
    result = CliRunner().invoke(connmon_agent, ["--config", str(config), "doctor", "--role"])
    assert (result.exit_code, result.stderr) == (0, "")
    granted = {
        (document["metadata"].get("namespace", ""), group, resource, verb)
        for document in yaml.safe_load_all(result.stdout)
        if document["kind"] in ("Role", "ClusterRole")
        for rule in document["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    services = [ServicePlan("web", Kind.DEPLOYMENT, "shop", "web"), ServicePlan("db", Kind.STATEFUL_SET, "data", "pg")]
    needed = list_permissions(services)
    assert granted == {(one.namespace, one.group, one.resource, one.verb) for one in needed}

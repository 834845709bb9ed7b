"""Operators' orders, reloads and missing rights: no outage is needed, only a cluster, unless a test breaks the link."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import yaml
from tests.cluster.agents import NewAgent
from tests.cluster.site import Namespace, Site, wait_for
from tests.cluster.workloads import SEVEN, deployment

pytestmark = pytest.mark.cluster


def test_recover_restarts_what_is_named_and_nothing_else(seven: Namespace, new_agent: NewAgent) -> None:
    agent = new_agent(seven)
    agent.start_calm()
    before = seven.generations()
    agent.order("recover", "grafana", "jaeger")
    agent.until(lambda status: status["outage"] is not None and status["outage"]["ended_at"], "the recovery is over")
    assert agent.states() == {"READY"}
    assert seven.restarts_since(before) == {name: int(name in ("grafana", "jaeger")) for name in SEVEN}


def test_a_paused_agent_restarts_nothing_until_it_is_resumed(
    breakable: Site, seven: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(seven)
    agent.start_calm()
    before = seven.generations()
    agent.order("pause")
    refused = agent.run("recover")
    assert refused.returncode == 1 and "connmon-agent resume" in refused.stderr
    breakable.link("drop")
    agent.until_link("OFFLINE")
    agent.kill()
    breakable.link("up")
    agent.start()
    agent.until_said("stayed good for")
    status = agent.status()
    assert status["agent"]["paused"] and {one["state"] for one in status["services"]} == {"WAITING"}
    assert seven.generations() == before
    agent.order("resume")
    agent.until_link("ONLINE")
    assert seven.restarts_since(before) == dict.fromkeys(SEVEN, 1)


def test_an_order_to_an_agent_that_does_not_run_holds_from_its_next_start(
    seven: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(seven)
    agent.start_calm()
    assert agent.end() == 0
    told = agent.run("pause")
    assert told.returncode == 0 and "not running" in told.stdout
    agent.start()
    assert agent.until(lambda status: status["agent"]["running"], "the agent runs")["agent"]["paused"]


def test_a_reload_takes_a_good_configuration_over_whole_and_a_bad_one_not_at_all(
    seven: Namespace, new_agent: NewAgent
) -> None:
    agent = new_agent(seven, ["frontend"])
    agent.start_calm()
    agent.configure("services", grafana={"deployment": "grafana"})
    agent.configure("recovery", max_restart_attempts=7)
    agent.reload()
    agent.until_said("configuration reloaded from")
    agent.until(
        lambda status: (
            [(one["name"], one["state"], one["max_attempts"]) for one in status["services"]]
            == [("frontend", "READY", 7), ("grafana", "READY", 7)]
        ),
        "both services are READY",
    )
    agent.configure("services", jaeger={"deployment": "jaeger"})
    agent.configure("link", quorum=9)
    agent.reload()
    agent.until_said("configuration not reloaded", "link.quorum", "9")
    before = seven.generations()
    agent.order("recover")
    agent.until(lambda status: status["outage"] is not None and status["outage"]["ended_at"], "the recovery is over")
    assert seven.restarts_since(before) == {name: int(name in ("frontend", "grafana")) for name in SEVEN}


def test_a_missing_right_is_named_and_costs_no_attempt_until_it_is_granted(
    namespace: Namespace, new_agent: NewAgent, tmp_path: Path
) -> None:
    namespace.apply(deployment("well", namespace.site.image))
    namespace.until_available()
    namespace.kubectl("create", "serviceaccount", "watcher")
    _grant(namespace, "get")
    kubeconfig = _kubeconfig_of(namespace, "watcher", tmp_path)
    agent = new_agent(namespace, ["well"], kubeconfig=kubeconfig, max_restart_attempts=2)
    agent.start_calm()
    before = namespace.generations()
    agent.order("recover")
    agent.until_said("well: RESTARTING -> BACKOFF", "cannot patch", "deployments", times=3)
    found = agent.services()["well"]
    assert (found["attempts"], found["max_attempts"]) == (0, 2)
    assert namespace.generations() == before

    _grant(namespace, "get,patch")
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert agent.services()["well"]["attempts"] == 1
    assert namespace.restarts_since(before) == {"well": 1}


def _grant(namespace: Namespace, verbs: str) -> None:
    """Let the service account ``watcher`` do ``verbs`` with Deployments, and nothing else."""
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": verbs.split(",")}]
    group = "rbac.authorization.k8s.io"
    name = {"metadata": {"name": "watcher"}}
    subject = {"kind": "ServiceAccount", "name": "watcher", "namespace": namespace.name}
    namespace.apply(
        {"apiVersion": f"{group}/v1", "kind": "Role", **name, "rules": rules},
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            **name,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": "watcher"},
            "subjects": [subject],
        },
    )


def _kubeconfig_of(namespace: Namespace, account: str, folder: Path) -> Path:
    """A kubeconfig with the token of a service account. Asked for in a Secret, which every version grants."""
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {"name": f"{account}-key", "annotations": {"kubernetes.io/service-account.name": account}},
    }
    namespace.apply(secret)

    def token() -> str | None:
        found = json.loads(namespace.kubectl("get", "secret", f"{account}-key", "--output=json"))
        return (found.get("data") or {}).get("token")

    key = base64.b64decode(wait_for(token, "a token of the service account")).decode()
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "site", "cluster": namespace.site.cluster}],
        "users": [{"name": account, "user": {"token": key}}],
        "contexts": [{"name": "site", "context": {"cluster": "site", "user": account}}],
        "current-context": "site",
    }
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    return path

"""Workloads of every kind, and those that cannot or must not be restarted."""

from __future__ import annotations

import json

import pytest
from tests.cluster.agents import NewAgent
from tests.cluster.places import PATIENCE
from tests.cluster.site import Namespace, Site
from tests.cluster.workloads import (
    GET_STUCK,
    READY_UNTIL_STUCK,
    crash_after,
    daemon_set,
    deployment,
    ready_unless,
    stateful_set,
    with_sidecar,
)

pytestmark = pytest.mark.cluster

# For the rollout of a pod that starts at once, on a busy machine; where one cannot end, a test waits for so long.
ENOUGH = "20s"


def test_what_cannot_become_ready_is_given_up_after_the_last_attempt_and_stays_so(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    namespace.apply(
        deployment("never-again", breakable.image, container=ready_unless("?*")),
        deployment("well", breakable.image),
    )
    namespace.until_available()
    agent = new_agent(namespace, ["never-again", "well"], ready_timeout=ENOUGH, max_restart_attempts=2)
    agent.start_calm()
    before = namespace.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    given_up = agent.services()["never-again"]
    assert (given_up["state"], given_up["attempts"], given_up["max_attempts"]) == ("GAVE_UP", 2, 2)
    assert namespace.restarts_since(before) == {"never-again": 2, "well": 1}
    assert agent.outages()[-1]["result"] == "gave up: never-again"

    assert agent.end() == 0
    agent.start()
    agent.until_said("agent: configured")
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    assert agent.services()["never-again"]["state"] == "GAVE_UP"
    assert namespace.restarts_since(before) == {"never-again": 2, "well": 2}


def test_a_rollout_that_stands_still_is_restarted_and_given_up_with_its_pods_reason(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    """In the outage somebody rolls out a gate, and an image that is nowhere; the restart makes a sidecar crash."""
    image, boom = breakable.image, crash_after("?*", "no settings", code=3)
    ported = {"ports": [{"containerPort": 8080, "hostPort": 38_472}]}
    namespace.apply(
        deployment("imageless", image),
        deployment("gated", image),
        deployment("ported", image, container=ported),
        with_sidecar(deployment("accompanied", image), image, boom),
    )
    namespace.until_available()
    names = ["imageless", "gated", "ported", "accompanied"]
    agent = new_agent(namespace, names, ready_timeout=ENOUGH, max_restart_attempts=2)
    agent.start_calm()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    nowhere = {"containers": [{"name": "main", "image": "missing.invalid/nothing:1", "imagePullPolicy": "Never"}]}
    for name, spec in (("imageless", nowhere), ("gated", {"schedulingGates": [{"name": "example.com/hold"}]})):
        patch = json.dumps({"spec": {"template": {"spec": spec}}})
        namespace.kubectl("patch", f"deployment/{name}", f"--patch={patch}")
    before = namespace.generations()
    breakable.link("up")
    agent.until_link("ONLINE")
    assert namespace.restarts_since(before) == {"imageless": 2, "gated": 0, "ported": 2, "accompanied": 2}
    services = agent.services()
    told = {name: f"{one['state']} {one['reason']}" for name, one in services.items()}
    for name, words in (
        ("imageless", "ErrImageNeverPull"),
        ("ported", "didn't have free ports"),
        ("accompanied", "(exit code 3: no settings)"),
    ):
        assert told[name].startswith("GAVE_UP") and words in told[name], told[name]
        assert told[name].endswith("the old pod is still serving"), told[name]
    assert "sidecar proxy: " in told["accompanied"]
    agent.until_said("gated: WAITING -> UNKNOWN", "scheduling gate example.com/hold")


def test_a_second_attempt_is_made_when_the_first_did_not_help(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    first_of_this_agent = "*-1-1"  # a token ends with attempt and number
    namespace.apply(deployment("stubborn", breakable.image, container=ready_unless(first_of_this_agent)))
    namespace.until_available()
    agent = new_agent(namespace, ["stubborn"], ready_timeout=ENOUGH)
    agent.start_calm()
    before = namespace.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    service = agent.services()["stubborn"]
    assert (service["state"], service["attempts"]) == ("READY", 2)
    assert namespace.restarts_since(before) == {"stubborn": 2}


def test_what_somebody_repaired_between_two_attempts_is_left_alone(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    namespace.apply(deployment("never-again", breakable.image, container=ready_unless("?*")))
    namespace.until_available()
    agent = new_agent(namespace, ["never-again"], ready_timeout=ENOUGH, backoff={"first": ENOUGH, "max": ENOUGH})
    agent.start_calm()
    before = namespace.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_said("VERIFYING -> BACKOFF")
    repair = [{"op": "remove", "path": "/spec/template/spec/containers/0/readinessProbe"}]
    namespace.kubectl("patch", "deployment/never-again", "--type=json", f"--patch={json.dumps(repair)}")
    agent.until_link("ONLINE")
    service = agent.services()["never-again"]
    assert (service["state"], service["attempts"]) == ("READY", 1)
    assert namespace.restarts_since(before) == {"never-again": 2}  # the agent's attempt and the repair


def test_what_cannot_be_restarted_is_left_alone_with_the_reason(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    namespace.apply(
        deployment("paused", breakable.image),
        deployment("resting", breakable.image, replicas=0),
        deployment("well", breakable.image),
    )
    namespace.until_available()
    namespace.kubectl("rollout", "pause", "deployment/paused")
    agent = new_agent(namespace, ["paused", "resting", "well", "absent"])
    agent.start_calm(states=("READY", "UNKNOWN"))
    before = namespace.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    reasons = {name: one["reason"] for name, one in agent.services().items()}
    assert "paused" in reasons["paused"]
    assert "scaled to 0" in reasons["resting"]
    assert f"no Deployment absent in the namespace {namespace.name}" in reasons["absent"]
    assert namespace.restarts_since(before) == {"paused": 0, "resting": 0, "well": 1}


def test_a_stateful_set_and_a_daemon_set_are_restarted_exactly_once(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    namespace.apply(stateful_set("database", breakable.image), daemon_set("collector", breakable.image))
    namespace.until_available()
    agent = new_agent(namespace, {"database": {"statefulset": "database"}, "logs": {"daemonset": "collector"}})
    agent.start_calm()
    before = namespace.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert namespace.restarts_since(before) == {"database": 1, "collector": 1}
    tokens = namespace.annotations("restart-token")
    assert None not in tokens.values() and tokens["database"] != tokens["collector"]


def test_a_disruption_budget_postpones_the_restart_until_it_is_lifted(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}
    namespace.apply(deployment("guarded", breakable.image, strategy=strategy))
    limit = ("--selector=app=guarded", "--max-unavailable=0")
    namespace.kubectl("create", "poddisruptionbudget", "guarded", *limit)  # in the version that the server has
    namespace.until_available()
    agent = new_agent(namespace, ["guarded"])
    agent.start_calm()
    before = namespace.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_said("guarded: WAITING", "PodDisruptionBudget guarded allows no disruption")
    assert namespace.generations() == before
    namespace.kubectl("delete", "poddisruptionbudget/guarded")
    agent.until_link("ONLINE")
    assert namespace.restarts_since(before) == {"guarded": 1}


def test_only_what_the_outage_left_unavailable_is_restarted_where_the_configuration_says_so(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    namespace.apply(
        deployment("well", breakable.image),
        deployment("stuck", breakable.image, container=READY_UNTIL_STUCK),
    )
    namespace.until_available()
    agent = new_agent(namespace, ["well", "stuck"], when="unhealthy")
    agent.start_calm()
    before = namespace.generations()
    breakable.link("drop")
    agent.until_link("OFFLINE")
    namespace.kubectl("exec", "deployment/stuck", "--", *GET_STUCK)
    namespace.kubectl("wait", "deployment/stuck", "--for=condition=Available=false", f"--timeout={PATIENCE:g}s")
    breakable.link("up")
    agent.until_link("ONLINE")
    assert agent.states() == {"READY"}
    assert namespace.restarts_since(before) == {"well": 0, "stuck": 1}

"""Restarts that the cluster refuses, and restarts that a controller takes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from tests.cluster.agents import NewAgent
from tests.cluster.site import Json, Namespace, Site, wait_for
from tests.cluster.workloads import OFTEN, deployment, stateful_set

pytestmark = pytest.mark.cluster

TOKEN = "connmon.io/restart-token"
OURS = (TOKEN, "connmon.io/restarted-at", "connmon.io/reason")
# The controller, alone or among all that wrote: Kubernetes keeps the time of a manager's last change to the second, so
# one that wrote in the second of the restart and once more after it looks as if it had not written since.
UNDOING = ("kustomize-controller", " removed the restart annotations from the pod template")
SLOW = {"readinessProbe": {"exec": {"command": ["sh", "-c", ":"]}, "initialDelaySeconds": 6, **OFTEN}}


@contextmanager
def policy(namespace: Namespace, expression: str, words: str) -> Iterator[str]:
    """A ValidatingAdmissionPolicy for the workloads of one namespace, in force; yields its name."""
    name = namespace.name
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["*"]}
    chosen = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}, "resourceRules": [rule]}
    objects = [
        {
            "kind": "ValidatingAdmissionPolicy",
            "spec": {"matchConstraints": chosen, "validations": [{"expression": expression, "message": words}]},
        },
        {
            "kind": "ValidatingAdmissionPolicyBinding",
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        },
    ]
    for one in objects:
        one |= {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    namespace.apply(*objects)
    kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
    try:
        yield name
    finally:
        namespace.site.kubectl("delete", kinds, name, "--ignore-not-found")


def is_denied(namespace: Namespace, workload: str) -> bool:
    """Whether a restart of the workload would be denied now."""
    patch = json.dumps({"spec": {"template": {"metadata": {"annotations": {TOKEN: "a trial"}}}}})
    try:
        namespace.kubectl("patch", workload, "--dry-run=server", f"--patch={patch}")
    except AssertionError as error:
        return "denied request" in str(error)
    return False


def test_what_a_policy_denies_costs_no_attempt_and_is_told_with_its_words(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    served = breakable.kubectl("api-resources", "--api-group=admissionregistration.k8s.io", "--output=name")
    if "validatingadmissionpolicies" not in served:
        pytest.skip("this cluster has no ValidatingAdmissionPolicy")
    namespace.apply(deployment("web", breakable.image), stateful_set("db", breakable.image))
    namespace.until_available()
    services: Json = {"web": {"deployment": "web"}, "db": {"statefulset": "db"}}
    agent = new_agent(namespace, services, postpone_limit="6s")
    agent.start_calm()
    before = namespace.generations()
    annotations = "object.spec.template.metadata.?annotations.orValue({})"
    with policy(namespace, f"!('{TOKEN}' in {annotations})", "restarts need a ticket") as name:
        wait_for(lambda: is_denied(namespace, "deployment/web"), "the policy is in force")
        breakable.link("drop")
        agent.until_link("OFFLINE")
        breakable.link("up")
        agent.until_said("web: RESTARTING -> BACKOFF", "no attempt charged", f"ValidatingAdmissionPolicy '{name}'")
        agent.until_link("ONLINE")
    for service in agent.services().values():
        assert (service["state"], service["attempts"]) == ("READY", 0)
        assert service["reason"].startswith(f"every restart refused for 6 s: ValidatingAdmissionPolicy '{name}'")
        assert "denied request: restarts need a ticket" in service["reason"]
    assert namespace.restarts_since(before) == {"web": 0, "db": 0}

    wait_for(lambda: not is_denied(namespace, "deployment/web"), "the policy is gone")
    breakable.link("drop")
    agent.until_link("OFFLINE")
    breakable.link("up")
    agent.until_link("ONLINE")
    assert namespace.restarts_since(before) == {"web": 1, "db": 1}


def test_a_change_at_the_same_moment_is_no_policys(breakable: Site, namespace: Namespace, new_agent: NewAgent) -> None:
    """A controller that changes the object all the time: conflicts, with short pauses, until one request is in time."""
    namespace.apply(deployment("web", breakable.image))
    namespace.until_available()
    agent = new_agent(namespace, ["web"])
    agent.start_calm()
    before = namespace.annotations("restart-token")
    with changing(namespace, "web", annotations=None):
        breakable.link("drop")
        agent.until_link("OFFLINE")
        breakable.link("up")
        agent.until_link("ONLINE")
        agent.until_said("web: VERIFYING -> READY: restarted, 1 of 1 available")
    assert agent.services()["web"]["attempts"] == 1
    assert namespace.annotations("restart-token") != before


def test_a_restart_that_a_controller_takes_back_is_none(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    """The old pod runs until the new one is ready, and the controller comes first."""
    namespace.apply(deployment("web", breakable.image, container=SLOW))
    namespace.until_available()
    agent = new_agent(namespace, ["web"], max_restart_attempts=2)
    agent.start_calm()
    with changing(namespace, "web", annotations=dict.fromkeys(OURS)):
        breakable.link("drop")
        agent.until_link("OFFLINE")
        breakable.link("up")
        agent.until_link("ONLINE")
    service = agent.services()["web"]
    assert (service["state"], service["attempts"]) == ("GAVE_UP", 2)
    assert all(words in service["reason"] for words in UNDOING)
    assert service["reason"].endswith("configure it to ignore the annotations connmon.io/*")


def test_a_later_rollout_of_somebody_else_is_a_restart_too(
    breakable: Site, namespace: Namespace, new_agent: NewAgent
) -> None:
    """Without the token and with the rest of the annotations it is a third template, whose pods are all new."""
    namespace.apply(deployment("web", breakable.image, container=SLOW))
    namespace.until_available()
    before = namespace.kubectl("get", "pods", "--output=name").split()
    agent = new_agent(namespace, ["web"], max_restart_attempts=2)
    agent.start_calm()
    with changing(namespace, "web", annotations={TOKEN: None}):
        breakable.link("drop")
        agent.until_link("OFFLINE")
        breakable.link("up")
        agent.until_link("ONLINE")
        agent.until_said("web: VERIFYING -> READY: restarted, 1 of 1 available; ", *UNDOING)
    assert agent.services()["web"]["attempts"] == 1
    assert set(before).isdisjoint(namespace.kubectl("get", "pods", "--output=name").split())


@contextmanager
def changing(namespace: Namespace, workload: str, *, annotations: Json | None) -> Iterator[None]:
    """A controller that writes a Deployment again and again, and these annotations of its pod template with it.

    It writes no faster than Kubernetes follows. Each write raises the generation, and the controller manager sends 20
    requests a second for everybody: two such writers without a pause kept it behind for minutes, so that no rollout of
    any test was over.
    """
    ended = threading.Event()
    name = f"deployment/{workload}"

    def write(number: int) -> int:
        patch: Json = {"metadata": {"annotations": {"example.com/reconciled": str(number)}}}
        if annotations is not None:
            patch["spec"] = {"template": {"metadata": {"annotations": annotations}}}
        change = ("--type=merge", "--field-manager=kustomize-controller", f"--patch={json.dumps(patch)}")
        return int(namespace.kubectl("patch", name, *change, "--output=jsonpath={.metadata.generation}"))

    def observed() -> int:
        return int(namespace.kubectl("get", name, "--output=jsonpath={.status.observedGeneration}"))

    def run() -> None:
        for number in range(10_000):
            with suppress(AssertionError):  # refused, as by a conflict: a controller tries again
                written = write(number)
                while not ended.wait(0.1) and observed() < written:
                    pass
            if ended.is_set():
                return

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()

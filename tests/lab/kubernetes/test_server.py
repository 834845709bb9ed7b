"""The embedded API over HTTP: faults, access, history, and how it is started."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import urllib3
from tests.fakes.virtual_time import PATIENCE, let_pass, run_held, until
from urllib3.exceptions import NewConnectionError, ProtocolError, ReadTimeoutError

from connmon_lab.kubernetes import (
    Answer,
    ApiError,
    Delay,
    Drip,
    EmbeddedKubernetes,
    Fault,
    Hang,
    Html,
    LateDelivery,
    Malformed,
    Reset,
    Rule,
    ThreadedKubernetes,
    Timing,
    manifests,
)

WEB = "/apis/apps/v1/namespaces/erp/deployments/web"
RESTART = {"spec": {"template": {"metadata": {"annotations": {"connmon.io/restart-token": "o1.a1"}}}}}
Send = Callable[..., urllib3.BaseHTTPResponse]
Scenario = Callable[[EmbeddedKubernetes, Send], Coroutine[Any, Any, None]]

# For an answer that never comes: nothing of what the server has done by then may be taken for granted.
IMPATIENT = urllib3.Timeout(connect=PATIENCE, read=0.05)
LATER = 30.0  # seconds on a held clock


@pytest.fixture
def api() -> Iterator[EmbeddedKubernetes]:
    with ThreadedKubernetes(EmbeddedKubernetes(pace=Timing(ready_after=0.01))) as running:
        running.create(manifests.deployment("web", "erp"))
        yield running


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    made = urllib3.PoolManager(retries=False, timeout=PATIENCE)
    yield made
    made.clear()


@pytest.fixture
def send(api: EmbeddedKubernetes, pool: urllib3.PoolManager) -> Send:
    return partial(request, pool, api)


def request(
    pool: urllib3.PoolManager, api: EmbeddedKubernetes, method: str, path: str, body: Any = None, **options: Any
) -> urllib3.BaseHTTPResponse:
    headers = {"Content-Type": "application/strategic-merge-patch+json", **options.pop("headers", {})}
    data = None if body is None else json.dumps(body)
    return pool.request(method, api.url + path, body=data, headers=headers, **options)


def with_held_clock(scenario: Scenario, pool: urllib3.PoolManager) -> None:
    """Run ``scenario`` beside an API whose clock stands still but for ``let_pass``."""

    async def run() -> None:
        async with EmbeddedKubernetes() as api:
            api.create(manifests.deployment("web", "erp"))
            await scenario(api, partial(request, pool, api))

    run_held(run())


def generation(api: EmbeddedKubernetes) -> int:
    found = api.get("Deployment", "erp", "web")
    assert found is not None
    return int(found["metadata"]["generation"])


def wait_until(true: Callable[[], bool], api: EmbeddedKubernetes) -> None:
    """Ask on the API's own thread, which has then done whatever it was about to do."""
    deadline = time.monotonic() + PATIENCE
    while not api.invoke(true):
        assert time.monotonic() < deadline, f"it did not come to pass within {PATIENCE:g} s"
        time.sleep(0.001)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422, 429, 500, 503])
def test_a_request_is_refused(api: EmbeddedKubernetes, send: Send, status: int) -> None:
    api.faults.add(Answer(status, retry_after=7 if status == 429 else None), method="PATCH", times=1)
    answer = send("PATCH", WEB, RESTART)
    assert (answer.status, answer.json()["kind"], answer.json()["code"]) == (status, "Status", status)
    assert answer.headers.get("Retry-After") == ("7" if status == 429 else None)
    assert (generation(api), api.history[-1].status, api.history[-1].applied) == (1, None, False)
    assert send("PATCH", WEB, RESTART).status == 200
    assert generation(api) == 2


@pytest.mark.parametrize(("fault", "applied"), [(Reset(), False), (Reset(processed=True), True)])
def test_a_connection_is_reset(api: EmbeddedKubernetes, send: Send, fault: Fault, applied: bool) -> None:
    api.faults.add(fault, path="/deployments/web$")
    with pytest.raises(ProtocolError):
        send("PATCH", WEB, RESTART)
    assert (generation(api), api.history[-1].applied) == (2 if applied else 1, applied)


@pytest.mark.parametrize(("fault", "applied"), [(Hang(), False), (Hang(processed=True), True), (Delay(86_400), False)])
def test_an_answer_does_not_come(api: EmbeddedKubernetes, send: Send, fault: Fault, applied: bool) -> None:
    rule = api.faults.add(fault)
    with pytest.raises(ReadTimeoutError):
        send("PATCH", WEB, RESTART, timeout=IMPATIENT)
    wait_until(lambda: rule.hits == 1, api)
    assert (generation(api), api.history[-1].applied) == (2 if applied else 1, applied)


def test_a_delayed_request_takes_effect_although_nobody_waits(pool: urllib3.PoolManager) -> None:
    async def scenario(api: EmbeddedKubernetes, send: Send) -> None:
        rule = api.faults.add(Delay(LATER))
        with pytest.raises(ReadTimeoutError):
            await asyncio.to_thread(send, "PATCH", WEB, RESTART, timeout=IMPATIENT)
        await until(lambda: rule.hits == 1)
        assert generation(api) == 1
        let_pass(LATER)
        await until(lambda: generation(api) == 2)

    with_held_clock(scenario, pool)


def test_a_request_is_delivered_late(pool: urllib3.PoolManager) -> None:
    async def scenario(api: EmbeddedKubernetes, send: Send) -> None:
        api.faults.add(LateDelivery(LATER))
        with pytest.raises(ProtocolError):
            await asyncio.to_thread(send, "PATCH", WEB, RESTART)
        assert (generation(api), api.history[-1].status) == (1, None)
        let_pass(LATER)
        await until(lambda: generation(api) == 2)
        assert (api.history[-1].status, api.history[-1].applied) == (200, True)

    with_held_clock(scenario, pool)


def test_an_answer_that_is_no_json(api: EmbeddedKubernetes, send: Send) -> None:
    api.faults.add(Malformed(), times=1)
    answer = send("PATCH", WEB, RESTART)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.data)
    assert generation(api) == 2


def test_a_portal_answers_instead(api: EmbeddedKubernetes, send: Send) -> None:
    api.faults.add(Html(status=200))
    answer = send("PATCH", WEB, RESTART)
    assert (answer.status, answer.data[:9], generation(api)) == (200, b"<!DOCTYPE", 1)


def test_an_answer_drips(api: EmbeddedKubernetes, send: Send) -> None:
    api.faults.add(Drip(0.0), times=1)
    assert send("GET", WEB).json()["kind"] == "Deployment"
    api.faults.add(Drip(86_400), times=1)
    with pytest.raises(ReadTimeoutError):
        send("GET", WEB, timeout=IMPATIENT)


def test_rules_choose_what_they_disturb(api: EmbeddedKubernetes, send: Send) -> None:
    api.faults.add(Answer(503), method="GET", path="/pods", skip=1, times=1)
    pods = "/api/v1/namespaces/erp/pods"
    assert [send("GET", path).status for path in (pods, WEB, pods, pods)] == [200, 200, 503, 200]
    rule = api.faults.add_rule(Rule(Answer(500), lambda call: b"o1.a1" in call.body))
    assert [send("PATCH", WEB, body).status for body in (RESTART, {}, RESTART)] == [500, 200, 500]
    assert rule.hits == 2
    api.faults.remove(rule)
    assert send("PATCH", WEB, RESTART).status == 200


def test_the_api_server_goes_and_comes_back(api: EmbeddedKubernetes, send: Send) -> None:
    assert send("GET", WEB).status == 200
    api.refuse_connections()
    with pytest.raises((NewConnectionError, ProtocolError)):
        send("GET", WEB)
    with pytest.raises(NewConnectionError):
        send("GET", WEB)
    api.accept_connections()
    assert send("GET", WEB).status == 200


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps a port so")
def test_the_port_is_kept_while_nobody_listens_on_it(api: EmbeddedKubernetes) -> None:
    port = int(api.url.rpartition(":")[2])
    api.refuse_connections()
    with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
        stranger.bind(("127.0.0.1", port))


def test_what_is_denied_is_denied_in_reviews_and_in_fact(api: EmbeddedKubernetes, send: Send) -> None:
    def review(verb: str, resource: str) -> bool:
        attributes = {"namespace": "erp", "verb": verb, "group": "apps", "resource": resource}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(send("POST", path, {"spec": {"resourceAttributes": attributes}}).json()["status"]["allowed"])

    denial = api.access.deny("patch", "deployments", namespace="erp")
    answer = send("PATCH", WEB, RESTART)
    assert (answer.status, answer.json()["reason"]) == (403, "Forbidden")
    assert answer.json()["message"] == (
        'deployments.apps "web" is forbidden: User "connmon" cannot patch resource "deployments" '
        'in API group "apps" in the namespace "erp"'
    )
    assert (review("patch", "deployments"), review("get", "deployments")) == (False, True)
    assert send("GET", WEB).status == 200
    api.access.allow(denial)
    assert review("patch", "deployments") and send("PATCH", WEB, RESTART).status == 200


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    with ThreadedKubernetes(EmbeddedKubernetes(token="secret")) as api:
        answers = {}
        for header in (None, "Bearer wrong", "Bearer secret"):
            headers = {"Authorization": header} if header else {}
            url = api.url + "/api/v1/pods"
            answers[header] = urllib3.request("GET", url, headers=headers, retries=False, timeout=PATIENCE).status
        assert answers == {None: 403, "Bearer wrong": 401, "Bearer secret": 200}
        kubeconfig = api.write_kubeconfig(tmp_path / "kubeconfig", namespace="erp")
    written = json.loads(kubeconfig.read_text())
    assert written["users"][0]["user"] == {"token": "secret"}
    assert written["clusters"][0]["cluster"]["server"] == api.url
    assert os.name == "nt" or kubeconfig.stat().st_mode & 0o777 == 0o600


def test_history_remembers_what_clients_wanted(api: EmbeddedKubernetes, send: Send) -> None:
    send("GET", WEB)
    send("PATCH", WEB + "?fieldManager=connmon-agent", RESTART)
    send("PATCH", WEB, RESTART)
    tested = [{"op": "test", "path": "/metadata/uid", "value": "x"}]
    send("PATCH", WEB, tested, headers={"Content-Type": "application/json-patch+json"})
    send("PATCH", WEB + "?dryRun=All", {"spec": {"replicas": 3}})
    told = [
        (entry.method, entry.name, entry.token, entry.status, entry.applied, entry.changed) for entry in api.history
    ]
    assert told == [
        ("PATCH", "web", "o1.a1", 200, True, True),
        ("PATCH", "web", "o1.a1", 200, True, False),
        ("PATCH", "web", None, 422, False, False),
        ("PATCH", "web", None, 200, True, False),
    ]
    assert api.history[0].query == {"fieldManager": "connmon-agent"}
    assert api.history[0].body == RESTART


def test_creating_beside_http_makes_the_namespace_and_still_validates(api: EmbeddedKubernetes) -> None:
    api.create(manifests.service("web", "new"))
    assert api.get("Namespace", "", "new") is not None
    with pytest.raises(ApiError, match=r'services "web" already exists'):
        api.create(manifests.service("web", "new"))


def test_deleting_a_namespace_takes_everything_along(api: EmbeddedKubernetes, send: Send) -> None:
    wait_until(lambda: len(api.list_objects("Pod", "erp")) == 1, api)
    assert send("DELETE", "/api/v1/namespaces/erp").json()["status"]["phase"] == "Terminating"
    wait_until(lambda: api.get("Namespace", "", "erp") is None, api)
    assert [api.list_objects(kind, "erp") for kind in ("Deployment", "ReplicaSet", "Pod")] == [[], [], []]


def test_orphans_stay(api: EmbeddedKubernetes, send: Send) -> None:
    wait_until(lambda: len(api.list_objects("ReplicaSet", "erp")) == 1, api)
    assert send("DELETE", WEB + "?propagationPolicy=Orphan").status == 200
    (left,) = api.list_objects("ReplicaSet", "erp")
    assert "ownerReferences" not in left["metadata"]


def test_two_policy_versions_show_one_budget() -> None:
    api = EmbeddedKubernetes(version="v1.24.17")
    api.create(manifests.disruption_budget("b", app="web", minAvailable=1))
    for version in ("v1", "v1beta1"):
        path = f"/apis/policy/{version}/namespaces/default/poddisruptionbudgets/b"
        body = api.request("GET", path).body
        assert isinstance(body, dict) and body["apiVersion"] == f"policy/{version}"


def test_a_port_that_is_taken_is_told_to_whoever_starts() -> None:
    with ThreadedKubernetes(EmbeddedKubernetes()) as api:
        port = int(api.url.rpartition(":")[2])
        with pytest.raises(OSError) as taken, ThreadedKubernetes(EmbeddedKubernetes(port=port)):
            raise AssertionError("it started")
        assert taken.value.errno == errno.EADDRINUSE

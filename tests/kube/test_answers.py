from __future__ import annotations

import json

import pytest

from connmon_agent.errors import ClusterError
from connmon_agent.kube.answers import Answer, read_answer
from connmon_agent.kube.requests import ApiRequest, get

SERVER = "https://10.0.0.1:6443"
PATH = "/apis/apps/v1/namespaces/erp/deployments/web"
REQUEST = get(PATH, "Deployment")


def status(code: int, message: str = "", **details: object) -> bytes:
    body = {"kind": "Status", "apiVersion": "v1", "code": code, "message": message, "details": details}
    return json.dumps(body).encode()


def refusal(
    code: int, body: bytes, headers: dict[str, str] | None = None, request: ApiRequest = REQUEST
) -> ClusterError:
    with pytest.raises(ClusterError) as caught:
        read_answer(Answer(code, headers or {}, body), request, server=SERVER)
    return caught.value


def test_the_object_is_read() -> None:
    answer = Answer(200, {}, b'{"kind": "Deployment", "spec": {}}')
    assert read_answer(answer, REQUEST, server=SERVER) == {"kind": "Deployment", "spec": {}}


@pytest.mark.parametrize(
    ("code", "kind", "delivered"),
    [
        (400, "invalid", False),
        (401, "unauthorized", False),
        (403, "forbidden", False),
        (404, "not-found", False),
        (405, "invalid", False),
        (409, "conflict", False),
        (422, "invalid", False),
        (429, "throttled", False),
        (500, "server-error", None),
        (503, "server-error", None),
        (504, "server-error", None),
    ],
)
def test_every_refusal_has_its_kind(code: int, kind: str, delivered: bool | None) -> None:
    error = refusal(code, status(code, 'deployments.apps "web":\n no'))
    assert (error.kind, error.delivered) == (kind, delivered)
    assert error.message == f'GET {PATH} at {SERVER} returned {code}: deployments.apps "web": no'


HTML = b"<html><body>please log in</body></html>"


@pytest.mark.parametrize(
    ("code", "body"),
    [
        pytest.param(200, HTML, id="a portal's page"),
        pytest.param(200, b"", id="nothing"),
        pytest.param(200, b'{"kind": "Depl', id="half a document"),
        pytest.param(200, b"[1]", id="a list"),
        pytest.param(200, b"\xff\xfe\x00", id="no text"),
        pytest.param(200, b"[" * 100_000, id="nesting without end"),
        pytest.param(200, b'{"kind": "Pod"}', id="another kind of object"),
        pytest.param(302, HTML, id="a redirection to a portal"),
        pytest.param(404, HTML, id="a proxy's 404 does not say that the workload is gone"),
        pytest.param(403, HTML, id="a proxy's 403"),
        pytest.param(409, b'{"error": "conflict"}', id="JSON, but no Status"),
    ],
)
def test_what_kubernetes_did_not_say_is_a_matter_of_protocol(code: int, body: bytes) -> None:
    error = refusal(code, body, {"content-type": "text/html; charset=utf-8"})
    assert (error.kind, error.delivered) == ("protocol", None)
    assert error.message.startswith(f"{SERVER} returned {code} with text/html")


@pytest.mark.parametrize(("code", "kind"), [(401, "unauthorized"), (429, "throttled"), (503, "server-error")])
def test_what_a_balancer_says_in_the_servers_stead_counts(code: int, kind: str) -> None:
    assert refusal(code, HTML).kind == kind


@pytest.mark.parametrize(
    ("headers", "body", "seconds"),
    [
        pytest.param({"retry-after": "7"}, b"", 7.0, id="seconds"),
        pytest.param({"retry-after": "999999999999999999"}, b"", 3600.0, id="seconds without end"),
        pytest.param({"retry-after": "Mon, 23 Nov 2026 11:00:30 GMT"}, b"", None, id="a date by a clock not told"),
        pytest.param(
            {"retry-after": "Mon, 23 Nov 2026 09:00:30 GMT", "date": "Mon, 23 Nov 2026 09:00:00 GMT"},
            b"",
            30.0,
            id="a date by the server's own clock",
        ),
        pytest.param(
            {"retry-after": "Mon, 23 Nov 2026 08:00:00 GMT", "date": "Mon, 23 Nov 2026 09:00:00 GMT"},
            b"",
            0.0,
            id="a date that is over",
        ),
        pytest.param({"retry-after": "soon"}, b"", None, id="nonsense"),
        pytest.param({"retry-after": "-5"}, b"", None, id="a negative number"),
        pytest.param({}, status(429, retryAfterSeconds=4), 4.0, id="the Status' own"),
        pytest.param({}, b"", None, id="none"),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
def test_the_servers_wish_to_wait_is_read(
    code: int, headers: dict[str, str], body: bytes, seconds: float | None
) -> None:
    assert refusal(code, body, headers).retry_after == seconds


def test_a_long_message_of_the_server_is_cut() -> None:
    assert len(refusal(422, status(422, "x" * 9000)).message) < 450


def test_a_forbidden_request_is_told_the_remedy() -> None:
    assert "connmon-agent doctor" in str(refusal(403, status(403, "no")))

"""Who refused a request: an admission policy, a role, or a precondition that did not hold. The status does not tell."""

from __future__ import annotations

import json

import pytest

from connmon_agent.errors import ClusterError
from connmon_agent.kube.answers import Answer, read_answer
from connmon_agent.kube.requests import JSON_PATCH, ApiRequest, get

PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
PATCH = ApiRequest("PATCH", PATH, "Deployment", content_type=JSON_PATCH)
READ = get(PATH, "Deployment")
NOT_APPLIED = "the server rejected our request due to an error in our request"
NO_RIGHT = (
    'deployments.apps "web" is forbidden: User "system:serviceaccount:shop:agent" cannot patch resource "deployments"'
    ' in API group "apps" in the namespace "shop"'
)
WEBHOOK = 'admission webhook "validate.kyverno.svc-fail" denied the request: image is not verified'
POLICY = "ValidatingAdmissionPolicy 'label-objects' with binding 'heritage' denied request: failed expression: has(x)"
MUTATING = "policy 'sidecars' with binding 'all' denied request: failed to apply the mutation"
UNCALLED = 'failed calling webhook "vault.hashicorp.com": failed to call webhook: Post "https://10.0.0.1": refused'


def refuse(request: ApiRequest, code: int, message: str) -> ClusterError:
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}
    with pytest.raises(ClusterError) as caught:
        read_answer(Answer(code, {}, json.dumps(body).encode()), request, server="https://10.0.0.1:6443")
    return caught.value


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 413, 422, 429, 500, 503])
@pytest.mark.parametrize(
    ("before", "words"),
    [
        pytest.param("", WEBHOOK, id="webhook"),
        pytest.param('deployments.apps "web" is invalid: ', POLICY, id="policy"),
        pytest.param('deployments.apps "web" is forbidden: ', POLICY, id="policy, as Kubernetes words it"),
        pytest.param('deployments.apps "web" is invalid: : ', POLICY, id="policy, as older servers word it"),
        pytest.param('deployments.apps "web" is forbidden: ', MUTATING, id="mutating policy"),
        pytest.param("Internal error occurred: ", UNCALLED, id="a webhook that cannot be called"),
    ],
)
def test_a_policy_is_told_as_one_whatever_code_it_chose(code: int, before: str, words: str) -> None:
    """With the words of the policy first, for a row of ``status`` shows no more of it on a phone."""
    error = refuse(PATCH, code, before + words)
    assert (error.kind, error.delivered) == ("denied", False)
    assert str(error) == f"{words}. Meet the policy's requirement, or exempt the agent's user from it"


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        pytest.param(403, NO_RIGHT, "forbidden", id="a role"),
        pytest.param(403, f"{NO_RIGHT}: the policy denied request 7", "forbidden", id="an authorizer with words"),
        pytest.param(403, "", "forbidden", id="a 403 without words"),
        pytest.param(403, 'deployments.apps "web" is forbidden: the namespace is frozen', "denied", id="a plugin"),
        pytest.param(422, NOT_APPLIED, "conflict", id="a test of the JSON Patch failed"),
        pytest.param(422, 'Deployment.apps "web" is invalid: spec.x: Invalid value', "invalid", id="validation"),
        pytest.param(400, "error decoding patch", "invalid", id="a patch that cannot be read"),
        pytest.param(409, "the object has been modified", "conflict", id="another version"),
        pytest.param(404, 'deployments.apps "web" not found', "not-found", id="gone"),
        pytest.param(500, "etcdserver: request timed out", "server-error", id="the server's own trouble"),
        pytest.param(401, "Unauthorized", "unauthorized", id="credentials"),
    ],
)
def test_what_is_no_policys(code: int, message: str, kind: str) -> None:
    assert refuse(PATCH, code, message).kind == kind


def test_a_patch_that_does_not_apply_is_one_of_json_only() -> None:
    other = ApiRequest("PATCH", PATH, "Deployment", content_type="application/merge-patch+json")
    assert refuse(other, 422, NOT_APPLIED).kind == "invalid"


@pytest.mark.parametrize(("code", "kind"), [(403, "forbidden"), (500, "server-error"), (404, "not-found")])
def test_what_reads_is_not_admitted(code: int, kind: str) -> None:
    assert refuse(READ, code, WEBHOOK).kind == kind


def test_long_words_are_cut() -> None:
    assert len(refuse(PATCH, 403, WEBHOOK + " x" * 1000).message) == 300

"""Whether a refusal is an admission policy's, a role's, or a precondition's that did not hold.

The status code does not tell. A webhook chooses any code from 400 up, a ValidatingAdmissionPolicy 401, 403, 413 or 422,
and a JSON Patch whose ``test`` fails is a 422 as well. The API server's own sentences do tell:
apiserver/pkg/admission/plugin/webhook/errors/statuserror.go, plugin/policy/validating/dispatcher.go,
endpoints/handlers/patch.go and endpoints/handlers/responsewriters/errors.go.
"""

from __future__ import annotations

import re

from .requests import JSON_PATCH, ApiRequest

# A JSON Patch that does not apply: a kube-apiserver says no more than this (1.20 to 1.37).
_PATCH_DOES_NOT_APPLY = "the server rejected our request due to an error in our request"

# Nothing is stored when admission fails, so that the request certainly took no effect, even with a 500.
_DENIED = re.compile(
    r'admission webhook "[^"]*" denied the request'
    r"|[Pp]olicy '[^']*'(?: with binding '[^']*')? denied request"
    r"|failed calling webhook\b|failed to call webhook\b"
)

# An authorizer's sentence: `deployments.apps "web" is forbidden: User "agent" cannot patch resource "deployments" ...`
_NOT_AUTHORIZED = re.compile(r'\bUser "(?:[^"\\]|\\.)*" cannot ')

# What the API server says before the policy's own words.
_PREFIX = re.compile(r'^(?:Internal error occurred: |\S+ "[^"]*" is (?:forbidden|invalid): (?:: )?)')


def is_denied(status: int, message: str, request: ApiRequest) -> bool:
    """Whether admission refused the request: a policy, a webhook, or a webhook that could not be called.

    Requests that read are not admitted. A 403 that is no authorizer's is one of the built-in admission plugins'.
    """
    if request.method == "GET":
        return False
    return bool(_DENIED.search(message)) or (status == 403 and bool(message) and not _NOT_AUTHORIZED.search(message))


def is_overtaken(status: int, message: str, request: ApiRequest) -> bool:
    """Whether a JSON Patch did not apply to the object as it is now: a precondition of it did not hold."""
    return status == 422 and request.content_type == JSON_PATCH and message.strip() == _PATCH_DOES_NOT_APPLY


def policy_words(message: str) -> str:
    """The policy's name and words, without what the API server says before them."""
    return _PREFIX.sub("", message, count=1)

"""Errors as the Kubernetes API answers them: a ``Status`` object with message, reason and code.

The wording is a kube-apiserver's, so that whoever reads an error of ours can search for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .objects import Manifest
from .resources import Resource

REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


class ApiError(Exception):
    """An answer that is no success. ``reason`` is a word programs may match, ``details`` what it is about.

    ``plain``: it is the kubelet's, whose answers are the bare message.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        reason: str | None = None,
        details: Manifest | None = None,
        plain: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason or REASONS.get(code, "")
        self.details = details
        self.plain = plain

    def to_status(self) -> Manifest:
        """The ``Status`` object of the answer."""
        body: Manifest = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body |= {"message": self.message, "reason": self.reason}
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


@dataclass(frozen=True, slots=True)
class StatusCause:
    """One thing wrong with an object: where, and what."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"


def _about(resource: Resource, name: str, kind: str | None = None) -> Manifest:
    group = {"group": resource.group} if resource.group else {}
    return {"name": name, **group, "kind": kind or resource.plural}


def not_found(resource: Resource, name: str) -> ApiError:
    """404: there is no such object."""
    return ApiError(404, f'{resource.qualified} "{name}" not found', details=_about(resource, name))


def no_such_path() -> ApiError:
    """404: this server does not serve such a resource."""
    return ApiError(404, "the server could not find the requested resource", details={})


def not_allowed() -> ApiError:
    """405: the resource is there and cannot do this."""
    return ApiError(405, "the server does not allow this method on the requested resource", details={})


def already_exists(resource: Resource, name: str) -> ApiError:
    """409: an object of that name is there."""
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, message, reason="AlreadyExists", details=_about(resource, name))


def conflict(resource: Resource, name: str) -> ApiError:
    """409: the request names a resourceVersion that is not the object's any more."""
    message = (
        f'Operation cannot be fulfilled on {resource.qualified} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    return ApiError(409, message, details=_about(resource, name))


def precondition_failed(resource: Resource, name: str, wanted: str, found: str) -> ApiError:
    """409: a deletion names the uid of another object of the same name."""
    message = (
        f'Operation cannot be fulfilled on {resource.plural} "{name}": the UID in the precondition ({wanted}) does '
        f"not match the UID in record ({found}). The object might have been deleted and then recreated"
    )
    return ApiError(409, message, details=_about(resource, name))


def invalid(resource: Resource, name: str, causes: Sequence[StatusCause]) -> ApiError:
    """422: the object would break the rules of its kind."""
    told = [f"{cause.field}: {cause.message}" for cause in causes]
    group = f".{resource.group}" if resource.group else ""
    text = told[0] if len(told) == 1 else f"[{', '.join(told)}]"
    listed = [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    details = _about(resource, name, resource.kind) | {"causes": listed}
    return ApiError(422, f'{resource.kind}{group} "{name}" is invalid: {text}', details=details)


def patch_failed() -> ApiError:
    """422: a JSON Patch whose ``test`` failed or whose path is not there. A kube-apiserver says no more than this."""
    return ApiError(422, "the server rejected our request due to an error in our request", details={})


def forbidden(resource: Resource, name: str, message: str) -> ApiError:
    """403: access control or admission said no."""
    subject = f'{resource.qualified} "{name}"' if name else resource.qualified
    return ApiError(403, f"{subject} is forbidden: {message}", details=_about(resource, name))


def too_large_version(newest: int, current: int) -> ApiError:
    """504: the server's cache did not become as new as etcd in time. It does with the next change of its resource."""
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    message = f"Timeout: Too large resource version: {newest}, current: {current}"
    return ApiError(504, message, details={"causes": causes, "retryAfterSeconds": 1})

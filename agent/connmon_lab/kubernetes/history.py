"""What clients asked to change: every mutating request this API received, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

TOKEN_ANNOTATION = "connmon.io/restart-token"  # the agent's own annotation on a restarted pod template
_TOKEN_POINTER = TOKEN_ANNOTATION.replace("/", "~1")


@dataclass(slots=True)
class Mutation:
    """One mutating request.

    ``body`` is the JSON it carried (None: it was none); ``status`` the API's own answer, whatever the client was told
    (None: never processed, or not yet); ``applied`` whether the API accepted it, no-op or not; ``changed`` whether an
    object was changed by it.
    """

    at: float  # seconds on the loop's clock
    method: str
    path: str
    body: Any
    query: dict[str, str] = field(default_factory=dict)
    content_type: str = ""
    status: int | None = None
    applied: bool = False
    changed: bool = False

    @property
    def token(self) -> str | None:
        """The restart token it wrote, or None."""
        return find_token(self.body)

    @property
    def name(self) -> str:
        """The name of the object it was about (of the collection, for a create)."""
        return self.path.rsplit("/", 1)[-1]


def find_token(body: Any) -> str | None:
    """The restart token that a merge patch, a JSON Patch or a whole object writes; None when it writes none."""
    if isinstance(body, list):
        return next((token for item in body if (token := _find_in_operation(item)) is not None), None)
    if isinstance(body, dict):
        if isinstance(body.get(TOKEN_ANNOTATION), str):
            return str(body[TOKEN_ANNOTATION])
        return next((token for value in body.values() if (token := find_token(value)) is not None), None)
    return None


def _find_in_operation(operation: Any) -> str | None:
    if not isinstance(operation, dict) or operation.get("op") == "test":
        return None
    if str(operation.get("path", "")).endswith("/" + _TOKEN_POINTER):
        return str(operation.get("value"))
    return find_token(operation.get("value"))

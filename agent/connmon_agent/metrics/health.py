"""Whether the agent lives and is ready, in the words of the Kubernetes API server's ``/livez`` and ``/readyz``.

https://kubernetes.io/docs/reference/using-api/health-checks/: machines read the status alone, people ``?verbose``.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus

from ..http_server import Response


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of health. ``trouble`` says why it does not hold; None: it holds."""

    name: str
    trouble: str | None


def tell_health(endpoint: str, checks: Collection[Check], *, excluded: Collection[str], verbose: bool) -> Response:
    """The answer of ``endpoint`` (livez, readyz): 200 where every check holds that is not excluded, else 503."""
    unknown = sorted(set(excluded) - {check.name for check in checks})
    failed = [check for check in checks if check.trouble is not None and check.name not in excluded]
    status = HTTPStatus.SERVICE_UNAVAILABLE if failed else HTTPStatus.OK
    if not failed and not verbose:
        return Response(status, "ok")
    lines = [_tell(check, excluded) for check in checks]
    lines += [f"warn: some checks cannot be excluded: no check is named {', '.join(unknown)}"] if unknown else []
    return Response(status, "\n".join([*lines, f"{endpoint} check {'failed' if failed else 'passed'}", ""]))


def _tell(check: Check, excluded: Collection[str]) -> str:
    if check.name in excluded:
        return f"[+]{check.name} excluded: ok"
    return f"[+]{check.name} ok" if check.trouble is None else f"[-]{check.name} failed: {check.trouble}"

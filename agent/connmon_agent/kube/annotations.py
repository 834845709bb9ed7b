"""The annotations on a pod template that say who restarted it, and the times in them."""

from __future__ import annotations

from datetime import datetime

from ..wall_times import in_utc

TOKEN = "connmon.io/restart-token"
RESTARTED_AT = "connmon.io/restarted-at"
REASON = "connmon.io/reason"
KUBECTL_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
FIELD_MANAGER = "connmon-agent"


def parse_time(text: object) -> float | None:
    """An RFC 3339 time as Unix seconds; None: there is none, or it is none."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo is not None else None


def format_time(wall: float) -> str:
    """Unix seconds as RFC 3339 in UTC, with exactly six fractional digits."""
    return in_utc(wall).isoformat(timespec="microseconds")

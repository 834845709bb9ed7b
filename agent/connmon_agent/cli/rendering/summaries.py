"""What an outage meant for each service, counted from the journal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ...core.effects import LISTEN_TOKEN
from ...store.records import Recorded
from .stories import is_of_service


@dataclass(frozen=True, slots=True)
class Summary:
    """One service at the end of the rows: its last state and reason, and how many restarts the cluster took."""

    service: str
    state: str
    reason: str
    restarts: int = 0


def summarise(rows: Iterable[Recorded]) -> list[Summary]:
    """One summary a service that anything happened to, in the order in which it first did."""
    found: dict[str, Summary] = {}
    for row in rows:
        for transition in row.transitions:
            if is_of_service(transition):
                name = transition.instance
                known = found.get(name, Summary(name, "", ""))
                found[name] = replace(known, state=transition.dest, reason=transition.reason)
        for resolution in row.resolutions:
            restarted = resolution.outcome == "applied" and not resolution.token.startswith(LISTEN_TOKEN)
            if restarted and resolution.service in found:
                known = found[resolution.service]
                found[resolution.service] = replace(known, restarts=known.restarts + 1)
    return list(found.values())

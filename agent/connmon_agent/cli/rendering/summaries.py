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


class Summaries:
    """The summaries of the rows so far, for whoever cannot hold all rows at once."""

    def __init__(self) -> None:
        self._found: dict[str, Summary] = {}

    def add(self, row: Recorded) -> None:
        """One more row, in order."""
        for transition in row.transitions:
            if is_of_service(transition):
                name = transition.instance
                known = self._found.get(name, Summary(name, "", ""))
                self._found[name] = replace(known, state=transition.dest, reason=transition.reason)
        for resolution in row.resolutions:
            restarted = resolution.outcome == "applied" and not resolution.token.startswith(LISTEN_TOKEN)
            if restarted and resolution.service in self._found:
                known = self._found[resolution.service]
                self._found[resolution.service] = replace(known, restarts=known.restarts + 1)

    def summaries(self) -> list[Summary]:
        """One a service that anything happened to, in the order in which it first did."""
        return list(self._found.values())


def summarise(rows: Iterable[Recorded]) -> list[Summary]:
    """One summary a service that anything happened to, in the order in which it first did."""
    found = Summaries()
    for row in rows:
        found.add(row)
    return found.summaries()

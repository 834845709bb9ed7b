"""How soon everything is restarted once the link may be trusted again, beside a loop of ``kubectl``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.bench.agents import AgentProcess, BenchError, Json, running_agent
from tests.bench.figures import Figure, Limit
from tests.bench.places import HUNDRED, SEVEN, Place, configure

from connmon_agent.core.events import Outcome, RestartAnswered
from connmon_agent.store.reading import Reader
from connmon_lab.internet import Cut

HOLD = 2.0  # seconds; what is measured begins when it is over

_SINCE_HOLD = "from the instant at which the hold is over to the last accepted patch, by the agent's own journal"
_NO_KUBECTL = "kubectl needs more of an API than the embedded one serves"


def measure_recovery(place: Place, folder: Path, *, runs: int) -> list[Figure]:
    """Seven services that run."""
    place.deploy(SEVEN)
    ours, peers = [], []
    for number in range(runs):
        ours.append(_time_outage(place, folder / f"recovery-{number}", SEVEN, until=r"link: RECOVERING -> ONLINE"))
        place.settle(SEVEN)
        peers.append(place.restart_by_kubectl(SEVEN))
        place.settle(SEVEN)
    what = f"hold over -> last of 7 patches accepted ({place.name})"
    loop = "kubectl rollout restart of 7, one after another"
    return [Figure(what, "s", tuple(ours), Limit(1.0), note=_SINCE_HOLD), _peer(loop, peers)]


def measure_hundred(place: Place, folder: Path, *, runs: int) -> list[Figure]:
    """A hundred Deployments whose pods are never scheduled, for a small machine has no room for them."""
    place.deploy(HUNDRED, idle=True)
    ours, peers = [], []
    for number in range(runs):
        until = r"[^ ]+: RESTARTING -> VERIFYING"
        ours.append(_time_outage(place, folder / f"hundred-{number}", HUNDRED, until=until, times=len(HUNDRED)))
        place.settle(HUNDRED, idle=True)
        peers.append(place.restart_by_kubectl(HUNDRED))
        place.settle(HUNDRED, idle=True)
    figures = [
        Figure(f"100 Deployments restarted ({place.name})", "s", tuple(ours), note=_SINCE_HOLD),
        _peer("kubectl rollout restart of 100, one after another", peers),
    ]
    ratios = tuple(mine / peer for mine, peer in zip(ours, peers, strict=True) if peer)
    if ratios:
        figures.append(Figure("100 Deployments, share of kubectl's time", "x", ratios, Limit(1 / 3)))
    return figures


def _peer(what: str, seconds: Sequence[float | None]) -> Figure:
    values = tuple(value for value in seconds if value is not None)
    return Figure(what, "s", values, peer=True, note="" if values else _NO_KUBECTL)


def _time_outage(place: Place, folder: Path, services: Sequence[str], *, until: str, times: int = 1) -> float:
    """One agent, one outage: seconds from the end of the hold to the last accepted restart."""
    with running_agent(folder, _configure(place, services), place.enclose) as agent:
        agent.wait_said(r"link: STARTING -> ONLINE")
        _live_through_outage(agent, place, until=until, times=times)
    with agent.memory() as reader:
        return _seconds_to_last_patch(reader, expected=len(services))


def _configure(place: Place, services: Sequence[str]) -> Json:
    """Short intervals, so that a run takes seconds, and room for every restart at once and again in the next run."""
    link = {"check_interval": "1s", "confirm_interval": "200ms", "hold": f"{HOLD:g}s"}
    recovery = {"parallel": len(services), "max_restart_attempts": 100, "backoff": {"first": "5m", "max": "5m"}}
    return {**configure(place, services, **link), "recovery": recovery}


def _live_through_outage(agent: AgentProcess, place: Place, *, until: str, times: int) -> None:
    mark = agent.mark()
    try:
        place.cut(Cut.REFUSE)
        agent.wait_said(r"link: DEGRADED -> OFFLINE", after=mark)
    finally:
        place.mend()
    agent.wait_said(until, after=mark, times=times)


def _seconds_to_last_patch(reader: Reader, *, expected: int) -> float:
    rows = list(reader.recorded(outage=reader.outages()[-1].id))
    back = [row for row in rows for one in row.transitions if (one.source, one.dest) == ("OFFLINE", "RECOVERING")]
    accepted = [row for row in rows if isinstance(row.event, RestartAnswered) and row.event.outcome is Outcome.APPLIED]
    if len(accepted) < expected:
        raise BenchError(f"only {len(accepted)} of {expected} restarts were accepted")
    return accepted[expected - 1].at.steady - (back[-1].at.steady + HOLD)

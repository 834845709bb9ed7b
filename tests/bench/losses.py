"""How often a link that only loses packets is called OFFLINE: in simulated days, and with a packet filter."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.agents import running_agent
from tests.bench.faults import configure_site
from tests.bench.figures import Figure
from tests.bench.namespaces import cable_site, what_is_missing
from tests.fakes.sites import PROBE, TIMEOUT, FakeLink, Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.probes.network import ATTEMPTS

LOSSES = (5, 20)  # percent, each way
VERDICTS = ("DEGRADED", "OFFLINE")


@dataclass
class LossyLink(FakeLink):
    """Three targets behind a link that loses each packet with the same chance; a target is asked as the probes do it.

    One answer is one packet each way, which flatters HTTP: it takes more of them, though Linux repeats those itself.
    """

    chance: float = 0.0
    dice: random.Random = field(default_factory=random.Random)

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        answered = [self._first_answered() for _ in range(3)]
        self.shows = tuple(self._found(number, attempt) for number, attempt in enumerate(answered))
        return await super().probe_all(patience=patience)

    def _first_answered(self) -> int | None:
        """The number of the attempt whose question and answer both arrived; None: none of them."""
        tries = range(1, ATTEMPTS + 1)
        return next((number for number in tries if self.dice.random() < (1 - self.chance) ** 2), None)

    def _found(self, number: int, attempt: int | None) -> ProbeResult:
        name, failure = f"tcp 192.0.2.{number + 1}:443", None if attempt else Failure.SILENT
        latency = None if attempt is None else ((attempt - 1) * TIMEOUT / ATTEMPTS + PROBE) * 1000
        return ProbeResult(
            name, "tcp", attempt is not None, latency, failure and failure.value, "ipv4", failure,
            attempts=attempt or ATTEMPTS,
        )  # fmt: skip


def simulate_losses(folder: Path, *, hours: int) -> list[Figure]:
    """Verdicts an hour of the real engine in virtual time. The same dice each time. ``folder`` is not used."""
    figures = []
    for percent in LOSSES:
        counts = run_virtually(_live(percent / 100, hours))
        note = f"{hours} simulated hours, default settings; every packet is lost with the same chance, each way"
        figures += _tell(f"simulated, {percent} % loss", counts, hours, note)
    return figures


async def _live(chance: float, hours: int) -> dict[str, int]:
    site = Site(plan_of(), fast=True)
    site.link = LossyLink(chance=chance, dice=random.Random(7))
    await site.start()
    await site.wait(hours * 3600.0)
    changed = [one for commit in site.disk.commits for one in commit.step.transitions if one.source != one.dest]
    await site.stop()
    return {state: sum(one.chart == "link" and one.dest == state for one in changed) for state in VERDICTS}


def measure_losses(folder: Path, *, seconds: int, sites: int = 3) -> list[Figure]:
    """The same with real agents and a packet filter: ``sites`` of each loss at the same time, for ``seconds``."""
    if reason := what_is_missing():
        return [Figure("verdicts under loss", "1/h", note=reason)]
    with ExitStack() as stack:
        started = []
        for percent in LOSSES:
            for number in range(sites):
                site = stack.enter_context(cable_site())
                agent = running_agent(folder / f"loss-{percent}-{number}", configure_site(), site.enclose)
                started.append((percent, site, stack.enter_context(agent)))
        for _, _, agent in started:
            agent.wait_said(r"link: STARTING -> ONLINE")
        for percent, site, _ in started:
            site.lose(percent)
        time.sleep(seconds)
        counted = [
            (percent, {state: agent.count_said(rf"-> {state}:") for state in VERDICTS}) for percent, _, agent in started
        ]
    hours = sites * seconds / 3600
    note = f"{sites} sites of each loss for {seconds} s, tcp, dns and http; all their verdicts, divided by the hours"
    return [
        figure
        for percent in LOSSES
        for figure in _tell(f"real, {percent} % loss", _sum(c for p, c in counted if p == percent), hours, note)
    ]


def _sum(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    counts = list(counts)
    return {state: sum(one[state] for one in counts) for state in VERDICTS}


def _tell(what: str, counts: dict[str, int], hours: float, note: str) -> list[Figure]:
    return [Figure(f"{what}: called {state}", "1/h", (counts[state] / hours,), note=note) for state in VERDICTS]

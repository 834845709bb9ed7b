"""What an agent does to whom nothing happens: it looks, and writes nothing. Virtual time."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from msgspec.structs import replace
from tests.fakes.local_ports import with_ports
from tests.fakes.sites import FakeLink, Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import AgentStarted
from connmon_agent.core.observations import Failure, ProbeResult
from connmon_agent.core.plan import Plan

HOUR = 3_600.0
API = ProbeResult("api 192.0.2.9:6443", "api", True, 1.0)
GATEWAY = ProbeResult("gateway 192.0.2.254", "gateway", True, 1.0)
REFUSED = tuple(
    ProbeResult(f"tcp 192.0.2.{number}:443", "tcp", False, reason="refused", failure=Failure.REFUSED)
    for number in (1, 2, 3)
)
DOWN = ProbeResult("http://192.0.2.7/", "http", False, reason="answered HTTP 503, expected 204")


@dataclass
class BusyLink(FakeLink):
    """Three targets that answer, and beside them ``others``, each of which is asked in every ``every``-th round."""

    others: tuple[ProbeResult, ...] = ()
    every: int = 2

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        found = await super().probe_all(patience=patience)
        return found + (self.others if self.rounds % self.every == 0 else ())


async def rest(plan: Plan, link: FakeLink, *, seconds: float) -> list[str]:
    """The events that are committed while nothing happens, from ten minutes after the start on."""
    site = Site(plan, fast=True)
    site.link = link
    await site.start()
    await site.until_link("ONLINE")
    await site.wait(600.0)
    before = len(site.disk.commits)
    await site.wait(seconds)
    return [type(commit.event).__name__ for commit in site.disk.commits[before:]]


@pytest.mark.parametrize(
    ("link", "seconds"),
    [
        pytest.param(FakeLink(), HOUR, id="the targets alone"),
        pytest.param(BusyLink(others=(API, GATEWAY)), 6 * HOUR, id="API server and gateway in every other round"),
        pytest.param(BusyLink(others=(API, GATEWAY), every=3), HOUR, id="in every third"),
        pytest.param(
            BusyLink(others=(replace(API, ok=False, reason="refused"),)), HOUR, id="an API server that is down"
        ),
        pytest.param(BusyLink(others=(DOWN,), every=1), HOUR, id="a target that is down"),
    ],
)
def test_nothing_is_committed_while_nothing_happens(link: FakeLink, seconds: float) -> None:
    plan = with_ports(plan_of("web", "db"), web=(8080, 8081), db=(5432,))
    assert run_virtually(rest(plan, link, seconds=seconds)) == []


@dataclass
class AlternatingLink(FakeLink):
    """Every other round is refused."""

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        self.shows = REFUSED if self.rounds % 2 else None
        return await super().probe_all(patience=patience)


def test_rounds_of_other_lives_of_the_agent_are_no_part_of_a_doubt() -> None:
    """Short lives, each with a few rounds of either kind: none of them has seen a link that loses packets."""

    async def story() -> None:
        site = Site(plan_of("web"))
        for _ in range(12):
            site.link = AlternatingLink()
            await site.start()
            await site.wait(3.0)
            await site.kill()
        lives = [commit for commit in site.disk.commits if isinstance(commit.event, AgentStarted)]
        assert len(lives) == 12
        assert not [commit for commit in site.disk.commits if "lossy" in commit.step.world.link.reason]

    run_virtually(story())

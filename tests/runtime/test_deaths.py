"""A background task of the agent, any of them, dies of an unforeseen error: it is counted, and all the work is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from msgspec import structs
from tests.fakes.sites import Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent import supervision
from connmon_agent.core.plan import ForwardPlan

Work = Callable[[], Awaitable[object]]

# Every task that the agent has in the story below; the parts beside it are in the tests of their own.
TASKS = [
    "ask whether the connection is metered",
    "check the local ports",
    "check the port of web",
    "decide and record",
    "examine the local ports",
    "give signs of life",
    "inspect the services",
    "inspect web",
    "listen for web",
    "note the traffic",
    "probe a round",
    "probe the link",
    "restart web",
    "wait for ports that are worth a check",
    "wait for a change of the routes",
    "watch the deadlines",
    "watch the routes",
]


class Deaths:
    """Lets the task ``name`` die once: before it does anything, or ``after`` so many seconds (None: before)."""

    def __init__(self, name: str, after: float | None) -> None:
        self._name = name
        self._after = after
        self._attempt = supervision._attempt
        self.seen: set[str] = set()
        self.count = 0

    async def attempt(self, work: Work) -> BaseException | None:
        task = asyncio.current_task()
        assert task is not None
        self.seen.add(task.get_name())
        if task.get_name() != self._name or self.count:
            return await self._attempt(work)
        self.count = 1
        return await self._attempt(lambda: self._fail(work))

    async def _fail(self, work: Work) -> None:
        if self._after is not None:
            try:
                async with asyncio.timeout(self._after):
                    await work()
            except TimeoutError:
                pass
        raise KeyError("web")


def site_with_port() -> Site:
    plan = plan_of("web")
    return Site(
        structs.replace(plan, services=tuple(structs.replace(one, forward=ForwardPlan(8080)) for one in plan.services))
    )


def live(deaths: Deaths, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site with a port that is taken at first, through an outage, while a task dies."""
    monkeypatch.setattr(supervision, "_attempt", deaths.attempt)
    site = site_with_port()

    async def story() -> None:
        site.machine.holders[8080] = "nginx (pid 99)"
        await site.start()
        await site.until_link("ONLINE")
        site.machine.holders.clear()
        await site.live_through_outage()
        await site.until(lambda: site.state("web") == "READY")
        await site.until(lambda: site.forwards.listening == {"web": 8080})
        await site.wait(60.0)
        await site.stop()

    run_virtually(story())
    return site


def test_these_are_all_the_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    deaths = Deaths("", None)
    assert live(deaths, monkeypatch).disk.errors is None
    assert {name for name in deaths.seen if not name.startswith(("close the ", "record the end"))} == set(TASKS)


@pytest.mark.parametrize("after", [None, 0.0, 5.0], ids=["at once", "as it begins", "after a while"])
@pytest.mark.parametrize("name", TASKS)
def test_a_task_that_dies_is_counted_and_takes_nothing_with_it(
    name: str, after: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = Deaths(name, after)
    site = live(deaths, monkeypatch)
    assert site.restarts("web") == 1
    assert site.disk.errors is not None
    assert (site.disk.errors.count, site.disk.errors.task) == (deaths.count, name)
    said = [record for record in site.said if record.level == "error"]
    assert any(f"internal error in the task {name}: KeyError: 'web'" in record.text for record in said)

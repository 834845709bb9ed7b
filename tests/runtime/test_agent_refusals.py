"""A cluster that refuses restarts: nothing is charged, they are tried less and less often, and the reason stays."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.effects import Restart
from connmon_agent.core.events import Order, RestartAnswered
from connmon_agent.core.world import Service

POLICY = "ValidatingAdmissionPolicy 'label-objects' with binding 'heritage' denied request: no owner"
FOREVER = 10_000
REFUSED = [
    pytest.param("denied", POLICY, id="policy"),
    pytest.param("forbidden", "patching is forbidden", id="role"),
    pytest.param("invalid", "spec is invalid", id="invalid"),
    pytest.param("conflict", "somebody was faster", id="conflict"),
]


def web(site: Site) -> Service:
    return site.world.services["web"]


def note_times(site: Site) -> list[float]:
    """When each restart request is sent, from now on."""
    times: list[float] = []

    def note(restart: Restart) -> None:
        times.append(site.clock.now().steady)

    site.cluster.watches.append(note)
    return times


@pytest.mark.parametrize(("kind", "words"), REFUSED)
@pytest.mark.parametrize("attempts", [1, 3])
def test_what_was_refused_costs_no_attempt(kind: str, words: str, attempts: int) -> None:
    async def story() -> None:
        site = Site(plan_of("web", max_restart_attempts=attempts))
        site.cluster.refusals = [(kind, words)] * 4
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), web(site).attempts, site.state("web")) == (1, 1, "READY")
        assert (web(site).refusals, web(site).refused, web(site).refusal) == (0, None, "")
        outcomes = [one.outcome for commit in site.disk.commits for one in commit.step.resolutions]
        assert outcomes == ["refused"] * 4 + ["applied"]

    run_virtually(story())


@pytest.mark.parametrize(("kind", "words"), REFUSED)
def test_it_is_tried_again_less_and_less_often(kind: str, words: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.cluster.refusals = [(kind, words)] * 5
        await site.start()
        times = note_times(site)
        await site.live_through_outage()
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert all(later > 1.5 * earlier for earlier, later in pairwise(pauses)), pauses
        assert pauses[0] == pytest.approx(1.0 if kind == "conflict" else 10.0, rel=0.2)

    run_virtually(story())


@pytest.mark.parametrize(("kind", "words"), REFUSED)
def test_a_service_that_works_is_left_alone_in_the_end_and_the_reason_stays(kind: str, words: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web", postpone_limit=300.0))
        site.cluster.refusals = [(kind, words)] * FOREVER
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), web(site).attempts, site.state("web")) == (0, 0, "READY")
        await site.wait(1800.0)
        assert web(site).reason == f"every restart refused for 5 min: {words}"
        site.cluster.refusals.clear()
        await site.live_through_outage()  # the next outage begins anew
        assert (site.restarts("web"), site.state("web")) == (1, "READY")

    run_virtually(story())


@pytest.mark.parametrize(("kind", "words"), REFUSED)
def test_a_service_that_does_not_work_is_given_up_with_the_reason_until_it_works(kind: str, words: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web", postpone_limit=300.0), web=Workload(stuck=True))
        site.cluster.refusals = [(kind, words)] * FOREVER
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), web(site).attempts, site.state("web")) == (0, 0, "GAVE_UP")
        await site.wait(1800.0)
        assert (site.state("web"), web(site).reason) == ("GAVE_UP", f"every restart refused for 5 min: {words}")
        site.cluster.workloads["web"].stuck = False
        await site.until(lambda: site.state("web") == "READY", within=700.0)

    run_virtually(story())


def test_rearm_tries_a_service_again_that_was_given_up() -> None:
    async def story() -> None:
        site = Site(plan_of("web", postpone_limit=30.0), web=Workload(stuck=True))
        site.cluster.refusals = [("denied", POLICY)] * FOREVER
        await site.start()
        await site.live_through_outage()
        assert site.agent is not None and site.state("web") == "GAVE_UP"
        site.cluster.refusals.clear()
        await site.agent.obey(Order.REARM, ("web",), "root")
        await site.agent.obey(Order.RECOVER, ("web",), "root")
        await site.until(lambda: site.state("web") == "READY")
        assert (site.restarts("web"), web(site).attempts) == (1, 1)

    run_virtually(story())


def test_time_without_a_link_does_not_count_against_a_service_that_is_refused() -> None:
    async def story() -> None:
        site = Site(plan_of("web", postpone_limit=120.0))
        site.cluster.refusals = [("denied", POLICY)]
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until(lambda: site.state("web") == "BACKOFF")
        site.link.up = False
        await site.until_link("OFFLINE")
        await site.wait(3600.0)
        site.link.up = True
        await site.until_link("ONLINE")
        assert (site.restarts("web"), site.state("web")) == (1, "READY")

    run_virtually(story())


@pytest.mark.parametrize("timestamp", ["before", "after"])
def test_a_death_at_a_refusal_neither_loses_nor_doubles_a_charge(timestamp: str) -> None:
    async def story() -> None:
        site = Site(plan_of("web", max_restart_attempts=2))
        site.cluster.refusals = [("denied", POLICY)] * 2
        await site.start()
        await site.lose_link()
        site.link.up = True
        site.die_at(timestamp, lambda event, step: isinstance(event, RestartAnswered))
        await site.until(lambda: site.disk.dead)
        await site.kill()
        await site.start()
        await site.until_link("ONLINE")
        # Killed before the answer was recorded, the request was sent again, and its first copy might still arrive.
        charged = 2 if timestamp == "before" else 1
        assert (site.restarts("web"), web(site).attempts) == (1, charged)

    run_virtually(story())


def test_a_refusal_of_what_was_sent_again_is_charged_for_the_first_may_still_arrive() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        site.cluster.faults = ["lost"]
        site.cluster.refusals = [("denied", POLICY)]
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), web(site).attempts) == (1, 2)

    run_virtually(story())


def test_others_are_restarted_while_one_is_refused() -> None:
    async def story() -> None:
        site = Site(plan_of("web", "db", parallel=1))
        site.cluster.refusals = [("denied", POLICY)]
        await site.start()
        await site.live_through_outage()
        assert [request.service for request in site.cluster.requests] == ["web", "db", "web"]

    run_virtually(story())

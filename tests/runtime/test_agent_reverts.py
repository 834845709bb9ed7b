"""A controller that takes restarts back: READY only when the pods that run are newer, and who it was is told."""

from __future__ import annotations

import pytest
from tests.fakes.local_ports import with_ports
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.plan import Plan
from connmon_agent.core.world import Service

WHO = "kustomize-controller removed the restart annotations from the pod template"
REMEDY = "configure it to ignore the annotations connmon.io/*"
PLAN = plan_of("web", ready_timeout=30.0)


def web(site: Site) -> Service:
    return site.world.services["web"]


def states_of(site: Site) -> list[str]:
    """Every state that the service web entered in the recovery."""
    transitions = [t for commit in site.disk.commits for t in commit.step.transitions if t.instance == "web"]
    return [t.dest for t in transitions if t.chart == "service" and t.source != t.dest][2:]


@pytest.mark.parametrize("plan", [PLAN, with_ports(PLAN, web=(8080,))], ids=["bare", "with a local port"])
@pytest.mark.parametrize("seconds", [0.0, 0.3, 1.5, 4.9])
def test_a_restart_that_is_taken_back_before_its_pods_are_ready_is_none(plan: Plan, seconds: float) -> None:
    async def story() -> None:
        site = Site(plan, web=Workload(ready_after=5.0, reverts_after=seconds))
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), web(site).attempts, site.state("web")) == (3, 3, "GAVE_UP")
        assert "READY" not in states_of(site)
        assert (
            web(site).reason
            == f"attempt 3 of 3 did not help, none left: {WHO}, and the old pods are still running; {REMEDY}"
        )

    run_virtually(story())


def test_the_next_attempt_may_come_through() -> None:
    """A controller looks every few minutes: what was taken back at once the first time may have its time the next."""

    async def story() -> None:
        workload = Workload(ready_after=5.0, reverts_after=0.3)
        site = Site(PLAN, web=workload)
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until(lambda: site.state("web") == "BACKOFF")
        workload.reverts_after = None
        await site.until_link("ONLINE")
        assert (site.restarts("web"), site.state("web"), web(site).reason) == (
            2,
            "READY",
            "restarted, 1 of 1 available",
        )

    run_virtually(story())


def test_new_pods_under_the_old_template_are_restarted_all_the_same() -> None:
    async def story() -> None:
        site = Site(PLAN, web=Workload(ready_after=0.5, reverts_after=0.6))
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), site.state("web")) == (1, "READY")
        assert web(site).reason == f"restarted, 1 of 1 available; {WHO}"

    run_virtually(story())


def test_a_loss_of_the_token_after_the_recovery_is_told_once() -> None:
    async def story() -> None:
        site = Site(PLAN, web=Workload(reverts_after=100.0))
        await site.start()
        await site.live_through_outage()
        assert site.state("web") == "READY"
        await site.wait(600.0)
        told = [record.text for record in site.said if "removed the restart annotations" in record.text]
        assert told == [f"{WHO}; if this is a controller, {REMEDY}"]
        await site.live_through_outage()  # the next restart rests on the generation, for there is no token
        assert site.restarts("web") == 2

    run_virtually(story())


def test_what_was_seen_before_the_restart_outlives_the_agent() -> None:
    async def story() -> None:
        site = Site(PLAN, web=Workload(ready_after=5.0, reverts_after=0.3))
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until(lambda: site.state("web") == "VERIFYING")
        await site.kill()
        await site.wait(60.0)
        await site.start()
        await site.until(lambda: site.state("web") == "BACKOFF")
        assert "the old pods are still running" in web(site).reason

    run_virtually(story())

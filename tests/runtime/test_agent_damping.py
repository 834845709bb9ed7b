"""A link that flaps: restarts wait, the link is judged as ever."""

from __future__ import annotations

from msgspec.structs import replace
from tests.fakes.sites import Site, plan_of
from tests.fakes.soundness import Witness
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import Order
from connmon_agent.core.plan import DampingPlan, Plan, with_stages
from connmon_agent.core.world import LinkState, ServiceState

# The third outage within a minute is the first to be damped, for half an hour at most.
DAMPING = DampingPlan(penalty=1000.0, half_life=600.0, suppress=2500.0, reuse=1000.0, ceiling=8000.0)


def damping_plan(*names: str) -> Plan:
    plan = plan_of(*names)
    return replace(plan, link=replace(plan.link, damping=DAMPING))


async def flap(site: Site, times: int) -> None:
    """So many short outages; afterwards the link stays up."""
    for _ in range(times):
        await site.until(lambda: site.world.link.state in (LinkState.ONLINE, LinkState.RECOVERING))
        site.link.up = False
        await site.until_link("OFFLINE")
        site.link.up = True
    await site.until_link("RECOVERING")


async def damped_site(*names: str) -> tuple[Site, Witness]:
    """A site whose link has just come back from so many outages that restarts wait."""
    return await damped_site_of(damping_plan(*names))


async def damped_site_of(plan: Plan) -> tuple[Site, Witness]:
    site = Site(plan)
    witness = Witness(site)
    await site.start()
    await site.until_link("ONLINE")
    await flap(site, 3)
    assert site.world.link.damped_until is not None
    return site, witness


def test_restarts_wait_until_the_penalty_has_decayed_and_then_they_come() -> None:
    async def story() -> None:
        site, witness = await damped_site("web", "db")
        until = site.world.link.damped_until
        assert until is not None
        await site.until(lambda: site.restarts("web") + site.restarts("db") > 0, within=3600.0)
        assert until.steady <= site.clock.now().steady < until.steady + 5.0
        await site.until_link("ONLINE")
        assert (site.restarts("web"), site.restarts("db")) == (1, 1)
        assert site.world.link.damped_until is None
        assert witness.testify() == []

    run_virtually(story())


def test_the_services_and_the_log_say_until_when_and_why() -> None:
    async def story() -> None:
        site, _ = await damped_site("web")
        told = "restarts of available services are held back for "
        assert f"queued for a restart; {told}" in site.world.services["web"].reason
        assert site.world.services["web"].reason.endswith("the link is flapping, 3 outages in the last hour")
        assert any(record.about == "link" and record.text.startswith(told) for record in site.said)
        await site.wait(site.plan.link.hold + 1.0)
        assert told in site.world.link.reason

    run_virtually(story())


def test_the_link_is_judged_as_ever_while_restarts_wait() -> None:
    async def story() -> None:
        site, witness = await damped_site("web")
        before = site.world.link.damped_until
        await site.wait(30.0)
        site.link.up = False
        began = site.clock.now().steady
        await site.until_link("OFFLINE")
        assert site.clock.now().steady - began <= 5.5
        site.link.up = True
        await site.until_link("RECOVERING")
        after = site.world.link.damped_until
        assert before is not None and after is not None and after.steady > before.steady
        assert site.restarts("web") == 0
        assert witness.testify() == []

    run_virtually(story())


def test_an_order_to_recover_does_not_wait() -> None:
    async def story() -> None:
        site, witness = await damped_site("web")
        await site.wait(site.plan.link.hold + 5.0)
        assert site.restarts("web") == 0
        assert site.agent is not None
        assert await site.agent.obey(Order.RECOVER, (), "root") is None
        await site.until_link("ONLINE", within=30.0)
        assert (site.restarts("web"), site.world.link.damped_until) == (1, None)
        assert "damping" not in site.world.timers
        assert witness.testify() == []

    run_virtually(story())


def test_an_order_during_the_hold_waits_for_neither() -> None:
    async def story() -> None:
        site, _ = await damped_site("web")
        assert site.agent is not None
        assert await site.agent.obey(Order.RECOVER, (), "root") is None
        await site.until(lambda: site.restarts("web") == 1, within=5.0)

    run_virtually(story())


def test_what_an_order_overruled_is_damped_again_by_the_next_outage() -> None:
    async def story() -> None:
        site, _ = await damped_site("web")
        assert site.agent is not None
        await site.agent.obey(Order.RECOVER, (), "root")
        await site.until_link("ONLINE")
        await flap(site, 1)
        assert site.world.link.damped_until is not None
        assert await site.agent.obey(Order.RECOVER, (), "root") is None
        await site.until(lambda: site.restarts("web") == 2, within=30.0)

    run_virtually(story())


def test_a_recovery_under_way_that_is_not_damped_is_still_not_ordered_twice() -> None:
    async def story() -> None:
        site, _ = await damped_site("web")
        site.cluster.workloads["web"].ready_after = 60.0
        assert site.agent is not None
        await site.agent.obey(Order.RECOVER, (), "root")
        await site.until(lambda: site.restarts("web") == 1)
        refusal = await site.agent.obey(Order.RECOVER, (), "root")
        assert refusal is not None and refusal.startswith("a recovery is already in progress")

    run_virtually(story())


def test_an_agent_that_is_started_again_goes_on_waiting() -> None:
    async def story() -> None:
        site, witness = await damped_site("web")
        until = site.world.link.damped_until
        assert until is not None
        await site.kill()
        await site.start()
        assert site.world.link.damped_until == until
        await site.until(lambda: site.restarts("web") == 1, within=3600.0)
        assert site.clock.now().steady >= until.steady
        assert witness.testify() == []

    run_virtually(story())


def test_a_damping_that_ends_during_an_outage_does_not_start_a_restart_in_it() -> None:
    async def story() -> None:
        site, witness = await damped_site("web")
        site.link.up = False
        await site.until_link("OFFLINE")
        await site.until(lambda: site.world.link.damped_until is None, within=3600.0)
        await site.wait(60.0)
        assert (site.world.link.state, site.restarts("web")) == (LinkState.OFFLINE, 0)
        site.link.up = True
        await site.until_link("ONLINE")
        assert site.restarts("web") == 1
        assert witness.testify() == []

    run_virtually(story())


def test_damping_holds_back_what_works_and_not_what_is_broken() -> None:
    async def story() -> None:
        site, witness = await damped_site("web", "db")
        site.cluster.workloads["db"].stuck = True
        await site.until(lambda: site.restarts("db") == 1, within=30.0)
        [told] = [
            one.reason
            for commit in site.disk.commits
            for one in commit.step.transitions
            if one.instance == "db" and one.dest == ServiceState.RESTARTING
        ]
        assert "; not held back by damping until " in told and ": it is not available" in told
        web = site.world.services["web"]
        assert (web.state, web.postponed_for) == (ServiceState.WAITING, "damping")
        assert web.reason.startswith("postponed until ")
        before = len(site.disk.commits)
        await site.wait(300.0)
        assert len(site.disk.commits) - before < 20  # the looks at what is held find nothing new
        assert (site.restarts("web"), site.restarts("db")) == (0, 1)
        until = site.world.link.damped_until
        assert until is not None
        await site.until_link("ONLINE", within=3600.0)
        assert site.clock.now().steady >= until.steady
        assert (site.restarts("web"), site.restarts("db")) == (1, 1)
        assert witness.testify() == []

    run_virtually(story())


def test_what_works_when_the_damping_begins_and_breaks_in_it_is_restarted() -> None:
    async def story() -> None:
        site, witness = await damped_site("web")
        await site.wait(60.0)
        assert site.restarts("web") == 0
        site.cluster.workloads["web"].stuck = True
        await site.until(lambda: site.restarts("web") == 1, within=60.0)
        assert witness.testify() == []

    run_virtually(story())


def test_what_is_broken_in_the_damping_is_restarted_no_more_often_than_its_budget_allows() -> None:
    async def story() -> None:
        site, witness = await damped_site("web")
        site.cluster.workloads["web"].failures = 9
        site.cluster.workloads["web"].stuck = True
        limit = site.plan.recovery.max_restart_attempts
        await site.until(lambda: site.world.services["web"].state == ServiceState.GAVE_UP, within=3600.0)
        assert site.restarts("web") == limit
        await flap(site, 2)
        await site.wait(120.0)
        assert site.restarts("web") == limit
        assert witness.testify() == []

    run_virtually(story())


def test_what_damping_holds_does_not_hold_back_a_broken_service_that_depends_on_it() -> None:
    async def story() -> None:
        plan = damping_plan("web", "db")
        web, db = plan.services
        site, witness = await damped_site_of(
            replace(plan, services=with_stages([replace(web, depends_on=("db",)), db]))
        )
        site.cluster.workloads["web"].stuck = True
        await site.until(lambda: site.restarts("web") == 1, within=30.0)
        assert site.restarts("db") == 0
        assert site.world.services["db"].postponed_for == "damping"
        await site.until_link("ONLINE", within=3600.0)
        assert (site.restarts("web"), site.restarts("db")) == (1, 1)
        assert witness.testify() == []

    run_virtually(story())


def test_few_outages_are_not_damped() -> None:
    async def story() -> None:
        site = Site(damping_plan("web"))
        await site.start()
        await site.live_through_outage()
        await site.live_through_outage()
        assert (site.world.link.damped_until, site.restarts("web")) == (None, 2)

    run_virtually(story())

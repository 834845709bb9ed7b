"""What is strange, but possible: each story once, told in full."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.soundness import Witness
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import AgentStarted, Order
from connmon_agent.core.plan import Plan, QualityPlan, When
from connmon_agent.errors import StoreError

# Bad rounds are lost probes too; where the verdict on them alone is told of, the quality shall not speak as well.
UNMEASURED = QualityPlan(least=100_000)


@asynccontextmanager
async def living(plan: Plan, **workloads: Workload) -> AsyncIterator[Site]:
    """A site whose agent is ONLINE; at the end nothing was wrong at any time."""
    site = Site(plan, **workloads)
    witness = Witness(site)
    await site.start()
    await site.until_link("ONLINE")
    yield site
    faults = witness.testify()
    assert not faults, faults


async def order(site: Site, what: Order, *services: str) -> str | None:
    assert site.agent is not None
    return await site.agent.obey(what, services, "root")


def linked(plan: Plan, **changes: object) -> Plan:
    return replace(plan, link=replace(plan.link, **changes))  # type: ignore[arg-type]  # names are tested


async def until_state(site: Site, name: str, state: str) -> None:
    await site.until(lambda: site.state(name) == state, within=1800.0)


def test_a_pause_that_ends_while_the_disk_is_full_ends_once_it_is_not() -> None:
    async def story() -> None:
        async with living(plan_of("web", ready_timeout=5.0), web=Workload(failures=1)) as site:
            site.link.up = False
            await site.until_link("OFFLINE")
            site.link.up = True
            await until_state(site, "web", "BACKOFF")
            site.disk.fail = "full"
            with pytest.raises(StoreError):
                await order(site, Order.RESUME)
            await site.wait(60.0)
            site.disk.fail = None
            await site.until_link("ONLINE", within=60.0)
            assert (site.state("web"), site.restarts("web")) == ("READY", 2)

    run_virtually(story())


async def begin_recovery(site: Site, *, dark: float = 20.0) -> None:
    """An outage that ends: the link is RECOVERING."""
    site.link.up = False
    await site.until_link("OFFLINE")
    await site.wait(dark)
    site.link.up = True
    await site.until_link("RECOVERING")


async def reconfigure(site: Site, *names: str) -> None:
    assert site.agent is not None
    site.plan = replace(site.plan, services=plan_of(*names).services)
    for name in names:
        site.cluster.workloads.setdefault(name, Workload())
    await site.agent.configure(site.plan)


@pytest.mark.parametrize("state", ["WAITING", "RESTARTING", "VERIFYING", "BACKOFF"])
def test_a_service_that_is_configured_away_in_the_midst_of_its_recovery_is_forgotten(state: str) -> None:
    async def story() -> None:
        plan = plan_of("web", "db", ready_timeout=5.0)
        async with living(plan, web=Workload(failures=99), db=Workload()) as site:
            await begin_recovery(site)
            await until_state(site, "web", state)
            await reconfigure(site, "db")
            await site.until_link("ONLINE", within=60.0)
            assert (list(site.world.services), site.state("db")) == (["db"], "READY")
            assert site.world.timers == {}

    run_virtually(story())


def test_a_service_that_is_configured_anew_keeps_its_charged_attempts() -> None:
    async def story() -> None:
        async with living(plan_of("web")) as site:
            await site.live_through_outage()
            await reconfigure(site)
            await reconfigure(site, "web")
            await until_state(site, "web", "READY")
            assert site.world.services["web"].attempts == 1

    run_virtually(story())


def test_a_service_that_is_added_during_a_recovery_is_not_a_part_of_it() -> None:
    async def story() -> None:
        async with living(plan_of("web")) as site:
            await begin_recovery(site)
            await reconfigure(site, "web", "new")
            await site.until_link("ONLINE")
            assert (site.restarts("web"), site.restarts("new")) == (1, 0)

    run_virtually(story())


def test_an_ordered_recovery_that_meets_a_real_outage_becomes_that_outage_and_dates_from_it() -> None:
    async def story() -> None:
        async with living(plan_of("web", "db"), web=Workload(ready_after=30.0)) as site:
            site.link.up = False
            await site.until_link("DEGRADED")  # an old doubt, which was no outage
            site.link.up = True
            await site.until_link("ONLINE")
            await site.wait(3600.0)
            assert await order(site, Order.RECOVER, "web") is None
            await until_state(site, "web", "VERIFYING")
            cut = site.clock.now().steady
            site.link.up = False
            await site.until_link("OFFLINE")
            outage = site.world.outage
            assert outage is not None
            assert (outage.id, outage.by_operator, outage.services) == (2, False, None)
            assert 0.0 <= outage.started.steady - cut < 5.0
            site.link.up = True
            await site.until_link("ONLINE")
            assert (site.restarts("web"), site.restarts("db")) == (1, 1)

    run_virtually(story())


def test_what_gave_up_is_left_alone_by_the_next_outage_while_the_others_recover() -> None:
    async def story() -> None:
        async with living(plan_of("web", "db", ready_timeout=5.0), web=Workload(failures=99)) as site:
            await site.live_through_outage()
            await site.live_through_outage()
            assert (site.state("web"), site.restarts("web")) == ("GAVE_UP", 3)
            assert (site.state("db"), site.restarts("db")) == ("READY", 2)

    run_virtually(story())


@pytest.mark.parametrize("state", ["READY", "WAITING", "RESTARTING", "VERIFYING", "BACKOFF", "GAVE_UP"])
def test_rearm_in_every_state_lets_the_recovery_go_on(state: str) -> None:
    async def story() -> None:
        async with living(plan_of("web", "db", ready_timeout=5.0), web=Workload(failures=4)) as site:
            site.cluster.faults = ["no reply"]
            if state != "READY":
                await begin_recovery(site)
            await until_state(site, "web", state)
            assert await order(site, Order.REARM, "web") is None
            under_way = state in ("RESTARTING", "VERIFYING")
            assert site.world.services["web"].attempts == (1 if under_way else 0)
            assert all("attempt 0" not in sentence.text for sentence in site.said)
            await site.until_link("ONLINE", within=1800.0)

    run_virtually(story())


def test_rearm_during_a_recovery_for_others_restarts_nothing() -> None:
    async def story() -> None:
        async with living(plan_of("web", "db", ready_timeout=5.0), web=Workload(failures=3)) as site:
            await site.live_through_outage()
            site.cluster.workloads["db"].ready_after = 4.0
            assert await order(site, Order.RECOVER, "db") is None
            await until_state(site, "db", "VERIFYING")
            assert await order(site, Order.REARM, "web") is None
            await site.until_link("ONLINE")
            assert (site.restarts("web"), site.restarts("db")) == (3, 2)

    run_virtually(story())


def test_two_relapses_are_one_outage_and_one_restart_each() -> None:
    async def story() -> None:
        async with living(plan_of("db", "web", depends_on={"web": ("db",)}), db=Workload(ready_after=4.0)) as site:
            await begin_recovery(site)
            for _ in range(2):
                await site.wait(5.0)
                site.link.up = False
                await site.until_link("OFFLINE")
                site.link.up = True
                await site.until_link("RECOVERING")
            await site.until_link("ONLINE")
            outage = site.world.outage
            assert outage is not None
            assert (outage.id, outage.relapses, site.restarts("db"), site.restarts("web")) == (1, 2, 1, 1)

    run_virtually(story())


def test_a_rollout_is_not_judged_while_the_link_is_away() -> None:
    """Images cannot be pulled then: no attempt is lost, and the rollout has its full time once the link is back."""

    async def story() -> None:
        async with living(plan_of("web", max_restart_attempts=1, ready_timeout=60.0)) as site:
            web = site.cluster.workloads["web"]
            web.ready_after = None
            await begin_recovery(site)
            await until_state(site, "web", "VERIFYING")
            site.link.up = False
            await site.until_link("OFFLINE")
            await site.wait(600.0)
            assert site.state("web") == "VERIFYING"
            site.link.up = True
            await site.until_link("RECOVERING")
            await site.wait(30.0)
            web.ready_after = 0.0
            await site.until_link("ONLINE")
            assert (site.state("web"), site.restarts("web")) == ("READY", 1)

    run_virtually(story())


def test_a_recovery_does_not_end_while_the_link_is_in_doubt() -> None:
    async def story() -> None:
        plan = linked(plan_of("web"), fall=10, quality=UNMEASURED)
        async with living(plan, web=Workload(ready_after=4.0)) as site:
            await begin_recovery(site)
            await until_state(site, "web", "VERIFYING")
            site.link.up = False
            await until_state(site, "web", "READY")
            assert site.world.link.state == "RECOVERING"
            site.link.up = True
            await site.until_link("ONLINE", within=5.0)
            assert site.world.outages == 1

    run_virtually(story())


def test_without_a_hold_restarts_begin_at_once() -> None:
    async def story() -> None:
        async with living(linked(plan_of("web"), hold=0.0)) as site:
            await begin_recovery(site)
            back = site.world.link.since.steady
            await site.until(lambda: site.restarts("web") == 1)
            assert site.clock.now().steady - back < 0.5

    run_virtually(story())


def test_with_fall_and_rise_of_one_a_single_round_is_the_verdict() -> None:
    async def story() -> None:
        async with living(linked(plan_of("web"), fall=1, rise=1)) as site:
            site.link.up = False
            await site.until_link("OFFLINE", within=4.0)
            assert site.world.link.bad == 1
            site.link.up = True
            await site.until_link("RECOVERING", within=4.0)
            await site.until_link("ONLINE")
            assert site.restarts("web") == 1

    run_virtually(story())


def test_with_a_quorum_of_one_a_single_target_keeps_the_link() -> None:
    async def story() -> None:
        async with living(linked(plan_of("web"), quorum=1)) as site:
            site.link.answering = 1
            await site.wait(600.0)
            assert (site.world.link.state, site.world.outage) == ("ONLINE", None)

    run_virtually(story())


def test_thirty_services_one_at_a_time() -> None:
    async def story() -> None:
        names = [f"service-{number}" for number in range(30)]
        async with living(plan_of(*names, parallel=1)) as site:
            await site.live_through_outage()
            assert [request.service for request in site.cluster.requests] == names
            assert site.cluster.busiest == 1

    run_virtually(story())


def test_a_site_without_services_has_outages_too() -> None:
    async def story() -> None:
        async with living(plan_of()) as site:
            await site.live_through_outage()
            assert (site.world.outages, site.world.link.state) == (1, "ONLINE")

    run_virtually(story())


def test_a_restart_by_somebody_before_the_outage_does_not_count_for_it() -> None:
    """The workload still carries our token of an older outage, and a newer revision by somebody else."""

    async def story() -> None:
        async with living(plan_of("web")) as site:
            await site.live_through_outage()
            await site.wait(3600.0)
            now = site.clock.now()
            site.cluster.workloads["web"].roll(now.steady, by="kubectl rollout restart")
            await site.wait(3600.0)
            await site.live_through_outage()
            assert site.restarts("web") == 2

    run_virtually(story())


def test_the_time_in_which_nothing_could_be_seen_is_not_counted_against_a_rollout_of_somebody_else() -> None:
    async def story() -> None:
        async with living(plan_of("web", postpone_limit=120.0)) as site:
            site.cluster.reachable = False
            await begin_recovery(site)
            await site.wait(900.0)
            now = site.clock.now()
            site.cluster.workloads["web"].ready_after = 60.0
            site.cluster.workloads["web"].roll(now.steady, by="kubectl rollout restart")
            site.cluster.reachable = True
            await site.until_link("ONLINE")
            assert site.restarts("web") == 0
            assert "already restarted since the outage" in site.disk.commits[-1].step.world.services["web"].reason

    run_virtually(story())


def test_a_service_that_may_not_be_seen_does_not_hold_up_the_stages_after_it_for_ever() -> None:
    async def story() -> None:
        plan = plan_of("db", "web", depends_on={"web": ("db",)}, postpone_limit=60.0)
        async with living(plan) as site:
            site.cluster.forbidden.add("db")
            await begin_recovery(site)
            await site.until_link("ONLINE", within=300.0)
            assert (site.restarts("db"), site.restarts("web")) == (0, 1)

    run_virtually(story())


def test_postponed_services_take_no_place_from_each_other() -> None:
    async def story() -> None:
        names = [f"service-{number}" for number in range(4)]
        blocked = {name: Workload(blocked_by=f"{name}-pdb") for name in names}
        async with living(plan_of(*names, parallel=1), **blocked) as site:
            await begin_recovery(site)
            await site.wait(60.0)
            blocked["service-3"].blocked_by = None
            await until_state(site, "service-3", "READY")
            assert site.restarts("service-3") == 1
            for workload in blocked.values():
                workload.blocked_by = None
            await site.until_link("ONLINE")

    run_virtually(story())


def test_what_could_not_be_seen_for_a_while_proves_no_health() -> None:
    async def story() -> None:
        async with living(plan_of("web", healthy_for=600.0)) as site:
            await site.live_through_outage()
            await site.wait(60.0)
            site.cluster.reachable = False
            await site.wait(540.0)
            site.cluster.reachable = True
            await site.wait(120.0)
            assert site.world.services["web"].attempts == 1
            await site.wait(600.0)
            assert site.world.services["web"].attempts == 0

    run_virtually(story())


def test_a_request_that_arrives_after_it_was_sent_again_is_one_restart_and_told_as_applied() -> None:
    async def story() -> None:
        async with living(plan_of("web")) as site:
            site.cluster.faults, site.cluster.refusals = ["late"], []
            await begin_recovery(site)
            await site.until_link("ONLINE")
            outcomes = [one.outcome for commit in site.disk.commits for one in commit.step.resolutions]
            assert (site.restarts("web"), outcomes) == (1, ["applied"])
            assert site.world.services["web"].attempts == 1

    run_virtually(story())


def test_a_restart_that_was_refused_when_sent_again_and_arrives_late_is_taken_over() -> None:
    async def story() -> None:
        async with living(plan_of("web")) as site:
            site.cluster.faults = ["late"]
            site.cluster.refusals = [("forbidden", "patching is forbidden")]
            await begin_recovery(site)
            await site.until_link("ONLINE")
            outcomes = [one.outcome for commit in site.disk.commits for one in commit.step.resolutions]
            assert (site.restarts("web"), outcomes) == (1, ["abandoned"])
            assert any("was not known to have arrived" in sentence.text for sentence in site.said)

    run_virtually(story())


def test_only_when_unhealthy_and_a_hung_one_in_a_later_stage() -> None:
    async def story() -> None:
        plan = plan_of("db", "web", depends_on={"web": ("db",)}, when=When.UNHEALTHY)
        async with living(plan, web=Workload(stuck=True)) as site:
            await site.live_through_outage()
            assert (site.restarts("db"), site.restarts("web")) == (0, 1)

    run_virtually(story())


def test_an_agent_that_ends_while_the_disk_is_full_leaves_nothing_behind() -> None:
    async def story() -> None:
        async with living(plan_of("web")) as site:
            site.disk.fail = "full"
            await site.stop()
            site.disk.fail = None
            site.die()
            await site.start()
            commits = len(site.disk.commits)
            starts = [commit for commit in site.disk.commits if isinstance(commit.event, AgentStarted)]
            await site.wait(60.0)
            assert len(starts) == 2
            assert not any(isinstance(commit.event, AgentStarted) for commit in site.disk.commits[commits:])

    run_virtually(story())

"""Rollouts that somebody else began and that are under way when the link returns."""

from __future__ import annotations

import pytest
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

NEVER_PULLED = 'web-1: ErrImageNeverPull (Container image "erp/web:2" is not present with pull policy of Never)'


async def return_of_the_link_during(site: Site, *, dark: float = 20.0) -> float:
    """An outage in which somebody rolls ``web`` out; returns the loop's time at which the link is back."""
    await site.start()
    await site.lose_link()
    now = site.clock.now()
    site.cluster.workloads["web"].roll(now.steady, by="kubectl")
    await site.wait(dark)
    site.link.up = True
    await site.until_link("RECOVERING")
    return site.clock.now().steady


def test_a_stuck_rollout_is_restarted_as_often_as_the_attempts_allow_and_at_once() -> None:
    async def story() -> None:
        plan = plan_of("web", max_restart_attempts=2, ready_timeout=4.0, backoff_first=1.0, backoff_max=1.0)
        site = Site(plan, web=Workload(failures=99, stalls=NEVER_PULLED))
        back = await return_of_the_link_during(site)
        await site.until(lambda: site.state("web") == "GAVE_UP", within=60.0)
        assert site.restarts("web") == 2
        assert site.clock.now().steady - back < 10.0 + 2 * 4.0 + 5.0, "the hold, two timeouts, a pause"
        assert NEVER_PULLED in site.world.services["web"].reason

    run_virtually(story())


def test_a_restart_that_ends_the_backoff_of_a_pull_is_enough() -> None:
    async def story() -> None:
        site = Site(plan_of("web"), web=Workload(failures=1, stalls="web-1: ImagePullBackOff"))
        await return_of_the_link_during(site)
        await site.until(lambda: site.state("web") == "READY", within=30.0)
        assert site.restarts("web") == 1

    run_virtually(story())


def test_a_rollout_that_makes_progress_is_waited_for() -> None:
    """For longer than any single step may take: it is the standing still that counts."""

    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=60.0), web=Workload(ready_after=400.0, step=45.0))
        await return_of_the_link_during(site)
        await site.wait(300.0)
        assert (site.restarts("web"), site.state("web")) == (0, "WAITING")
        assert "a rollout is in progress" in site.world.services["web"].reason
        site.cluster.workloads["web"].ready_after = 2.0
        await site.until(lambda: site.state("web") == "READY", within=30.0)

    run_virtually(story())


def test_a_rollout_that_shows_nothing_and_does_not_move_is_restarted_after_the_time_a_rollout_has() -> None:
    async def story() -> None:
        site = Site(plan_of("web", ready_timeout=60.0), web=Workload(failures=1))
        back = await return_of_the_link_during(site, dark=50.0)
        await site.until(lambda: site.state("web") == "READY", within=120.0)
        assert site.restarts("web") == 1
        assert site.clock.now().steady - back < 50.0, "it was seen to stand still while the link was gone, too"

    run_virtually(story())


def test_a_rollout_that_goes_on_for_ever_does_not_keep_the_recovery_open() -> None:
    async def story() -> None:
        site = Site(plan_of("web", postpone_limit=120.0), web=Workload(ready_after=None, step=30.0))
        await return_of_the_link_during(site)
        await site.until_link("ONLINE", within=200.0)
        assert site.restarts("web") == 0
        assert (
            "still rolling out after 2 min"
            in [
                transition.reason
                for commit in site.disk.commits
                for transition in commit.step.transitions
                if transition.source == "WAITING"
            ][-1]
        )

    run_virtually(story())


@pytest.mark.parametrize("act", [True, False])
def test_a_stuck_rollout_is_not_restarted_in_shadow_mode(act: bool) -> None:
    async def story() -> None:
        site = Site(plan_of("web", act=act), web=Workload(failures=1, stalls="web-1: ImagePullBackOff"))
        await return_of_the_link_during(site)
        await site.until_link("ONLINE", within=60.0)
        assert site.restarts("web") == int(act)

    run_virtually(story())


def test_what_waits_for_a_scheduling_gate_is_left_alone_at_once_by_that_name() -> None:
    async def story() -> None:
        gate = "web-1 has the scheduling gate example.com/hold"
        site = Site(plan_of("web"), web=Workload(failures=99, gated=gate))
        back = await return_of_the_link_during(site)
        await site.until_link("ONLINE", within=60.0)
        assert site.clock.now().steady - back < 15.0
        settled = [t.reason for c in site.disk.commits for t in c.step.transitions if t.source == "WAITING"]
        assert (site.restarts("web"), gate in settled[-1]) == (0, True)

    run_virtually(story())

"""A restart that can only harm is not made: the registry is asked before one that ends what works."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.soundness import Witness
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.events import Inspected, Order
from connmon_agent.core.observations import Observation, Pull, Reach, RegistryAnswer
from connmon_agent.core.plan import Plan
from connmon_agent.core.world import ServiceState
from connmon_agent.explain.explanations import explain_service
from connmon_agent.store.layout import EVENTS

HUB = Pull("docker.io", "nginx:1.25", "imagePullPolicy Always")
REFUSED = RegistryAnswer(Reach.UNREACHABLE, "connection refused")
LIMITED = RegistryAnswer(Reach.LIMITED, "HTTP 429", 120.0)
UNKNOWN = RegistryAnswer(Reach.UNKNOWN, 'the name "registry.lan" is not known')


def pulling_site(*names: str, answer: RegistryAnswer | None = None, plan: Plan | None = None) -> Site:
    """A site whose services pull from Docker Hub after their pods were ended."""
    site = Site(plan or plan_of(*names), **{name: Workload(pulls=(HUB,)) for name in names})
    if answer is not None:
        site.registries.answers["docker.io"] = answer
    return site


async def until_back(site: Site) -> None:
    """Through an outage, up to where restarts may begin."""
    await site.start()
    await site.lose_link()
    await site.wait(20.0)
    site.link.up = True
    await site.until_link("RECOVERING")
    await site.wait(site.plan.link.hold + 2.0)


@pytest.mark.parametrize("answer", [REFUSED, LIMITED], ids=["refused", "limited"])
def test_a_service_that_works_is_not_restarted_while_its_registry_is_away_and_is_once_it_is_back(
    answer: RegistryAnswer,
) -> None:
    async def story() -> None:
        site = pulling_site("web", answer=answer)
        witness = Witness(site)
        await until_back(site)
        web = site.world.services["web"]
        assert (site.restarts("web"), web.state, web.postponed_for) == (0, ServiceState.WAITING, "registry")
        assert "docker.io" in web.reason and "a restart would end working pods before new ones can pull" in web.reason
        commits = len(site.disk.commits)
        await site.wait(60.0)
        assert len(site.disk.commits) - commits < 5  # nothing new is found, and nothing is written
        del site.registries.answers["docker.io"]
        await site.until_link("ONLINE", within=60.0)
        assert site.restarts("web") == 1
        assert witness.testify() == []

    run_virtually(story())


def test_a_service_whose_registry_stays_away_is_skipped_and_still_works() -> None:
    async def story() -> None:
        site = pulling_site("web", "db", answer=REFUSED)
        witness = Witness(site)
        site.cluster.workloads["db"].pulls = ()
        await until_back(site)
        began = site.clock.now().steady
        await site.until_link("ONLINE", within=700.0)
        assert 550.0 < site.clock.now().steady - began < 620.0
        assert (site.restarts("web"), site.restarts("db")) == (0, 1)
        web = site.world.services["web"]
        assert web.state == ServiceState.READY
        assert web.reason.startswith("skipped after 10 min: registry docker.io is unreachable: connection refused")
        assert web.attempts == 0
        assert witness.testify() == []

    run_virtually(story())


def test_a_service_that_is_down_is_restarted_whatever_its_registry_says() -> None:
    async def story() -> None:
        site = pulling_site("web", answer=REFUSED)
        site.cluster.workloads["web"].stuck = True
        await until_back(site)
        await site.until(lambda: site.restarts("web") == 1, within=30.0)

    run_virtually(story())


def test_one_that_goes_down_while_its_restart_is_postponed_is_restarted() -> None:
    async def story() -> None:
        site = pulling_site("web", answer=LIMITED)
        await until_back(site)
        assert site.restarts("web") == 0
        site.cluster.workloads["web"].stuck = True
        await site.until(lambda: site.restarts("web") == 1, within=10.0)

    run_virtually(story())


@pytest.mark.parametrize("answer", [None, UNKNOWN], ids=["reachable", "unknown here"])
def test_otherwise_it_is_restarted_at_once(answer: RegistryAnswer | None) -> None:
    async def story() -> None:
        site = pulling_site("web", answer=answer)
        await until_back(site)
        assert site.restarts("web") == 1

    run_virtually(story())


def test_a_registry_is_only_asked_while_a_restart_is_due() -> None:
    async def story() -> None:
        site = pulling_site("web")
        await site.start()
        await site.until_link("ONLINE")
        await site.wait(300.0)
        await site.lose_link()
        await site.wait(60.0)
        assert site.registries.asked == []
        site.link.up = True
        await site.until_link("ONLINE")
        asked = len(site.registries.asked)
        assert asked >= 1
        await site.wait(300.0)
        assert len(site.registries.asked) == asked

    run_virtually(story())


def test_a_registry_that_hangs_holds_up_nothing_but_the_service_that_needs_it() -> None:
    async def story() -> None:
        site = pulling_site("web", "db", answer=REFUSED)
        site.cluster.workloads["db"].pulls = ()
        site.registries.takes = 3.0
        await until_back(site)
        assert (site.restarts("web"), site.restarts("db")) == (0, 1)

    run_virtually(story())


def test_an_order_does_not_make_it_either() -> None:
    async def story() -> None:
        site = pulling_site("web", answer=REFUSED)
        await site.start()
        await site.until_link("ONLINE")
        assert site.agent is not None
        assert await site.agent.obey(Order.RECOVER, (), "root") is None
        await site.wait(30.0)
        assert (site.restarts("web"), site.world.services["web"].postponed_for) == (0, "registry")

    run_virtually(story())


def test_the_answer_is_recorded_with_the_event_and_explained() -> None:
    async def story() -> None:
        site = pulling_site("web", answer=LIMITED)
        witness = Witness(site)
        await until_back(site)
        [seen] = [
            commit.event.seen
            for commit in site.disk.commits
            if isinstance(commit.event, Inspected)
            and isinstance(commit.event.seen, Observation)
            and any(one.dest == ServiceState.WAITING for one in commit.step.transitions)
            and commit.event.seen.pulls
        ][-1:]
        assert seen.pulls == (replace(HUB, answer=LIMITED),)
        event = Inspected(site.clock.now(), "web", seen)
        assert EVENTS.from_text(EVENTS.to_text(event)) == event
        told = explain_service(site.world, real_charts(), site.clock.now(), name="web", seen=seen)
        [fact] = [fact for fact in told.seen if fact.layer == "registry"]
        assert (fact.ok, fact.text) == (
            False,
            "docker.io limits requests: HTTP 429, for 2 min more; nginx:1.25 must be pulled (imagePullPolicy Always)",
        )
        assert witness.testify() == []

    run_virtually(story())


def test_an_agent_killed_while_it_is_postponed_goes_on_counting() -> None:
    async def story() -> None:
        site = pulling_site("web", answer=REFUSED)
        witness = Witness(site)
        await until_back(site)
        await site.wait(300.0)
        since = site.world.services["web"].postponed_since
        await site.kill()
        await site.start()
        await site.wait(10.0)
        assert site.world.services["web"].postponed_since == since
        await site.until_link("ONLINE", within=320.0)
        assert site.restarts("web") == 0
        assert witness.testify() == []

    run_virtually(story())


def test_the_end_of_the_agent_closes_what_asks() -> None:
    async def story() -> None:
        site = pulling_site("web")
        await site.start()
        await site.stop()
        assert site.registries.closed

    run_virtually(story())

"""In which order services are restarted: by stages; within one in the file's order, `parallel` at once."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.fakes.sites import Site, Workload, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.core.effects import Restart
from connmon_agent.core.world import ServiceState
from connmon_agent.loading.configuration import load_settings

NAMES = ("web", "api", "db", "mesh", "cache", "auth")


def shuffled(seed: int) -> tuple[str, ...]:
    names = list(NAMES)
    random.Random(seed).shuffle(names)
    return tuple(names)


def unfinished_at_each_request(site: Site) -> list[list[str]]:
    """The services that are being restarted already when each request is sent, from now on."""
    found: list[list[str]] = []

    def note(restart: Restart) -> None:
        busy = (ServiceState.RESTARTING, ServiceState.VERIFYING)
        services = site.world.services.values()
        found.append([one.name for one in services if one.state in busy and one.name != restart.service])

    site.cluster.watches.append(note)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_one_at_a_time_goes_by_the_files_order_whoever_answers_first(seed: int) -> None:
    async def story() -> None:
        names = shuffled(seed)
        site = Site(plan_of(*names, parallel=1))
        site.cluster.slowness = {name: random.Random(seed).uniform(0.0, 2.0) for name in reversed(names)}
        await site.start()
        unfinished = unfinished_at_each_request(site)
        await site.live_through_outage()
        assert tuple(request.service for request in site.cluster.requests) == names
        assert unfinished == [[]] * len(names)

    run_virtually(story())


def test_a_dependency_goes_before_the_files_order() -> None:
    async def story() -> None:
        plan = plan_of("web", "api", "db", "cache", depends_on={"web": ("db",), "api": ("cache",)}, parallel=1)
        site = Site(plan)
        await site.start()
        await site.live_through_outage()
        assert [request.service for request in site.cluster.requests] == ["db", "cache", "web", "api"]

    run_virtually(story())


def test_one_that_cannot_be_restarted_now_does_not_hold_the_others_up() -> None:
    async def story() -> None:
        plan = plan_of("web", "api", "db", parallel=1, ready_timeout=20.0)
        site = Site(plan, web=Workload(blocked_by="web-pdb"), api=Workload(failures=1))
        await site.start()
        await site.lose_link()
        site.link.up = True
        await site.until(lambda: site.restarts("api") == 2 and site.state("api") == "READY")
        site.cluster.workloads["web"].blocked_by = None
        await site.until_link("ONLINE")
        assert [request.service for request in site.cluster.requests] == ["api", "db", "api", "web"]

    run_virtually(story())


def test_with_room_for_all_they_are_restarted_together() -> None:
    async def story() -> None:
        site = Site(plan_of(*NAMES, parallel=len(NAMES)))
        await site.start()
        unfinished = unfinished_at_each_request(site)
        await site.live_through_outage()
        assert max(map(len, unfinished)) == len(NAMES) - 1

    run_virtually(story())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("form", ["yaml", "json"])
def test_the_files_order_is_the_plans(tmp_path: Path, seed: int, form: str) -> None:
    names = shuffled(seed)
    if form == "yaml":
        path, text = tmp_path / "connmon.yaml", "services:\n" + "".join(f"  {name}: {{}}\n" for name in names)
    else:
        listed = ", ".join(f'"{name}"' for name in names)
        path, text = tmp_path / "system_config.json", f'{{"ConnectionMonitor": {{"ServicesToMonitor": [{listed}]}}}}'
    path.write_text(text)
    settings = load_settings(path, state_dir=tmp_path, environment={})
    assert tuple(service.name for service in settings.plan.services) == names

"""The composition root: what is taken over, in which order, and let go of at the end."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from connmon_agent.core.events import AgentStarted, AgentStopped, Configured, Event, Order, Ordered
from connmon_agent.core.moments import Moment
from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.errors import AlreadyRunning, ConnmonError
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.presence import AgentLock, find_agent
from connmon_agent.runtime.agent import Agent
from connmon_agent.runtime.build import CREDENTIALS_FOLDER, Runner, open_memory, record_order, run_agent
from connmon_agent.runtime.control import FILE_NAME
from connmon_agent.runtime.sentences import Sentence
from connmon_agent.settings import Settings, TcpTarget
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A site of one service, behind targets on loopback where nobody listens, without a kubeconfig."""
    erp = built_in_settings(tmp_path / "deep" / "state")
    targets = (TcpTarget("127.0.0.1", 1, "one"), TcpTarget("127.0.0.1", 1, "two"))
    services = (ServicePlan("web", Kind.DEPLOYMENT, "shop", "web"),)
    kubernetes = replace(erp.kubernetes, kubeconfig=tmp_path / "none")
    return replace(erp, plan=replace(erp.plan, services=services), targets=targets, kubernetes=kubernetes)


def live(settings: Settings, then: Callable[[Agent, Runner], None]) -> list[Sentence]:
    """One life of the agent, in which ``then`` is done once it has begun; returns what it said."""
    said: list[Sentence] = []

    def on_ready(agent: Agent, runner: Runner) -> None:
        def act() -> None:
            then(agent, runner)
            agent.end("enough")

        asyncio.get_running_loop().call_soon(act)

    asyncio.run(run_agent(settings, say=said.append, on_ready=on_ready))
    return said


def events_in(settings: Settings) -> list[Event]:
    with Reader(settings.state_dir / DATABASE_FILE) as reader:
        return [row.event for row in reader.recorded()]


def nothing(agent: Agent, runner: Runner) -> None:
    """Let it live without doing anything."""


# The state directory.


def test_the_state_directory_is_made_and_credentials_in_it_are_private(settings: Settings) -> None:
    with open_memory(settings.state_dir) as memory:
        assert memory.folder == settings.state_dir
        assert find_agent(settings.state_dir) is not None
    assert (settings.state_dir / CREDENTIALS_FOLDER).stat().st_mode & 0o777 == 0o700
    assert find_agent(settings.state_dir) is None


def test_a_directory_that_is_in_use_is_refused_untouched(settings: Settings) -> None:
    settings.state_dir.mkdir(parents=True)
    with AgentLock(settings.state_dir), pytest.raises(AlreadyRunning), open_memory(settings.state_dir):
        pass
    assert not (settings.state_dir / DATABASE_FILE).exists()


def test_the_charts_in_force_are_kept_with_the_memory(settings: Settings) -> None:
    with open_memory(settings.state_dir) as memory:
        hashes = {name: chart.sha256 for name, chart in memory.charts.items()}
    assert set(hashes) == {"link", "service", "forward"}
    with Reader(settings.state_dir / DATABASE_FILE) as reader:
        assert None not in [reader.chart_text(sha256) for sha256 in hashes.values()]


def test_steady_time_goes_on_from_one_life_to_the_next(settings: Settings) -> None:
    moments: list[Moment] = []
    for _ in range(2):
        with open_memory(settings.state_dir) as memory:
            moments += [memory.clock.now(), memory.clock.now()]
    steady = [moment.steady for moment in moments]
    assert steady == sorted(steady)
    assert steady[-1] - steady[0] == pytest.approx(moments[-1].wall - moments[0].wall, abs=0.5)


# A life.


def test_a_life_begins_with_its_configuration_and_ends_with_its_reason(settings: Settings) -> None:
    said = live(settings, nothing)
    kinds = [type(event) for event in events_in(settings)]
    assert (kinds[:2], kinds[-1]) == ([AgentStarted, Configured], AgentStopped)
    assert said[-1].text == "stopped: enough"
    assert not (settings.state_dir / FILE_NAME).exists()
    assert find_agent(settings.state_dir) is None


def test_two_lives_are_one_story(settings: Settings) -> None:
    for _ in range(2):
        live(settings, nothing)
    assert sum(isinstance(event, AgentStarted) for event in events_in(settings)) == 2
    with Reader(settings.state_dir / DATABASE_FILE) as reader:
        assert reader.verify_chain() is None


def test_other_settings_are_taken_over_while_it_runs(settings: Settings) -> None:
    jobs = ServicePlan("jobs", Kind.DEPLOYMENT, "shop", "jobs")
    other = replace(
        settings,
        plan=replace(settings.plan, services=(jobs,)),
        kubernetes=replace(settings.kubernetes, context="other"),
    )
    seen: list[list[str]] = []

    def reload(agent: Agent, runner: Runner) -> None:
        runner.reload(other)
        seen.append(list(agent.world.services))

    live(settings, reload)
    assert seen == [["jobs"]]


def test_another_state_directory_needs_a_new_life(settings: Settings) -> None:
    elsewhere = replace(settings, state_dir=settings.state_dir / "other")
    refusals: list[str] = []

    def reload(agent: Agent, runner: Runner) -> None:
        with pytest.raises(ConnmonError) as refusal:
            runner.reload(elsewhere)
        refusals.append(refusal.value.message)

    live(settings, reload)
    assert refusals == [f"state_dir cannot change while the agent runs ({settings.state_dir} is in use)"]


# Orders without an agent.


def test_an_order_is_recorded_with_the_configuration_that_it_was_given_for(settings: Settings) -> None:
    assert record_order(settings, Order.PAUSE, (), by="ann") is None
    assert record_order(settings, Order.REARM, ("web",), by="ann") is None
    kinds = [type(event) for event in events_in(settings)]
    assert kinds == [Configured, Ordered, Ordered], "the same configuration is recorded once"
    with Reader(settings.state_dir / DATABASE_FILE) as reader:
        world = reader.world()
    assert world is not None and world.paused


def test_a_refused_order_is_recorded_too(settings: Settings) -> None:
    with pytest.raises(ConnmonError, match="no service named nix is configured; the services are: web"):
        record_order(settings, Order.RECOVER, ("nix",), by="ann")
    assert isinstance(events_in(settings)[-1], Ordered)


def test_no_order_is_recorded_beside_an_agent(settings: Settings) -> None:
    with open_memory(settings.state_dir), pytest.raises(AlreadyRunning):
        record_order(settings, Order.PAUSE, (), by="ann")

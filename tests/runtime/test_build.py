"""The composition root: what is taken over, in which order, and let go of at the end."""

import asyncio
import http.client
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs
from tests.fakes.http_sinks import serve_http
from tests.fakes.virtual_time import until
from tests.sockets.holders import free_ports

from connmon_agent.core.engine import Engine
from connmon_agent.core.events import AgentStarted, AgentStopped, Configured, Event, Order, Ordered
from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.errors import AlreadyRunning, ConnmonError
from connmon_agent.loading.configuration import built_in_settings
from connmon_agent.presence import LOCK_FILE, AgentLock, find_agent
from connmon_agent.runtime import lock_watch
from connmon_agent.runtime.agent import Agent
from connmon_agent.runtime.build import CREDENTIALS_FOLDER, Runner, open_memory, run_agent
from connmon_agent.runtime.control_transports.unix_socket import FILE_NAME
from connmon_agent.runtime.log_records import LogRecord
from connmon_agent.runtime.logs import Log
from connmon_agent.runtime.order_recording import record_order
from connmon_agent.runtime.reloading import Reloads
from connmon_agent.settings import (
    HeartbeatSettings,
    JournalSettings,
    MetricsSettings,
    NotifySettings,
    Settings,
    TcpTarget,
)
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_agent.store.threaded import JournalThread


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A site of one service, behind targets on loopback where nobody listens, without a kubeconfig."""
    erp = built_in_settings(tmp_path / "deep" / "state")
    targets = (TcpTarget("127.0.0.1", 1, "one"), TcpTarget("127.0.0.1", 1, "two"))
    services = (ServicePlan("web", Kind.DEPLOYMENT, "shop", "web"),)
    kubernetes = structs.replace(erp.kubernetes, kubeconfig=tmp_path / "none")
    return replace(erp, plan=structs.replace(erp.plan, services=services), targets=targets, kubernetes=kubernetes)


def live(settings: Settings, then: Callable[[Agent, Runner], Awaitable[None]]) -> list[LogRecord]:
    """One life of the agent, in which ``then`` is done once it has begun; returns what it said."""
    said: list[LogRecord] = []
    acting: list[asyncio.Task[None]] = []

    def on_ready(agent: Agent, runner: Runner) -> None:
        async def act() -> None:
            try:
                await then(agent, runner)
            finally:
                agent.end("enough")

        acting.append(asyncio.ensure_future(act()))

    asyncio.run(run_agent(settings, say=said.append, on_ready=on_ready))
    for act in acting:
        act.result()
    return said


def events_in(settings: Settings) -> list[Event]:
    with Reader(settings.state_dir / DATABASE_FILE) as reader:
        return [row.event for row in reader.recorded()]


async def nothing(agent: Agent, runner: Runner) -> None:
    """Let it live without doing anything."""


# The state directory.


@pytest.mark.parametrize("begun_anew", [False, True])
def test_an_agent_whose_state_directory_is_removed_or_replaced_ends(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, begun_anew: bool
) -> None:
    monkeypatch.setattr(lock_watch, "INTERVAL", 0.01)
    kept = settings.state_dir.with_name("moved")

    async def wait_for_the_end(agent: Agent, runner: Runner) -> None:
        await agent.ready()
        settings.state_dir.rename(kept)
        if begun_anew:  # by another agent, which listens there
            settings.state_dir.mkdir()
            (settings.state_dir / LOCK_FILE).touch()
            (settings.state_dir / FILE_NAME).touch()
        await asyncio.wait_for(asyncio.Event().wait(), 60)

    with pytest.raises(ConnmonError, match=r"state was removed or replaced while the agent ran"):
        live(settings, wait_for_the_end)
    with Reader(kept / DATABASE_FILE) as reader:
        last = [row.event for row in reader.recorded()][-1]
    assert isinstance(last, AgentStopped) and last.reason == "the state directory was removed or replaced"
    assert not begun_anew or (settings.state_dir / FILE_NAME).exists()


@pytest.mark.linux_alone(reason="rights by mode")
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
    timestamps: list[Timestamp] = []
    for _ in range(2):
        with open_memory(settings.state_dir) as memory:
            timestamps += [memory.clock.now(), memory.clock.now()]
    steady = [timestamp.steady for timestamp in timestamps]
    assert steady == sorted(steady)
    assert steady[-1] - steady[0] == pytest.approx(timestamps[-1].wall - timestamps[0].wall, abs=0.5)


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
        plan=structs.replace(settings.plan, services=(jobs,)),
        kubernetes=structs.replace(settings.kubernetes, context="other"),
    )
    seen: list[list[str]] = []

    async def reload(agent: Agent, runner: Runner) -> None:
        await runner.reload(other)
        seen.append(list(agent.world.services))

    live(settings, reload)
    assert seen == [["jobs"]]


@pytest.mark.parametrize("reloaded", [False, True])
def test_the_heartbeat_of_the_configuration_is_sent(settings: Settings, reloaded: bool) -> None:
    async def act(agent: Agent, runner: Runner) -> None:
        if reloaded:
            await runner.reload(beating)
        await until(lambda: runner.heartbeats.pings == (1, 0))

    with serve_http() as sink:
        beating = replace(settings, notify=NotifySettings(heartbeat=HeartbeatSettings(url=sink.url("/uuid"))))
        said = live(settings if reloaded else beating, act)
    assert sink.requests[0].path.startswith("/uuid/start?rid=")
    assert [record.level for record in said if record.text == "heartbeat: delivered"] == ["info"]


def test_how_long_the_journal_is_kept_is_taken_over_too(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[float] = []
    monkeypatch.setattr(JournalThread, "keep", lambda journal, settings: kept.append(settings.rounds_keep))

    async def reload(agent: Agent, runner: Runner) -> None:
        await runner.reload(replace(settings, journal=JournalSettings(rounds_keep=77.0)))

    live(replace(settings, journal=JournalSettings(rounds_keep=5.0)), reload)
    assert kept == [5.0, 77.0]


def test_the_time_to_end_and_the_group_of_the_state_are_taken_over_too(settings: Settings) -> None:
    left: list[float] = []

    async def reload(agent: Agent, runner: Runner) -> None:
        await runner.reload(replace(settings, stop_timeout=77.0))
        left.append(agent.time_left)
        with pytest.raises(ConnmonError, match="this machine has no group nobodys-group"):
            await runner.reload(replace(settings, state_group="nobodys-group"))

    live(settings, reload)
    assert left == [pytest.approx(77.0)]


def test_another_state_directory_needs_a_new_life(settings: Settings) -> None:
    elsewhere = replace(settings, state_dir=settings.state_dir / "other")
    refusals: list[str] = []

    async def reload(agent: Agent, runner: Runner) -> None:
        with pytest.raises(ConnmonError) as refusal:
            await runner.reload(elsewhere)
        refusals.append(refusal.value.message)

    live(settings, reload)
    assert refusals == [f"state_dir cannot change while the agent runs ({settings.state_dir} is in use)"]


# Orders without an agent.


def world_in(settings: Settings) -> World:
    with Reader(settings.state_dir / DATABASE_FILE) as reader:
        world = reader.world()
    assert world is not None
    return world


def test_an_order_is_recorded_and_carries_nothing_else(settings: Settings) -> None:
    live(settings, nothing)
    before = world_in(settings)
    assert record_order(settings.state_dir, Order.PAUSE, (), by="ann") is None
    assert record_order(settings.state_dir, Order.REARM, ("web",), by="ann") is None
    assert [type(event) for event in events_in(settings)][-3:] == [AgentStopped, Ordered, Ordered]
    after = world_in(settings)
    assert after.paused
    assert (after.plan, after.link, after.charts) == (before.plan, before.link, before.charts)


@pytest.mark.parametrize(
    ("order", "services", "refusal"),
    [
        (Order.RECOVER, ("nix",), "unknown service: nix; configured: web"),
        (Order.REARM, ("nix",), "unknown service: nix; configured: web"),
        (Order.RECOVER, (), "no agent is running, and the link was last seen"),
    ],
)
def test_a_refused_order_changes_nothing_and_is_recorded(
    settings: Settings, order: Order, services: tuple[str, ...], refusal: str
) -> None:
    live(settings, nothing)
    before = world_in(settings)
    with pytest.raises(ConnmonError, match=refusal):
        record_order(settings.state_dir, order, services, by="ann")
    assert isinstance(events_in(settings)[-1], Ordered)
    assert world_in(settings) == before


def test_an_order_after_another_version_of_the_agent_names_the_charts_that_decide_it(settings: Settings) -> None:
    live(settings, nothing)
    plan = world_in(settings).plan
    with open_memory(settings.state_dir) as memory:
        other = dict.fromkeys(memory.charts, "0" * 64)
        configured = Configured(memory.clock.now(), plan, other)
        memory.journal.commit(configured, Engine(memory.charts).step(memory.journal.load(), configured))
    assert record_order(settings.state_dir, Order.PAUSE, (), by="ann") is None
    after = world_in(settings)
    assert (after.plan, after.charts != other, after.paused) == (plan, True, True)


@pytest.mark.parametrize("order", [Order.RECOVER, Order.REARM])
def test_an_order_about_services_where_no_agent_ever_ran_is_refused_and_makes_nothing(
    settings: Settings, order: Order
) -> None:
    with pytest.raises(ConnmonError, match="no agent has run with the state directory"):
        record_order(settings.state_dir, order, (), by="ann")
    assert not settings.state_dir.exists()


def test_a_pause_is_recorded_before_the_first_agent(settings: Settings) -> None:
    assert record_order(settings.state_dir, Order.PAUSE, (), by="ann") is None
    assert [type(event) for event in events_in(settings)] == [Configured, Ordered]
    live(settings, nothing)
    assert world_in(settings).paused


def test_an_order_whose_step_fails_is_no_order_that_was_carried_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(settings, nothing)

    def fail(*_: object) -> None:
        raise KeyError("web")

    monkeypatch.setattr(Engine, "_on_order", fail)
    with pytest.raises(KeyError):
        record_order(settings.state_dir, Order.PAUSE, (), by="ann")
    assert not world_in(settings).paused


def test_no_order_is_recorded_beside_an_agent(settings: Settings) -> None:
    with open_memory(settings.state_dir), pytest.raises(AlreadyRunning):
        record_order(settings.state_dir, Order.PAUSE, (), by="ann")


def test_a_reload_says_that_the_port_of_the_metrics_is_taken(settings: Settings) -> None:
    answers: list[Mapping[str, object]] = []

    async def reload(agent: Agent, runner: Runner) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            wanted = replace(settings, metrics=MetricsSettings(("127.0.0.1", other.getsockname()[1])))
            with closing(Log(wanted.logging)) as log:
                answers.append(await Reloads(lambda: wanted, runner, log).answer({}, "root"))

    live(settings, reload)
    (warnings,) = [answer["warnings"] for answer in answers]
    assert "metrics cannot be served on 127.0.0.1" in str(warnings)


def test_a_reload_takes_the_address_of_the_metrics_over(settings: Settings) -> None:
    """They are those of this agent, and their configuration is the one in force."""

    def ask(port: int, path: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    async def then(agent: Agent, runner: Runner) -> None:
        assert runner.monitoring.server is None
        first, second = free_ports(2)
        await runner.reload(replace(settings, metrics=MetricsSettings(("127.0.0.1", first))))
        await until(lambda: runner.monitoring.server is not None and runner.monitoring.server.port == first)
        await until(lambda: agent.last_round is not None and agent.in_force)
        assert await asyncio.to_thread(ask, first, "/readyz") == (200, "ok")
        status, text = await asyncio.to_thread(ask, first, "/metrics")
        assert status == 200 and 'connmon_workload_state{workload="web",connmon_workload_state="UNKNOWN"} 1\n' in text
        assert 'connmon_probes_total{target="two"} ' in text and "connmon_internal_errors_total 0\n" in text
        commits = re.search(r"connmon_journal_commit_duration_seconds_count (\d+)", text)
        assert commits is not None and int(commits[1]) >= 2
        await runner.reload(replace(settings, metrics=MetricsSettings(("127.0.0.1", second))))
        await until(lambda: runner.monitoring.server is not None and runner.monitoring.server.port == second)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.to_thread(ask, first, "/livez")
        assert await asyncio.to_thread(ask, second, "/livez") == (200, "ok")

    said = live(settings, then)
    assert [one.text for one in said if "serving metrics and health on" in one.text]
    assert not [thread for thread in threading.enumerate() if thread.name == "metrics"]

"""Nothing that waits for a disk, a name server or a program runs on the event loop, and nothing holds up the end."""

from __future__ import annotations

import asyncio
import functools
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.blocking import watched_loop
from tests.fakes.sites import Site, plan_of
from tests.fakes.virtual_time import run_virtually, until

from connmon_agent.cli.invocations import Invocation
from connmon_agent.core.events import Order
from connmon_agent.errors import ConnmonError
from connmon_agent.runtime.agent import SLOW_DISK, Agent
from connmon_agent.runtime.build import Runner, run_agent
from connmon_agent.runtime.control import send_order
from connmon_agent.runtime.logs import Log
from connmon_agent.runtime.reloading import Reloads
from connmon_agent.settings import STOP_TIMEOUT
from connmon_agent.store.journal import SqliteJournal

CONFIGURATION = """
link:
  check_interval: 200ms
  confirm_interval: 50ms
  timeout: 200ms
  quorum: 1
  targets:
    - {{kind: tcp, host: 127.0.0.1, port: {port}}}
    - {{kind: http, url: "http://localhost:{port}/"}}
kubernetes: {{kubeconfig: {kubeconfig}, namespace: shop}}
services:
  web: {{port: {local}}}
logging: {{dir: {logs}, console: false}}
"""
KUBECONFIG = """
clusters: [{name: a, cluster: {server: "https://localhost:1"}}]
users: [{name: a, user: {exec: {command: sh, args: ["-c", "echo no; exit 1"]}}}]
contexts: [{name: a, context: {cluster: a, user: a}}]
current-context: a
"""
JOURNAL = ("commit", "note_round", "note_traffic", "last_sign_of_life", "reopen")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def invocation(tmp_path: Path) -> Iterator[Invocation]:
    """A site whose target accepts and says nothing, and whose cluster cannot be asked."""
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    with socket.create_server(("127.0.0.1", 0)) as target:
        places = {"port": target.getsockname()[1], "kubeconfig": tmp_path / "kubeconfig", "logs": tmp_path / "logs"}
        (tmp_path / "connmon.yaml").write_text(CONFIGURATION.format(**places, local=free_port()))
        yield Invocation(tmp_path / "connmon.yaml", tmp_path / "state", {})


def add_service(config: Path) -> None:
    config.write_text(config.read_text().replace("services:\n", "services:\n  api: {}\n"))


def noting_callers(monkeypatch: pytest.MonkeyPatch, calls: Counter[str], on_loop: list[str]) -> None:
    """Count the journal's calls, and name those that are made in a thread whose loop runs."""

    def noting(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def noted(*args: Any, **named: Any) -> Any:
            calls[name] += 1
            if asyncio._get_running_loop() is not None:
                on_loop.append(name)
            return call(*args, **named)

        return noted

    for name in JOURNAL:
        monkeypatch.setattr(SqliteJournal, name, noting(name, getattr(SqliteJournal, name)))


def test_nothing_that_waits_is_done_on_the_event_loop(
    invocation: Invocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole life under a hook that knows each blocking call: rounds, a cluster, a port, an order, a reload."""
    calls, on_loop, blocking = Counter[str](), list[str](), list[str]()
    settings = invocation.settings()
    with closing(Log(settings.logging, beside=True)) as log:

        async def live(agent: Agent, runner: Runner) -> None:
            with watched_loop() as found:
                await until(lambda: calls["note_round"] > 3)
                await until(lambda: "plugin" in agent.world.services["web"].reason)
                calls.clear()
                noting_callers(monkeypatch, calls, on_loop)
                await asyncio.to_thread(send_order, tmp_path / "state", Order.PAUSE, ())
                assert agent.world.paused
                reloads = Reloads(invocation.settings, runner, log)
                await asyncio.to_thread(add_service, tmp_path / "connmon.yaml")
                reloads.begin()
                await until(lambda: "api" in agent.world.services)
                await until(lambda: calls["note_round"] > 6)
                blocking.extend(found)

        tasks: list[asyncio.Task[None]] = []

        def on_ready(agent: Agent, runner: Runner) -> None:
            async def act() -> None:
                try:
                    await live(agent, runner)
                finally:
                    agent.end("enough")

            noting_callers(monkeypatch, calls, on_loop)
            tasks.append(asyncio.ensure_future(act()))

        asyncio.run(run_agent(settings, say=log, on_ready=on_ready))
        tasks[0].result()
    assert blocking == [], "\n".join(blocking)
    assert on_loop == []
    assert calls["commit"] > 1


def test_the_hook_finds_what_waits() -> None:
    """Without this, the test above might prove nothing."""

    async def wait() -> None:
        Path(__file__).read_bytes()
        subprocess.run([sys.executable, "-Ic", ""], check=True)
        socket.getaddrinfo("localhost", 80)
        sqlite3.connect(":memory:").close()
        await asyncio.to_thread(Path(__file__).read_bytes)

    with watched_loop() as found:
        asyncio.run(wait())
    assert {call.split()[0] for call in found} >= {"open", "subprocess.Popen", "socket.getaddrinfo", "sqlite3.connect"}
    assert sum("test_blocking.py'" in call for call in found) == 1, "what is done in another thread is no fault"


# However slow the disk is.


def test_a_slow_commit_holds_up_decisions_and_not_the_watch() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        rounds = site.link.rounds
        site.disk.slow = 20.0
        site.link.up = False
        await site.wait(SLOW_DISK + 5.0)
        assert site.link.rounds > rounds + 5, "rounds go on"
        assert site.world.link.state == "ONLINE", "nothing is true before it is durable"
        assert any("has not answered for" in record.text for record in site.said)
        site.disk.slow = 0.0
        await site.until_link("OFFLINE")
        site.link.up = True
        await site.until_link("ONLINE")
        assert site.restarts("web") == 1

    run_virtually(story())


def test_nothing_is_restarted_before_a_slow_commit_is_durable() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.lose_link()
        site.disk.slow = 3.0
        decided: list[float] = []
        asked: list[float] = []
        site.disk.after = lambda event, step: decided.append(site.clock.now().steady) if step.effects else None
        site.cluster.watches.append(lambda restart: asked.append(site.clock.now().steady))
        site.link.up = True
        await site.until_link("ONLINE")
        assert len(decided) == len(asked) == 1
        assert asked[0] >= decided[0]

    run_virtually(story())


@pytest.mark.parametrize("hangs", ["disk", "cluster", "forwards", "link", "watch", "a look"])
def test_the_agent_ends_in_time_whatever_hangs(hangs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")

        async def hang(*_: object, **__: object) -> None:
            await asyncio.Event().wait()

        async def hold_out(*_: object, **__: object) -> None:
            while True:
                try:
                    await asyncio.sleep(3600.0)
                except asyncio.CancelledError:
                    if gone:
                        raise

        gone: list[bool] = []
        if hangs == "disk":
            site.disk.slow = 1e6
        elif hangs == "a look":
            monkeypatch.setattr(site.cluster, "inspect", hold_out)
            await site.wait(60.0)
        else:
            monkeypatch.setattr(getattr(site, hangs), "close", hang)
        began = asyncio.get_running_loop().time()
        await site.stop()
        assert asyncio.get_running_loop().time() - began <= STOP_TIMEOUT
        if hangs not in ("disk", "a look"):
            assert any("it did not stop in time" in record.text for record in site.said)
            assert type(site.disk.commits[-1].event).__name__ == "AgentStopped", "the end is recorded all the same"
        gone.append(True)

    run_virtually(story())


# Orders.


def test_an_order_that_waits_for_the_disk_is_told_that_the_agent_ends() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        assert site.agent is not None
        site.disk.slow = 1e6
        first = asyncio.ensure_future(site.agent.obey(Order.PAUSE, (), "ann"))
        second = asyncio.ensure_future(site.agent.obey(Order.RESUME, (), "ann"))
        await site.wait(1.0)
        await site.stop()
        with pytest.raises(ConnmonError, match="the agent is stopping"):
            await second
        first.cancel()

    run_virtually(story())


def test_an_order_whose_turn_comes_too_late_has_expired() -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")
        assert site.agent is not None
        site.disk.slow = 5.0
        began = site.clock.now().steady
        pause = asyncio.ensure_future(site.agent.obey(Order.PAUSE, (), "ann"))
        lapsed = lambda: site.clock.now().steady > began + 2.0  # noqa: E731
        late = asyncio.ensure_future(site.agent.obey(Order.RESUME, (), "ann", lapsed=lapsed))
        assert await pause is None
        with pytest.raises(ConnmonError, match="expired"):
            await late
        assert site.world.paused

    run_virtually(story())


@pytest.mark.parametrize("where", ["step", "commit"])
def test_an_internal_error_is_a_failure_of_the_order(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        site = Site(plan_of("web"))
        await site.start()
        await site.until_link("ONLINE")

        def fail(*_: object) -> None:
            raise KeyError("web")

        if where == "step":
            monkeypatch.setattr(site.engine, "step", fail)
        else:
            site.disk.before = fail
        assert site.agent is not None
        with pytest.raises(ConnmonError, match="internal error, pause was not carried out"):
            await site.agent.obey(Order.PAUSE, (), "ann")
        monkeypatch.undo()
        site.disk.before = None
        assert not site.world.paused
        assert await site.agent.obey(Order.PAUSE, (), "ann") is None
        assert site.world.paused

    run_virtually(story())

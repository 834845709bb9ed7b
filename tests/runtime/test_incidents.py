"""A part of the agent that fails unforeseen: the others go on, it works again, and people learn of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.fakes.local_ports import FakeForwards, FakeMachine
from tests.fakes.mornings import at, offline_snapshot
from tests.fakes.sites import FakeCluster, FakeLink, FakeWatch, Site, plan_of
from tests.fakes.virtual_time import run_virtually

from connmon_agent.cli.rendering.status_document import status_document
from connmon_agent.cli.rendering.status_text import render_status
from connmon_agent.core.events import ForwardChecked
from connmon_agent.core.observations import InternalErrors
from connmon_agent.core.plan import ForwardPlan
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.runtime.evidence import EvidenceObserver
from connmon_agent.runtime.incidents import LONGEST_TEXT, REPEAT, Incidents, describe_error
from connmon_agent.runtime.log_records import LogRecord
from connmon_agent.runtime.logs import MAIN_LOG, Log
from connmon_agent.runtime.observers import InspectionObserver, Observer, RoundObserver, TimerObserver
from connmon_agent.runtime.port_observers import CheckObserver, PortObserver, TrafficObserver
from connmon_agent.settings import LoggingSettings

OBSERVERS: list[type[Observer]] = [
    EvidenceObserver,
    RoundObserver,
    InspectionObserver,
    PortObserver,
    CheckObserver,
    TrafficObserver,
    TimerObserver,
]


def failing(times: int, work: Callable[..., Any]) -> Callable[..., Any]:
    """``work``, which raises the first few times that it is called."""

    def call(*given: Any, **named: Any) -> Any:
        nonlocal times
        times -= 1
        if times >= 0:
            raise KeyError("web")
        return work(*given, **named)

    return call


def site_with_port() -> Site:
    plan = plan_of("web")
    return Site(
        structs.replace(plan, services=tuple(structs.replace(one, forward=ForwardPlan(8080)) for one in plan.services))
    )


@pytest.mark.parametrize("observer", OBSERVERS, ids=lambda observer: observer.task)
def test_an_observer_that_fails_is_begun_again_and_the_agent_does_its_work(
    observer: type[Observer], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        site = site_with_port()
        monkeypatch.setattr(observer, "look", failing(3, observer.look))
        await site.start()
        await site.live_through_outage()
        assert (site.restarts("web"), site.state("web")) == (1, "READY")
        assert site.forwards.listening == {"web": 8080}
        assert site.disk.errors is not None
        assert (site.disk.errors.count, site.disk.errors.task) == (3, observer.task)
        await site.stop()

    run_virtually(story())


@pytest.mark.parametrize(
    ("part", "call", "task"),
    [
        (FakeCluster, "inspect", "inspect web"),
        (FakeCluster, "restart", "restart web"),
        (FakeLink, "probe_all", "probe a round"),
        (FakeMachine, "examine", "examine the local ports"),
        (FakeForwards, "check", "check the port of web"),
        (FakeForwards, "listen", "listen for web"),
        (FakeWatch, "read", "read the routes"),
        (FakeWatch, "changed", "wait for a change of the routes"),
    ],
)
def test_a_part_that_fails_costs_one_look_and_nothing_is_left_undone(
    part: type, call: str, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        site = site_with_port()
        site.machine.holders[8080] = "nginx (pid 99)"
        monkeypatch.setattr(part, call, failing(1, getattr(part, call)))
        await site.start()
        await site.until_link("ONLINE")
        site.machine.holders.clear()
        await site.live_through_outage()
        assert (site.restarts("web"), site.state("web")) == (1, "READY")
        await site.until(lambda: site.forwards.listening == {"web": 8080})
        assert site.disk.errors is not None
        assert (site.disk.errors.count, site.disk.errors.task) == (1, task)
        await site.stop()

    run_virtually(story())


def test_a_check_of_a_service_that_a_reload_takes_away_and_brings_back_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    checks = 0
    check = FakeForwards.check

    async def count(forwards: FakeForwards, service: str, began: Timestamp) -> ForwardChecked:
        nonlocal checks
        checks += 1
        return await check(forwards, service, began)

    async def story() -> None:
        site = site_with_port()
        await site.start()
        await site.until_link("ONLINE")
        assert site.agent is not None
        for _ in range(3):
            await site.agent.configure(structs.replace(site.plan, services=()))
            await site.agent.configure(site.plan)
            await site.wait(60.0)
        before = checks
        await site.wait(600.0)
        assert checks > before
        assert site.disk.errors is None

    monkeypatch.setattr(FakeForwards, "check", count)
    run_virtually(story())


def test_forwards_that_a_reload_brought_are_checked_when_a_client_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[FakeForwards] = []
    check = FakeForwards.check

    async def note(forwards: FakeForwards, service: str, began: Timestamp) -> ForwardChecked:
        checked.append(forwards)
        return await check(forwards, service, began)

    async def story() -> None:
        site = site_with_port()
        await site.start()
        await site.until(lambda: site.state("web") == "READY")
        new = site._make_forwards()
        new.listening.update(site.forwards.listening)
        assert site.agent is not None
        await site.agent.configure(site.plan, forwards=new)
        await site.wait(5.0)
        checked.clear()
        new.fail_connection("web")
        await site.wait(3.0)
        assert checked == [new]

    monkeypatch.setattr(FakeForwards, "check", note)
    run_virtually(story())


def speak(error: BaseException | None, *, context: dict[str, Any] | None = None) -> tuple[LogRecord, InternalErrors]:
    said: list[LogRecord] = []
    noted: list[InternalErrors] = []
    incidents = Incidents(now=lambda: at(0), say=said.append, note=noted.append)
    incidents(None, {"message": "a callback failed", "exception": error, **(context or {})})  # type: ignore[arg-type]  # it is not used
    return said[0], noted[0]


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_the_same_failure_is_counted_each_time_and_logged_once_a_minute() -> None:
    said: list[LogRecord] = []
    noted: list[InternalErrors] = []
    seconds = 0.0
    incidents = Incidents(now=lambda: at(seconds), say=said.append, note=noted.append)
    for number in range(7):
        seconds = number * REPEAT / 3
        incidents(None, {"message": "a callback failed", "exception": KeyError("web")})  # type: ignore[arg-type]  # it is not used
    assert [errors.count for errors in noted] == [1, 2, 3, 4, 5, 6, 7]
    assert len(said) == 3


@pytest.mark.parametrize("format", ["text", "json"])
def test_a_traceback_is_in_the_log_file_and_never_on_the_terminal(
    format: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record, errors = speak(raised(KeyError("web")))
    with closing(Log(LoggingSettings(dir=tmp_path, format=format))) as log:
        log(record)
    told = capsys.readouterr().err
    assert "Traceback" not in told and len(told.splitlines()) == 1
    assert "KeyError: 'web'" in told
    assert "Traceback (most recent call last)" in (tmp_path / MAIN_LOG).read_text(encoding="utf-8")
    assert (errors.count, errors.task) == (1, "a callback failed")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (None, "otherwise"),
        (ValueError("two\nlines"), "ValueError: two lines"),
        (ValueError("half a pair \ud800"), "ValueError: half a pair \\ud800"),
    ],
    ids=["without an error", "several lines", "no UTF-8"],
)
def test_an_error_is_one_short_line(error: Exception | None, told: str) -> None:
    assert describe_error(error, "otherwise") == told


def test_an_error_without_end_is_cut() -> None:
    assert len(describe_error(ValueError("x " * 1_000_000), "")) == LONGEST_TEXT


def test_an_error_names_the_place_in_our_own_code() -> None:
    try:
        Timestamp(1.0, 2.0).plus("x")  # type: ignore[arg-type]  # so that our own code fails
    except TypeError as error:
        assert "(core/timestamps.py:" in describe_error(error, "")


@pytest.mark.parametrize(
    ("seconds", "shown"), [(5.0, True), (-20_000.0, False)], ids=["of this agent", "of one before"]
)
def test_status_counts_the_internal_errors_of_the_agent_that_runs(seconds: float, shown: bool) -> None:
    errors = InternalErrors(3, "inspect web", "KeyError: 'web' (kube/pods.py:41)", at(seconds))
    snapshot = replace(offline_snapshot(), errors=errors)
    document = status_document(snapshot)["agent"]["internal_errors"]
    assert document["count"] == (3 if shown else 0)
    assert (document["last"] is not None) is shown
    assert ("Internal errors since start: 3; last" in render_status(snapshot, width=400)) is shown

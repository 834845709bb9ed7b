"""The demo: the whole story, told faster."""

import json
import re
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.request import urlopen

import click
import pytest
from click.testing import CliRunner
from tests.fakes.local_sites import environment_of_commands
from tests.fakes.wine import on_wine

from connmon_agent.__main__ import main
from connmon_agent.cli import connmon_agent
from connmon_agent.cli.demo import DemoTiming, demo, run_demo
from connmon_agent.cli.demo_programs import live_page, port_in_use
from connmon_agent.cli.what_if import ask
from connmon_agent.core.world import LinkState, ServiceState
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_agent.what_if.clusters import Model

# Wine says nothing of a datagram that is refused: each round of an outage there waits for the timeout.
# On a busy machine only the stubborn service may run out of attempts: nothing else is ever too slow.
FAST = DemoTiming(
    check_interval=0.1,
    confirm_interval=0.05,
    timeout=60.0 if not on_wine() else 5.0,
    calm=0.0,
    dark=0.1,
    relapse=0.0,
    hold=3.0 if not on_wine() else 12.0,  # longer than a bad round, or restarts begin before the relapse is noticed
    pod_start=0.05,
    patience=1,
    ready_timeout=120.0,
    backoff=0.1,
    refuse=True,
)
RESTARTS = 8  # one of each of the seven services, and grafana's second


def test_without_what_its_cluster_needs_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not one module of the demo's may be imported before that: their own errors are for nobody."""
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    monkeypatch.setattr(sys, "argv", ["connmon-agent", "demo", "--keep", str(tmp_path / "kept")])
    with pytest.raises(SystemExit) as ended:
        main()
    told = capsys.readouterr().err
    assert (ended.value.code, "connmon-agent[demo]" in told, "Traceback" in told) == (1, True, False), told
    assert not (tmp_path / "kept").exists()


def test_nothing_but_the_demo_needs_the_packages_of_its_extra() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    extra = project["project"]["optional-dependencies"]["demo"]
    assert set(extra) <= set(project["dependency-groups"]["test"])
    assert not {name.split(">")[0] for name in extra} & {
        name.split(">")[0] for name in project["project"]["dependencies"]
    }


def test_the_whole_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with click.Context(demo) as ctx:
        run_demo(ctx, tmp_path, FAST)
    told = capsys.readouterr().out
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", told.splitlines()[0])
    of_the_link = (
        " -> ONLINE: ",  # not from STARTING, if the machine was too busy for the first rounds
        "The internet is cut.",
        "link: DEGRADED -> OFFLINE",
        "The internet is back.",
        "link: OFFLINE -> RECOVERING",
        "The internet is cut again: a relapse.",
        "link: RECOVERING -> OFFLINE: relapse",
        "The internet is back.",
        "link: RECOVERING -> ONLINE: recovery complete: 6/7 services ready; gave up: grafana",
        "`connmon-agent rearm grafana` and `connmon-agent recover grafana`:",
        "link: RECOVERING -> ONLINE: recovery complete: 7/7 services ready",
        "Services, 7 of 7 ready",
        "Local ports, ",
        "Outage 1, ",
        "Relapses  1",
        "Result    gave up: grafana",
        "agent: stopped: the demo is over",
    )
    of_grafana = (
        "grafana: WAITING -> RESTARTING: attempt 1 of 2",
        "grafana: VERIFYING -> BACKOFF: attempt 1 of 2 did not help",
        "grafana: WAITING -> RESTARTING: attempt 2 of 2",
        "grafana: VERIFYING -> GAVE_UP",
        "grafana: GAVE_UP -> UNKNOWN: the operator of the demo reset the restart attempts",
        "grafana: WAITING -> RESTARTING: attempt 1 of 2",
        "grafana: VERIFYING -> READY",
    )
    for chapters in (of_the_link, of_grafana):  # a busy machine may notice the relapse after the first restart
        place = 0
        for words in chapters:
            place = told.find(words, place)
            assert place >= 0, f"{words} in {told}"
    with Reader(tmp_path / DATABASE_FILE) as reader:
        assert reader.verify_chain() is None
        assert [(row.restarts, row.relapses, row.by_operator) for row in reader.outages()] == [
            (RESTARTS, 1, False),
            (1, 0, True),
        ]
        seen = {one.dest for row in reader.recorded() for one in row.transitions if one.chart != "forward"}
        unchanged = ask(reader, (), Model.NEVER)
        assert (unchanged.unlike, unchanged.first_difference) == ([], None)
        assert unchanged.recorded == unchanged.what_if
    assert seen == {*LinkState, *ServiceState} - {LinkState.STARTING}


def test_the_page_is_served_while_the_story_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a browser gets at the address of the first line, at the end of the story."""
    shown: list[tuple[int, str]] = []

    async def look(running: object, page: str) -> None:
        with urlopen(f"{page}api/state", timeout=60) as answer:
            shown.append((answer.status, json.load(answer)["link"]["state"]))

    monkeypatch.setattr("connmon_agent.cli.demo._stay", look)
    with click.Context(demo) as ctx:
        run_demo(ctx, tmp_path, FAST, stay=True)
    assert shown == [(200, "ONLINE")]


@pytest.mark.linux_alone(reason="signals that end a program in order")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, 1], ids=["SIGTERM", "Ctrl-C", "SIGHUP"])
def test_whatever_ends_the_demo_ends_its_page_too(number: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.web_page.demo_story", str(tmp_path)]
    with subprocess.Popen(
        command, env=environment_of_commands(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as story:
        assert story.stdout is not None
        address = story.stdout.readline().decode().strip()
        with urlopen(f"{address}api/state", timeout=60) as answer:
            assert answer.status == 200
        story.send_signal(number)
        story.stdout.read()
    with pytest.raises(OSError):
        urlopen(f"{address}api/state", timeout=60)


def test_the_program_of_the_page_has_the_demo_for_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNMON_CONFIG", str(tmp_path / "missing.yaml"))
    with live_page(tmp_path) as page:
        address = page.address()
        assert address is not None
        with urlopen(f"{address}api/state", timeout=60) as answer:
            assert json.load(answer)["watch"]["state"] == "never"
    with pytest.raises(OSError):
        urlopen(f"{address}api/state", timeout=60)


def test_another_program_has_a_port_until_the_end() -> None:
    for _ in range(50):  # somebody else may take the port that was free
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with port_in_use(port) as taken, port_in_use(port) as again:
            if taken:
                assert not again
                socket.create_connection(("127.0.0.1", port), timeout=60).close()
                return
    pytest.fail("no port was free")


def test_the_memory_of_a_real_agent_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"precious")
    result = CliRunner().invoke(connmon_agent, ["demo", "--keep", str(tmp_path)])
    assert result.exit_code == 2
    assert f"Error: Invalid value for --keep: {tmp_path} already has a state file" in result.stderr
    assert (tmp_path / DATABASE_FILE).read_bytes() == b"precious"

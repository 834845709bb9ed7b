"""The demo: the whole story, told faster."""

import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tests.fakes.wine import on_wine

from connmon_agent.__main__ import main
from connmon_agent.cli import connmon_agent
from connmon_agent.cli.demo import DemoTiming, demo, run_demo
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader

# Wine says nothing of a datagram that is refused: each round of an outage there waits for the timeout.
# A busy machine may need more restarts than the story tells of; nothing but a pod's start is ever too slow for it.
FAST = DemoTiming(
    check_interval=0.1,
    confirm_interval=0.05,
    timeout=60.0 if not on_wine() else 5.0,
    dark=0.1,
    hold=0.1,
    pod_start=0.05,
    ready_timeout=4.0,
    backoff=0.1,
    attempts=1000,
    refuse=True,
)
LEAST = 8  # restarts: one of each of the seven services, and grafana's second


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
    chapters = (
        "link: STARTING -> ONLINE",
        "The internet is cut.",
        "link: DEGRADED -> OFFLINE",
        "The internet is back.",
        "link: OFFLINE -> RECOVERING",
        "grafana: VERIFYING -> BACKOFF: attempt 1 of 1000 did not help",
        "grafana: WAITING -> RESTARTING: attempt 2 of 1000",
        "link: RECOVERING -> ONLINE: recovery complete: 7/7 services ready",
        "Services, 7 of 7 ready",
        "Local ports, ",
        "agent: stopped: the demo is over",
        "Restarts  ",
        "Result    recovered",
    )
    places = [told.find(words) for words in chapters]
    assert -1 not in places, told
    assert places == sorted(places)
    with Reader(tmp_path / DATABASE_FILE) as reader:
        assert reader.verify_chain() is None
        assert [(row.restarts >= LEAST, row.ended is not None) for row in reader.outages()] == [(True, True)]


def test_the_memory_of_a_real_agent_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"precious")
    result = CliRunner().invoke(connmon_agent, ["demo", "--keep", str(tmp_path)])
    assert result.exit_code == 2
    assert f"Error: Invalid value for --keep: {tmp_path} already has a state file" in result.stderr
    assert (tmp_path / DATABASE_FILE).read_bytes() == b"precious"

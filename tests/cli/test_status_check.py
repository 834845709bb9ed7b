"""`status --check`: what a monitoring system gets, held against the grammar of the plugin guidelines."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.fakes.memories import live_through_an_outage
from tests.fakes.mornings import at, offline_snapshot, ready, recovering_snapshot, snapshot_of, world_of
from tests.fakes.statefiles import tampered
from tests.fakes.values import worlds

from connmon_agent.cli import connmon_agent, status
from connmon_agent.cli.rendering.plugin_line import Severity, check_line
from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.core.world import Link, LinkState, Service, ServiceState
from connmon_agent.presence import AgentLock
from connmon_agent.store.records import AgentRow, LatestRound

# https://www.monitoring-plugins.org/doc/guidelines.html#AEN200
NUMBER = r"-?\d+(?:\.\d+)?"
RANGE = rf"@?(?:(?:~|{NUMBER})?:)?(?:{NUMBER})?"
PERFDATUM = re.compile(
    rf"(?:'(?:[^'=]|'')+'|[^\s'=]+)=(?:U|{NUMBER})(?:s|us|ms|%|[KMGT]?B|c)?(?:;{RANGE}(?:;{RANGE}(?:;(?:{NUMBER})?(?:;(?:{NUMBER})?)?)?)?)?"
)


def parse(line: str) -> tuple[str, dict[str, str]]:
    """The text and the performance data by label. Fails where the line is none of a plugin."""
    assert "\n" not in line and line.isprintable()
    text, bar, data = line.partition("|")
    assert bar and "|" not in data
    assert len(text.rstrip()) <= 80
    found = {}
    for datum in data.split():
        assert PERFDATUM.fullmatch(datum), datum
        label, _, value = datum.partition("=")
        found[label.strip("'")] = value
    return text.rstrip(), found


timestamps = st.floats(-1e6, 1e10).map(at)
rows = st.builds(AgentRow, st.integers(1, 9), st.text(max_size=5), timestamps, timestamps, st.none() | timestamps)
losses = st.none() | st.builds(
    LatestRound, timestamps, st.just(()), st.floats(0, 1), st.none() | st.floats(0, 1e6, allow_nan=False)
)
snapshots = st.builds(
    Snapshot,
    st.floats(0, 1e10),
    st.just("connmon.db"),
    worlds,
    st.none() | st.integers(0, 9),
    st.none() | rows,
    losses,
    st.integers(0, 9),
    st.integers(0, 9),
)


@settings(max_examples=200)
@given(snapshots)
def test_every_world_makes_one_line_of_the_grammar(snapshot: Snapshot) -> None:
    severity, line = check_line(snapshot)
    text, data = parse(line)
    assert text.startswith(f"CONNMON {severity.name}: ")
    assert data.keys() == {"loss", "latency", "ready", "gave_up", "outages", "heartbeat_age"}
    if severity is Severity.OK:
        assert snapshot.watched and snapshot.world.link.state == LinkState.ONLINE and not snapshot.world.paused


def with_link(state: LinkState) -> Snapshot:
    link = Link(state, since=at(0), cause="dns" if state == LinkState.DEGRADED else None)
    return snapshot_of(world_of(ready("frontend"), ready("grafana"), link=link))


def lost(name: str) -> Service:
    return Service(name, ServiceState.GAVE_UP, since=at(0), reason="3 of 3 attempts", attempts=3)


WELL = with_link(LinkState.ONLINE)
STATES = {
    "online": (WELL, 0, "CONNMON OK: link ONLINE for 12 min, 2/2 services ready"),
    "degraded": (
        with_link(LinkState.DEGRADED),
        1,
        "CONNMON WARNING: link DEGRADED for 12 min (dns), 2/2 services ready",
    ),
    "starting": (with_link(LinkState.STARTING), 3, "CONNMON UNKNOWN: link STARTING for 12 min, 2/2 services ready"),
    "offline": (offline_snapshot(), 2, "CONNMON CRITICAL: link OFFLINE for 12 min (dns), 2/2 services ready"),
    "recovering": (
        recovering_snapshot(),
        2,
        "CONNMON CRITICAL: gave up: grafana, link RECOVERING for 2 min, not ready: jae...",
    ),
    "lost": (
        snapshot_of(world_of(ready("frontend"), lost("grafana"))),
        2,
        "CONNMON CRITICAL: gave up: grafana, link ONLINE for 12 min, 1/2 services ready",
    ),
    "paused": (
        replace(WELL, world=structs.replace(WELL.world, paused=True)),
        1,
        "CONNMON WARNING: restarts paused, link ONLINE for 12 min, 2/2 services ready",
    ),
    "dead": (replace(WELL, pid=None), 2, "CONNMON CRITICAL: no agent is running, last seen 1 s ago"),
    "silent": (
        replace(WELL, now=WELL.now + 600),
        2,
        "CONNMON CRITICAL: no response from the agent for 10 min",
    ),
    "never": (replace(WELL, pid=None, agent=None), 2, "CONNMON CRITICAL: no agent is running"),
    "fresh": (replace(WELL, pid=99), 3, "CONNMON UNKNOWN: the agent is starting"),
}


@pytest.mark.parametrize("name", STATES)
def test_what_is_worst_decides_and_stands_first(name: str) -> None:
    snapshot, code, text = STATES[name]
    severity, line = check_line(snapshot)
    assert (int(severity), parse(line)[0]) == (code, text)


def test_performance_data_have_their_units() -> None:
    assert check_line(WELL)[1].partition(" | ")[2] == (
        "'loss'=50%;;;0;100 'latency'=0.01104s;;;0 'ready'=2;;;0;2 'gave_up'=0;;0;0;2 'outages'=0c;;;0 "
        "'heartbeat_age'=1s;;;0"
    )


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "status", *arguments])


@pytest.mark.parametrize("name", STATES)
def test_the_exit_code_is_that_of_the_line(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "take_snapshot", lambda _: STATES[name][0])
    result = run(tmp_path, "--check")
    assert result.stdout.startswith(f"CONNMON {Severity(result.exit_code).name}")
    assert result.exit_code == STATES[name][1]


def test_the_command_ends_with_the_plugins_code(tmp_path: Path) -> None:
    result = run(tmp_path, "--check")
    assert (result.exit_code, parse(result.stdout.rstrip("\n"))[0]) == (2, "CONNMON CRITICAL: no agent is running")
    live_through_an_outage(tmp_path)
    with AgentLock(tmp_path):
        result = run(tmp_path, "--check")
    assert result.exit_code in (2, 3)  # it is somebody else's process that holds the lock
    parse(result.stdout.rstrip("\n"))


@pytest.mark.parametrize(
    "arguments", [["--chek", "--check"], ["--check", "--json"], ["--check", "extra"], ["--check", "-h"]]
)
def test_wrong_usage_and_help_are_unknown_and_no_alarm(tmp_path: Path, arguments: list[str]) -> None:
    assert run(tmp_path, *arguments).exit_code == 3
    assert CliRunner().invoke(connmon_agent, ["--nonsense", "status", "--check"]).exit_code == 3
    assert CliRunner().invoke(connmon_agent, ["stats", "--check"]).exit_code == 3


def test_wrong_usage_without_it_is_what_it_was(tmp_path: Path) -> None:
    assert run(tmp_path, "--chek").exit_code == 2
    assert run(tmp_path, "-h").exit_code == 0


def test_a_state_that_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    with tampered(tmp_path / "connmon.db") as connection:
        connection.execute("UPDATE snapshot SET world = '{'")
    result = run(tmp_path, "--check")
    assert result.exit_code == 3
    assert result.stdout.startswith("CONNMON UNKNOWN: ") and result.stdout.count("\n") == 1
    config = tmp_path / "broken.yaml"
    config.write_text("state_dir: [", encoding="ascii")
    result = CliRunner().invoke(connmon_agent, ["--config", str(config), "status", "--check"])
    assert result.exit_code == 3 and result.stdout.startswith("CONNMON UNKNOWN: ")

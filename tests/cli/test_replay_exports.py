"""What `replay --format` writes: each format has what `replay --json` has, event by event."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import sys
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.fakes.fates import Fate
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.memories import DOWN, UP, live_through_an_outage, remember, rounds, start
from tests.fakes.mornings import OUTAGE, at, recorded
from tests.fakes.statefiles import load_dump
from tests.fakes.traces import GAP, find_faults, load, read_back, slices, states_after, titles
from tests.fakes.virtual_time import run_virtually

from connmon_agent.cli import connmon_agent
from connmon_agent.cli.outputs import is_utf_8
from connmon_agent.cli.rendering.outage_tables import history_csv
from connmon_agent.cli.rendering.round_tables import rounds_csv
from connmon_agent.cli.rendering.timeline_csv import timeline_csv
from connmon_agent.cli.rendering.timeline_document import write_timeline
from connmon_agent.cli.rendering.trace_document import Tracer, write_trace
from connmon_agent.core.events import AgentStarted, AgentStopped, MonitoringGapEnded, Order, Ordered
from connmon_agent.core.observations import ProbeResult
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.store.records import Recorded
from connmon_agent.store.round_blocks import RecordedRound

ROOT = Path(__file__).parents[2]
DUMPS = sorted((ROOT / "tests" / "store").glob("memory-of-schema-*.sql"))
ALL = ("--since", "2000-01-01")
SEEDS = range(4)


def run(folder: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "replay", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def output(folder: Path, *arguments: str) -> str:
    result = run(folder, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout_bytes.decode()


@pytest.fixture(scope="module", params=["hard day", "outage", *(dump.stem for dump in DUMPS)])
def memory(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory: of today, and of each older schema."""
    folder = tmp_path_factory.mktemp("memory")
    if request.param == "hard day":
        live_through_a_hard_day(folder)
    elif request.param == "outage":
        live_through_an_outage(folder)
    else:
        with closing(sqlite3.connect(folder / "connmon.db", isolation_level=None)) as connection:
            load_dump(connection, next(dump for dump in DUMPS if dump.stem == request.param))
    return folder


@cache
def simulated(seed: int) -> list[tuple[Recorded, World]]:
    """The journal of a simulated life, with the world after each event."""

    async def live() -> list[tuple[Recorded, World]]:
        fate = Fate(seed, 0.1)
        verdict = await fate.live()
        assert not verdict.faults, str(verdict)
        return [
            (
                Recorded(
                    seq, commit.event.at, commit.event.at.steady, "boot-1", commit.event, step.transitions,
                    step.effects, step.resolutions, step.notes,
                    None if step.world.outage is None or step.world.outage.ended else step.world.outage.id,
                    step.refusal, {}, step.listens,
                ),
                step.world,
            )
            for seq, commit in enumerate(fate.site.disk.commits, start=1)
            for step in (commit.step,)
        ]  # fmt: skip

    return run_virtually(live())


def trace_of(rows: list[Recorded], before: list[Recorded]) -> dict[str, Any]:
    """The trace of ``rows``, which ``before`` came before."""
    tracer = Tracer()
    for row in before:
        tracer.skip(row)
    return load("".join(write_trace(rows, tracer, find_end=lambda _: None, outage=None)))


def events_of(rows: list[Recorded]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads("".join(write_timeline(rows, outage=None)))["events"]
    return found


def cells_of(event: dict[str, Any]) -> dict[str, str]:
    """An event of `replay --json` as docs/commands.md says that CSV has it."""
    link = [one for one in event["transitions"] if one["chart"] == "link" and one["source"] != one["dest"]]
    cells = {
        "seq": str(event["seq"]),
        "at": event["at"],
        "event": event["event"],
        "outage": "" if event["outage"] is None else str(event["outage"]),
        "link_from": link[0]["source"] if link else "",
        "link_to": link[-1]["dest"] if link else "",
        "sentences": " | ".join(event["sentences"]),
        "transitions": " | ".join(
            one["instance"]
            + (", local port" if one["chart"] == "forward" else "")
            + f": {one['source']} -> {one['dest']}"
            for one in event["transitions"]
        ),
        "restarts": " | ".join(
            f"{one['service']}: {one['token']}" + (" again" if one["again"] else "") for one in event["restarts"]
        ),
        "listens": " | ".join(f"{one['service']}: {one['port']}" for one in event["listens"]),
        "resolutions": " | ".join(f"{one['service']}: {one['outcome']} {one['token']}" for one in event["resolutions"]),
        "boot_id": event["boot_id"],
    }
    return {name: f"'{text}" if text[:1] in ("=", "+", "-", "@") else text for name, text in cells.items()}


def parse(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


@pytest.mark.parametrize(
    "arguments", [ALL, (), ("1",), ("--since", "2026-11-23T10:00:12Z", "--until", "2026-11-23T10:03:26Z")]
)
def test_each_format_has_what_the_document_has(memory: Path, arguments: tuple[str, ...]) -> None:
    events = json.loads(output(memory, *arguments, "--json"))["events"]
    assert json.loads(output(memory, *arguments, "--format", "json"))["events"] == events
    assert parse(output(memory, *arguments, "--format", "csv")) == [cells_of(event) for event in events]
    trace = load(output(memory, *arguments, "--format", "chrome-trace"))
    assert find_faults(trace) == []
    assert read_back(trace) == events


@pytest.mark.parametrize("seed", SEEDS)
def test_each_format_of_a_simulated_life_has_what_the_document_has(seed: int) -> None:
    rows = [row for row, _ in simulated(seed)]
    events = events_of(rows)
    assert len(events) > 20
    assert parse("".join(timeline_csv(rows))) == [cells_of(event) for event in events]
    trace = trace_of(rows, [])
    assert find_faults(trace) == []
    assert read_back(trace) == events


@pytest.mark.parametrize("seed", SEEDS)
def test_the_tracks_show_the_world_after_each_event(seed: int) -> None:
    life = simulated(seed)
    shown = states_after(trace_of([row for row, _ in life], []))
    compared = 0
    for row, world in life[:-1]:
        expected = {"link": world.link.state}
        expected |= {name: service.state for name, service in world.services.items()}
        expected |= {f"{name}: local port": forward.state for name, forward in world.forwards.items()}
        states = {title: state for title, state in shown[row.seq].items() if title != "agent"}
        assert states == expected, row.seq
        compared += 1
    assert compared > 20


@pytest.mark.parametrize("seed", SEEDS)
def test_a_trace_of_any_part_of_a_life_is_sound_and_shows_the_same(seed: int) -> None:
    rows = [row for row, _ in simulated(seed)]
    shown = states_after(trace_of(rows, []))
    for begin in range(1, len(rows), 7):
        end = begin + 1 + (begin * 31) % 90
        part = rows[begin:end]
        trace = trace_of(part, rows[:begin])
        assert find_faults(trace) == [], (begin, end)
        assert read_back(trace) == events_of(part)
        there = states_after(trace)
        assert all(there[row.seq] == shown[row.seq] for row in part[:-1]), (begin, end)
        assert there[0] == shown[rows[begin - 1].seq], (begin, end)


def test_the_document_follows_its_schema(memory: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema") if sys.platform != "win32" else pytest.skip("Wine lacks a DLL")
    schema = json.loads((ROOT / "docs" / "replay.schema.json").read_text(encoding="utf-8"))
    for arguments in (ALL, (), ("--since", "2100-01-01")):
        jsonschema.validate(json.loads(output(memory, *arguments, "--json")), schema)


def test_the_document_as_text_is_that_of_one_dump(memory: Path) -> None:
    for arguments in (ALL, ("--since", "2100-01-01")):
        text = output(memory, *arguments, "--json")
        assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=not is_utf_8(sys.stdout.encoding)) + "\n"


def states_of(trace: dict[str, Any], title: str) -> list[tuple[str, float, float]]:
    """Name, begin and end in seconds of each state that a track shows."""
    names = titles(trace["traceEvents"])
    found = slices(trace["traceEvents"])
    return [(name, begun / 1e6, ended / 1e6) for tid, name, begun, ended in found if names[tid] == title]


def trace(folder: Path, *arguments: str) -> dict[str, Any]:
    found = load(output(folder, *(arguments or ALL), "--format", "chrome-trace"))
    assert find_faults(found) == []
    return found


def test_states_are_cut_at_a_monitoring_gap(tmp_path: Path) -> None:
    slept = MonitoringGapEnded(at(100), at(40), "the machine slept for 1 min")
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3), slept, *rounds(UP, 101, 102, 103)])
    shown = states_of(trace(tmp_path), "link")
    assert [name for name, *_ in shown] == ["STARTING", "ONLINE", "ONLINE", "DEGRADED", "ONLINE"]
    assert shown[1:4] == [("ONLINE", 3.0, 40.0), ("ONLINE", 100.0, 100.0), ("DEGRADED", 100.0, 103.0)]
    assert states_of(trace(tmp_path), "agent")[:2] == [("running", 0.0, 40.0), (GAP, 40.0, 100.0)]


def test_a_clock_that_is_set_moves_no_state(tmp_path: Path) -> None:
    """The trace is in the time of the steady clock, and the dates stay those that were recorded."""
    set_back = Timestamp(at(50).steady, at(50).wall - 3600.0)
    step = MonitoringGapEnded(set_back, at(50), "the clock was set back by 1 h")
    late = Timestamp(at(60).steady, at(60).wall - 3600.0)
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3), step, AgentStopped(late, "SIGTERM")])
    found = trace(tmp_path)
    assert states_of(found, "link") == [("STARTING", 0.0, 3.0), ("ONLINE", 3.0, 60.0)]
    [clock] = [event for event in found["traceEvents"] if event.get("name") == "clock set"]
    assert (clock["ts"], clock["args"]["seconds"]) == (50_000_000, -3600.0)
    assert read_back(found)[-1]["at"] == "2026-11-23T09:01:00.000000+00:00"


def test_the_states_of_a_dead_agent_end_with_its_last_sign_of_life(tmp_path: Path) -> None:
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3, 4, 5, 6, 7)])
    assert states_of(trace(tmp_path), "link")[-1] == ("ONLINE", 3.0, 7.0)
    assert states_of(trace(tmp_path, "--since", "2000-01-01", "--until", "2026-11-23T10:00:05Z"), "link")[-1][2] == 5.0


def test_what_a_killed_agent_left_open_ends_where_nobody_watched(tmp_path: Path) -> None:
    killed = rounds(UP, 1, 2, 3, 4, 5)
    again = AgentStarted(at(300), 4712, "0.1.0", "boot-1", {}, at(5))
    remember(tmp_path, [*start(0), *killed, again, *rounds(UP, 301)])
    assert states_of(trace(tmp_path), "agent") == [("running", 0.0, 5.0), (GAP, 5.0, 300.0), ("running", 300.0, 301.0)]
    assert ("ONLINE", 3.0, 5.0) in states_of(trace(tmp_path), "link")


def test_an_outage_that_goes_on_is_shown_until_now(tmp_path: Path) -> None:
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3), *rounds(DOWN, 12, 13, 14), *rounds(DOWN, 500)])
    assert states_of(trace(tmp_path, "latest"), "link")[-1][0] == "OFFLINE"
    assert states_of(trace(tmp_path), "link")[-1] == ("OFFLINE", 14.0, 500.0)


def test_attempts_are_from_the_decision_to_its_result_and_the_answer_has_an_arrow(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    found = trace(tmp_path)
    events = [event for event in found["traceEvents"] if event.get("cat") == "attempt"]
    lengths = {
        (one["name"], one["args"]["service"]): (other["ts"] - one["ts"], other["args"]["result"])
        for one in events
        for other in events
        if (one["ph"], other["ph"], other["id2"]) == ("b", "e", one["id2"])
    }
    assert lengths == {
        ("restart of frontend", "frontend"): (18_000_000, "READY"),
        ("restart of grafana", "grafana"): (18_000_000, "READY"),
    }
    arrows = [(event["ph"], event["ts"]) for event in found["traceEvents"] if event.get("cat") == "answer"]
    assert arrows == [("s", 205_000_000), ("f", 205_100_000)] * 2


def test_orders_and_probes_are_shown(tmp_path: Path) -> None:
    pause = Ordered(at(5), Order.PAUSE, (), "root (pid 99)")
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3), pause, *rounds(DOWN, 12)])
    found = trace(tmp_path)
    names = titles(found["traceEvents"])
    orders = [one for one in found["traceEvents"] if one["ph"] == "i" and names[one["tid"]] == "operator"]
    assert [(one["name"], one["args"]["by"]) for one in orders] == [("pause", "root (pid 99)")]
    counted = [one for one in found["traceEvents"] if one["ph"] == "C"]
    assert {one["name"] for one in counted} == {"probes", "latency of tcp 192.0.2.1:443", "latency of dns 192.0.2.2"}
    assert [one["args"] for one in counted if one["name"] == "probes"][-1] == {"answered": 0, "failed": 2}
    assert [one["args"] for one in counted if "tcp" in one["name"]][-1] == {"ms": 0.0}


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("a.csv", "seq,at,"),
        ("A.JSON", '{\n  "schema": 1'),
        ("a.trace.json", '{"displayTimeUnit"'),
        ("a.txt", "Outage 1"),
    ],
)
def test_the_suffix_of_the_file_chooses_the_format(memory: Path, tmp_path: Path, name: str, begins: str) -> None:
    result = run(memory, "1", "--output", str(tmp_path / name))
    assert (result.exit_code, result.stdout) == (0, "")
    written = (tmp_path / name).read_bytes()
    assert written.decode().startswith(begins)
    assert result.stderr == f"{tmp_path / name}: {len(written):,} bytes\n"
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_file_that_exists_is_not_overwritten(memory: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mine", encoding="utf-8")
    result = run(memory, "--output", str(tmp_path / "a.csv"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert "a.csv exists; it was not overwritten\nChoose another name" in result.stderr
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "mine"
    assert [one.name for one in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "--format", "csv"),
        ("--at", "10:00", "--format", "csv"),
        ("--at", "10:00", "--output", "x.json"),
        ("--verify", "--format", "csv"),
        ("--verify", "--output", "x.json"),
        ("--format", "xml"),
    ],
)
def test_options_that_do_not_fit(memory: Path, arguments: tuple[str, ...]) -> None:
    assert run(memory, *arguments).exit_code == 2


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1+2", "@SUM(1)", "\t=1", "\uff1d1"])
def test_a_text_that_a_spreadsheet_would_run_is_made_safe(text: str) -> None:
    order = Ordered(at(5), Order.PAUSE, (), "somebody")
    row = recorded(1, 5, event=order, notes=(("agent", text),), boot_id=text)
    [line] = parse("".join(timeline_csv([row])))
    assert (line["sentences"], line["boot_id"]) == (f"'{text}", f"'{text}")
    history = parse(history_csv([replace(OUTAGE, detail=text)]))
    assert history[0]["detail"] == f"'{text}"
    rounds = parse("".join(rounds_csv([RecordedRound(at(5), (ProbeResult(text, "tcp", ok=True),))])))
    assert rounds[0]["target"] == f"'{text}"

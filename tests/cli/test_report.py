"""`report`: the options, the file that it writes, and what it does where it cannot."""

from __future__ import annotations

import csv
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.statefiles import is_root, load_dump, with_reading_rights_only

from connmon_agent.cli import connmon_agent
from connmon_agent.store import DATABASE_FILE

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
PERIOD = ("--since", "2026-11-23T10:00:00Z", "--until", "2026-11-23T12:40:00Z", "--time-zone", "UTC")
STORE = Path(__file__).parents[1] / "store"
FORMATS = ("html", "pdf", "csv", "json")


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    live_through_a_hard_day(folder)
    return folder


def make_validator() -> Any:
    """What holds a document against the schema; Wine lacks a DLL that it needs."""
    jsonschema = pytest.importorskip("jsonschema") if sys.platform != "win32" else pytest.skip("Wine lacks a DLL")
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    return jsonschema.Draft202012Validator(SCHEMA)


def report(folder: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "report", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def document_of(folder: Path, *arguments: str) -> Any:
    """The report in JSON, which must succeed."""
    result = report(folder, "--format", "json", *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


@pytest.mark.parametrize("lang", ["en", "de"])
def test_the_document_is_as_the_schema_says(day: Path, lang: str) -> None:
    validator = make_validator()
    for period in (PERIOD, (), ("--until", "2026-11-23T10:02:00Z"), ("--since", "2026-01-01", "--until", "2026-02-01")):
        document = document_of(day, "--lang", lang, *period)
        validator.validate(document)
        assert document["language"] == lang
    assert not validator.is_valid({**document, "more": 1})


@pytest.mark.parametrize("form", FORMATS)
def test_a_report_is_written_over_a_report_and_over_nothing_else(day: Path, tmp_path: Path, form: str) -> None:
    if form == "pdf":
        pytest.importorskip("reportlab")
    path = tmp_path / f"report.{form}"
    assert report(day, *PERIOD, "--output", str(path)).exit_code == 0, "the suffix says which format"
    first = path.read_bytes()
    assert report(day, *PERIOD, "--lang", "de", "--output", str(path)).exit_code == 0
    second = path.read_bytes()
    assert second != first
    path.write_bytes(second + b"more\n")
    assert "is a report that was edited since; it was not overwritten" in report(day, "--output", str(path)).stderr
    path.write_bytes(b"invoice 2026")
    result = report(day, *PERIOD, "--output", str(path))
    assert (result.exit_code, path.read_bytes()) == (1, b"invoice 2026")
    assert "is not a report; it was not overwritten" in result.stderr
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def pad(row: dict[str, object]) -> dict[str, object]:
    return {name: f"{value}{' ' * 20_000}" for name, value in row.items()}


def test_a_long_report_is_known_again(day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.csv"
    monkeypatch.setattr("connmon_agent.reports.documents.defuse_all", pad)
    assert report(day, *PERIOD, "--output", str(path)).exit_code == 0
    assert path.stat().st_size > 1_000_000
    assert report(day, *PERIOD, "--output", str(path)).exit_code == 0


def test_html_is_what_is_written_where_nothing_else_is_said(day: Path, tmp_path: Path) -> None:
    assert report(day).stdout.startswith("<!DOCTYPE html>\n<!-- written by `connmon-agent report`, sha256 ")
    (tmp_path / "a").mkdir()
    assert report(day, "--output", str(tmp_path / "a" / "report.txt")).exit_code == 0
    assert (tmp_path / "a" / "report.txt").read_bytes().startswith(b"<!DOCTYPE html>")


def test_a_text_that_a_spreadsheet_would_run_is_defused(day: Path) -> None:
    lines = list(
        csv.DictReader(report(day, *PERIOD, "--format", "csv", "--title", "=HYPERLINK(1)").stdout.splitlines())
    )
    assert [line["note"] for line in lines if line["record"] == "period"] == ["'=HYPERLINK(1)"]


def test_the_hashes_are_those_of_the_file_and_the_same_from_a_copy(day: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(day, copy)
    first, second = (document_of(folder, *PERIOD) for folder in (day, copy))
    assert first["proof"] == second["proof"]
    assert first["proof"]["first_event"]["seq"] == 1
    assert first["outages"] == second["outages"]


@pytest.mark.linux_alone(reason="a directory that may not be written to, as another user")
def test_it_reads_a_state_directory_that_it_may_not_write_to(day: Path, tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="connmon-report-", dir="/tmp"))  # which another user can reach
    shutil.copytree(day, folder, dirs_exist_ok=True)
    try:

        def work() -> None:
            assert report(folder, *PERIOD, "--format", "csv").exit_code == 0

        assert with_reading_rights_only(folder, work) == 0
    finally:
        shutil.rmtree(folder)
    assert is_root() or tmp_path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "1h", "--until", "2h"), "--since must be before --until"),
        (("--until", "1970-01-02"), "Nothing is recorded before --until"),
        (("--until", "2999-01-01"), "--until is in the future"),
        (("--since", "yesterday"), "is not an RFC 3339 time"),
        (("--time-zone", "../../etc/passwd"), "use a name like Europe/Berlin, or UTC"),
        (("--time-zone", "Mars/Olympus"), "use a name like Europe/Berlin, or UTC"),
        (("--title", "x" * 201), "201 characters; use at most 200"),
        (("--format", "doc"), "is not one of"),
    ],
)
def test_what_cannot_be_meant_is_refused(day: Path, arguments: tuple[str, ...], words: str) -> None:
    result = report(day, *arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())


def test_without_reportlab_a_pdf_says_what_to_install(day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = report(day, "--format", "pdf")
    assert result.exit_code == 1
    assert "pip install 'reportlab>=4'" in result.stderr


def test_where_nothing_was_recorded_it_says_so(tmp_path: Path) -> None:
    result = report(tmp_path)
    assert result.exit_code == 1
    assert DATABASE_FILE in result.stderr


def test_neither_the_engine_nor_what_one_format_alone_needs_is_imported(day: Path) -> None:
    """The engine and its chart machine take longer to import than a report to make."""
    code = (
        "import sys; from connmon_agent.cli import connmon_agent as run\n"
        f"run(['--state-dir', {str(day)!r}, 'report', '--format', sys.argv[1]], standalone_mode=False)\n"
        "names = 'transitions yaml reportlab asyncio kubernetes sqlite_utils zoneinfo connmon_agent.core.engine'\n"
        "print(*(name for name in names.split() if name in sys.modules), file=sys.stderr)"
    )
    for form in ("html", "json", "csv"):
        done = subprocess.run([sys.executable, "-c", code, form], capture_output=True, check=True)
        assert done.stderr.decode().strip() == ""


@pytest.mark.parametrize("dump", sorted(STORE.glob("memory-of-schema-*.sql")), ids=lambda path: path.stem)
def test_files_of_older_agents_and_of_removed_events_are_reported_on(dump: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)) as connection:
        load_dump(connection, dump)
    document = document_of(tmp_path, "--since", "2026-01-01", "--time-zone", "UTC")
    make_validator().validate(document)
    summary, period = document["summary"], document["period"]
    length = datetime.fromisoformat(period["until"]) - datetime.fromisoformat(period["since"])
    assert summary["uptime"] + summary["downtime"] + summary["gaps"] == pytest.approx(length.total_seconds(), abs=0.01)
    assert document["gaps"][0]["reason"] == "no-record"
    assert document["outages"], "each of them has one"


def test_events_that_were_removed_are_a_gap_and_the_default_begins_after_them(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)) as connection:
        load_dump(connection, STORE / "memory-of-schema-6.sql")
    document = document_of(tmp_path)
    first = document["proof"]["first_event"]
    assert first["seq"] == 41, "40 is kept only as the end of the chain"
    assert document["period"]["since"] < first["at"]
    assert "no-record" not in [gap["reason"] for gap in document["gaps"]]


@pytest.mark.parametrize("until", [(), ("--until", "0s")])
@pytest.mark.parametrize("now", [1796086203.9002259, 1796086175.3368511, 1796086203.4460871])
def test_now_is_never_in_the_future(
    day: Path, monkeypatch: pytest.MonkeyPatch, now: float, until: tuple[str, ...]
) -> None:
    """Instants that a float's rounding to whole microseconds leads past."""
    monkeypatch.setattr("time.time", lambda: now)
    period = document_of(day, *until)["period"]
    assert datetime.fromisoformat(period["until"]).timestamp() <= now


@pytest.mark.parametrize("dump", sorted(STORE.glob("memory-of-schema-*.sql")), ids=lambda path: path.stem)
def test_the_period_that_it_shows_means_the_same_events_again(dump: Path, tmp_path: Path) -> None:
    """Clocks tell fractions of a microsecond, the report does not."""
    with closing(sqlite3.connect(tmp_path / DATABASE_FILE, isolation_level=None)) as connection:
        load_dump(connection, dump)
    first = document_of(tmp_path)
    span = ("--since", first["period"]["since"], "--until", first["period"]["until"])
    second = document_of(tmp_path, *span)
    assert second["proof"] == first["proof"]
    assert second["outages"] == first["outages"]
    inner = ("--since", first["proof"]["first_event"]["at"], "--until", first["proof"]["last_event"]["at"])
    assert document_of(tmp_path, *inner)["proof"]["last_event"]["seq"] > 1

"""``connmon-agent report``: what the administrator sends to the provider."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConnmonError
from .instants import FORMS, read_instant, round_down, round_up
from .invocations import Invocation

if TYPE_CHECKING:
    from ..reports.accounting import Period, Report
    from ..reports.texts import Texts
    from ..store.report_reading import ReportReader

FORMATS = ("html", "pdf", "csv", "json")
LANGUAGES = ("en", "de")
PAPERS = ("a4", "letter")
LONGEST_TITLE = 200  # characters
ROUNDED = 1e-5  # seconds; the most by which `--until 0s` is later than now, because it is rounded
MOST = 64_000_000  # bytes of a report that is written over
BY = "report"


def _read_title(ctx: click.Context, param: click.Parameter, value: str) -> str:
    if len(value) > LONGEST_TITLE:
        raise click.BadParameter(f"{len(value)} characters; use at most {LONGEST_TITLE}")
    return value


@click.command(short_help="Write a report on outages for the provider.")
@click.option("--since", metavar="T", help=f"From this time on: {FORMS}. Default: the first record.")
@click.option("--until", metavar="T", help="Up to this time. Default: now.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS, case_sensitive=False),
    help="Format. Default: by the suffix of --output, else html.",
)
@click.option(
    "--lang", type=click.Choice(LANGUAGES, case_sensitive=False), default="en", help="Language.  [default: en]"
)
@click.option(
    "--title", metavar="TEXT", default="", callback=_read_title, help="Line below the heading: site, contract."
)
@click.option("--time-zone", metavar="NAME", help="Time zone: Europe/Berlin, UTC. Default: that of this machine.")
@click.option(
    "--paper", type=click.Choice(PAPERS, case_sensitive=False), default="a4", help="Paper of a PDF.  [default: a4]"
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write this file instead of standard output. Only a report is overwritten.",
)
@click.pass_obj
def report(
    invocation: Invocation,
    since: str | None,
    until: str | None,
    form: str | None,
    lang: str,
    title: str,
    time_zone: str | None,
    paper: str,
    output: Path | None,
) -> None:
    """Write a report on the outages of a period, with evidence, for the internet provider.

    Works on the state file alone: the agent need not be running. HTML and PDF list the longest outages; CSV and JSON
    list all of them.
    """
    from ..reports.texts import LANGUAGES as TEXTS  # not for --help
    from ..store.report_reading import ReportReader

    texts, form = TEXTS[lang], form or _form_of(output)
    if form == "pdf":
        _require_reportlab()
        if output is None and sys.stdout.isatty():
            raise click.UsageError("A PDF is not text. Use --output FILE, or redirect standard output.")
    if output is not None:
        _refuse_others(output)
    with ReportReader(invocation.database()) as reader:
        period = _period(reader, since, until, time_zone)
        found = _collect(reader, texts, period, form=form, title=title)
    _deliver(_write(texts, found, form, paper), output)


def _form_of(output: Path | None) -> str:
    suffix = "" if output is None else output.suffix.lower().removeprefix(".")
    return suffix if suffix in FORMATS else FORMATS[0]


def _require_reportlab() -> None:
    from importlib.util import find_spec  # not for --help

    if find_spec("reportlab") is None:
        raise ConnmonError(
            "a PDF needs the Python package reportlab, which is not installed",
            hint=f"Install it: `{sys.executable} -m pip install 'reportlab>=4'`, or print the HTML report in a browser",
        )


def _period(reader: ReportReader, since: str | None, until: str | None, time_zone: str | None) -> Period:
    from ..reports.accounting import Period  # not for --help
    from ..reports.collecting import find_beginning
    from ..wall_times import in_zone

    zone = None if time_zone is None else _find_zone(time_zone)
    now = time.time()
    first = find_beginning(reader)
    # In whole microseconds, as the report shows them: whoever types them in again means the same events.
    begin, newest = round_down(first if since is None else _read_time("--since", since, now, zone)), round_down(now)
    end = newest if until is None else round_up(_read_time("--until", until, now, zone))
    if end > newest + ROUNDED:
        raise click.UsageError("--until is in the future.")
    end = min(end, newest)
    if begin >= end:
        what = "--since must be before --until." if since is not None else "Nothing is recorded before --until."
        raise click.UsageError(what)
    return Period(begin, end, zone, time_zone or in_zone(end).tzname() or "UTC")


def _read_time(option: str, text: str, now: float, zone: tzinfo | None) -> float:
    try:
        return read_instant(text, now=datetime.fromtimestamp(now, UTC), zone=zone)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def _find_zone(name: str) -> tzinfo:
    if name.upper() == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # not for --help

    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError; a folder an OSError
        raise click.BadParameter(
            f"{name!r} is not in this machine's time zone database; use a name like Europe/Berlin, or UTC",
            param_hint="--time-zone",
        ) from error


def _collect(reader: ReportReader, texts: Texts, period: Period, *, form: str, title: str) -> Report:
    from ..reports.collecting import make_report, measure_before  # not for --help
    from ..texts import make_printable

    found = make_report(reader, period, generated=time.time(), title=make_printable(title))
    if form in ("html", "pdf"):
        from ..reports.layout import listed_outages  # not for --help

        listed = listed_outages(texts, found)
    else:
        listed = list(found.outages)
    return replace(found, before=measure_before(reader, found, listed))


def _write(texts: Texts, found: Report, form: str, paper: str) -> bytes:
    from ..reports import sealing  # not for --help

    if form == "json":
        from ..reports.documents import json_document  # not for --help

        return sealing.seal_json(json_document(texts, found))
    if form == "csv":
        from ..reports.documents import write_csv  # not for --help

        return sealing.seal_csv(write_csv(texts, found))
    from ..reports.layout import lay_out  # not for --help

    document = lay_out(texts, found)
    if form == "html":
        from ..reports.html_page import write_html  # not for --help

        return sealing.seal_html(write_html(document))
    from ..reports.pdf_pages import write_pdf  # not for --help

    return sealing.seal_pdf(write_pdf(document, paper=paper))


def _refuse_others(path: Path) -> None:
    from ..generated_files import find_owner  # not for --help
    from ..seals import Ownership

    owner = find_owner(path, by=BY, most=MOST)
    reasons = {Ownership.FOREIGN: "is not a report", Ownership.EDITED: "is a report that was edited since"}
    if owner in reasons:
        raise ConnmonError(
            f"{path} {reasons[owner]}; it was not overwritten", hint="Move it away, or choose another name"
        )


def _deliver(data: bytes, output: Path | None) -> None:
    if output is None:
        click.echo(data, nl=False)
        return
    from ..generated_files import write_file  # not for --help

    write_file(output, data, replace=True)
    click.echo(f"{output}: {len(data):,} bytes", err=True)

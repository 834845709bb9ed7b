"""``connmon-agent replay``: what happened and why, from the journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..errors import ConnmonError
from ..store.reading import Reader
from ..store.records import OutageRow, Recorded
from . import screens
from .completion import complete_outages
from .instants import FORMS, read_option
from .invocations import Invocation
from .kept import HINT, tell_kept
from .outputs import echo_json
from .question_options import Question, question_options
from .rendering.status_document import status_document
from .rendering.status_text import render_status
from .rendering.timeline_text import WIDTH, render_timeline
from .replay_exports import FORMATS, JSON, TEXT, choose_format, deliver, export, refuse_existing
from .wording import count_of, say_date_and_time

LATEST = "latest"

# An outage is dated back to its first bad round; that round is not further away than so many events.
LOOK_BACK = 200


def _read_number(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """The number of an outage, 0 for the latest; None: no outage was asked for."""
    if value is None:
        return None
    if value.lower() == LATEST:
        return 0
    if value.isascii() and value.isdecimal() and int(value) > 0:
        return int(value)
    raise click.BadParameter(f"{value!r} is neither the number of an outage nor {LATEST!r}")


@click.command(short_help="Show what happened and why.")
@click.argument("outage", required=False, callback=_read_number, shell_complete=complete_outages)
@click.option("--since", metavar="T", callback=read_option, help=f"From this time on: {FORMS}.")
@click.option("--until", metavar="T", callback=read_option, help="Up to this time.")
@click.option("--at", metavar="T", callback=read_option, help="Show the state as it was at this time.")
@click.option(
    "--verify", is_flag=True, help="Recompute every decision and compare; exits with 4 at the first difference."
)
@question_options
@click.option("--json", is_flag=True, help="One JSON document.")
@click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS, case_sensitive=False),
    help="Format. Default: by the suffix of --output, else text.",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write this new file instead of standard output.",
)
@click.pass_obj
def replay(
    invocation: Invocation,
    /,
    outage: int | None,
    since: float | None,
    until: float | None,
    at: float | None,
    verify: bool,
    json: bool,
    form: str | None,
    output: Path | None,
    **questions: Any,
) -> None:
    """Show what happened and why, from the journal: one OUTAGE (a number, or `latest`) or a time span.

    Default: the latest outage. --what-if, --sweep and --inject show what would happen; they change nothing.
    """
    form = choose_format(form, json=json, output=output)
    json = form == JSON
    spanned = since is not None or until is not None
    asked = sum((outage is not None, spanned, at is not None))
    if asked > 1:
        raise click.UsageError("Use only one of OUTAGE, --since/--until and --at.")
    if at is not None and (output is not None or form not in (TEXT, JSON)):
        raise click.UsageError("--at has no --output, and only the formats text and json.")
    question = Question(**questions)
    question.check(alone=not asked and not verify and output is None and form in (TEXT, JSON))
    if verify and not asked and (output is not None or form not in (TEXT, JSON)):
        raise click.UsageError("--verify alone has no --output, and only the formats text and json.")
    refuse_existing(output)
    with Reader(invocation.database()) as reader:
        if question.asked:
            question.answer(reader, json=json)
            return
        if verify:
            _verify(reader, json=json, alone=not asked)
        if at is not None:
            _show_state(reader, at, json=json)
        elif spanned:
            note = _tell_removed(reader, since)
            rows = reader.recorded(since=since, until=until)
            _show_timeline(reader, rows, None, note, form=form, output=output, until=until)
        elif asked or not verify:
            _show_outage(reader, outage or None, form=form, output=output)


def _show_outage(reader: Reader, number: int | None, *, form: str, output: Path | None) -> None:
    row = _find_outage(reader, number)
    if row is not None or form != TEXT:
        note = None if row is None else _tell_removed(reader, row.started.wall)
        rows = iter(()) if row is None else _events_of(reader, row)
        _show_timeline(reader, rows, row, note, form=form, output=output)
    else:
        click.echo("No outage is recorded. Use --since 1d to see other events of the last day.")


def _tell_removed(reader: Reader, since: float | None) -> str | None:
    """That events from ``since`` on (Unix seconds; None: from the first one on) were removed; None: none was."""
    segments = reader.segments()
    if since is not None and segments.start is not None and since > segments.start.at.wall:
        return None
    return tell_kept(segments)


def _find_outage(reader: Reader, number: int | None) -> OutageRow | None:
    outages = reader.outages()
    if number is None:
        return outages[-1] if outages else None
    for row in outages:
        if row.id == number:
            return row
    raise ConnmonError(f"no outage {number}", hint="Run `connmon-agent history` to list outages")


def _events_of(reader: Reader, outage: OutageRow) -> Iterator[Recorded]:
    """The outage's events, from the first bad round on."""
    for opened in reader.recorded(outage=outage.id):
        for row in reader.recorded(after_seq=max(0, opened.seq - LOOK_BACK)):
            if row.seq >= opened.seq:
                break
            if row.at.steady >= outage.started.steady:
                yield row
        break
    yield from reader.recorded(outage=outage.id)


def _show_timeline(
    reader: Reader,
    rows: Iterator[Recorded],
    outage: OutageRow | None,
    note: str | None,
    *,
    form: str,
    output: Path | None,
    until: float | None = None,
) -> None:
    if form != TEXT:
        export(reader, rows, form=form, output=output, outage=outage, note=note, until=until)
        return
    width = screens.width_of_output() if output is None else WIDTH
    text = render_timeline(list(rows), outage=outage, width=width) + ("" if note is None else f"\n\n{note}")
    if output is None:
        click.echo(text)
    else:
        deliver((text, "\n"), output)


def _show_state(reader: Reader, at: float, *, json: bool) -> None:
    # The engine, which only this and --verify need, takes longer to import than the journal to read.
    from .decisions import refold_journal
    from .rendering.past import Traces, snapshot_at

    segments = reader.segments()
    mark = segments.find_at(at)
    if mark is None and segments.start is not None:
        since = say_date_and_time(segments.start.at.wall, zone=None)
        raise ConnmonError(f"that time is before what is kept: the journal begins on {since}", hint=HINT)
    begun = None if mark is None else reader.checkpoint(mark)
    rows = reader.recorded(after_seq=0 if mark is None else mark.seq, segments=segments)
    steps = refold_journal(reader, rows, None if begun is None else begun.world)
    traces = None if mark is None or begun is None else Traces(mark.seq, begun.world, begun.agent, begun.round)
    snapshot = snapshot_at(steps, at=at, path=str(reader.path), start=traces)
    if snapshot is None:
        raise ConnmonError(
            "nothing had been recorded at that time",
            hint="Run `connmon-agent replay --since 30d` to see what was recorded",
        )
    if json:
        echo_json(status_document(snapshot))
        return
    click.echo(f"As it was on {say_date_and_time(at, zone=None)}\n")
    click.echo(render_status(snapshot, width=screens.width_of_output(), paint=screens.painter(), past=True))


def _verify(reader: Reader, *, json: bool, alone: bool) -> None:
    """Decide everything again; what is shown besides (``alone``: nothing) keeps the output to itself."""
    from .decisions import verify_journal  # not for --help

    verification = verify_journal(reader)
    if alone and json:
        echo_json(verification.as_document())
    verification.raise_if_failed()
    if alone and not json:
        click.echo(f"{count_of(verification.events, 'event')} decided again: all as recorded.")
        if (note := tell_kept(reader.segments())) is not None:
            click.echo(note)

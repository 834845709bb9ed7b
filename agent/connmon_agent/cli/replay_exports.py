"""What `replay` writes for other programs: JSON, CSV and Chrome trace, event by event, to a file or standard output."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ConnmonError
from ..store.reading import Reader
from ..store.records import OutageRow, Recorded
from .outputs import is_utf_8

if TYPE_CHECKING:
    from ..core.timestamps import Timestamp
    from .rendering.trace_document import Tracer

TEXT, JSON, CSV, TRACE = FORMATS = ("text", "json", "csv", "chrome-trace")
_SUFFIXES = {".trace.json": TRACE, ".trace": TRACE, ".json": JSON, ".csv": CSV}  # the longest one first
_PIECE = 65_536  # characters that are written at once


def choose_format(form: str | None, *, json: bool, output: Path | None) -> str:
    """The format that the options ask for; without any, that of the file's suffix, else text. Raises UsageError."""
    if form is not None:
        if json and form != JSON:
            raise click.UsageError("Use either --json or --format.")
        return form
    if json:
        return JSON
    name = "" if output is None else output.name.lower()
    return next((form for suffix, form in _SUFFIXES.items() if name.endswith(suffix)), TEXT)


def refuse_existing(output: Path | None) -> None:
    """Raise ConnmonError where ``output`` exists: it may be anybody's."""
    if output is not None and os.path.lexists(output):
        raise ConnmonError(f"{output} exists; it was not overwritten", hint="Choose another name, or delete the file")


def export(
    reader: Reader,
    rows: Iterable[Recorded],
    *,
    form: str,
    output: Path | None,
    outage: OutageRow | None,
    note: str | None,
    until: float | None = None,
) -> None:
    """Write ``rows``, which come in order, in this format, which is not text.

    ``outage`` is the one whose events they are (None: of a span of time), ``note`` says that events were removed (None:
    none were), ``until`` is the end of the span in Unix seconds (None: there is none).
    """
    if form == CSV:
        from .rendering.timeline_csv import timeline_csv  # not for --help

        deliver(timeline_csv(rows), output)
    elif form == JSON:
        from .rendering.timeline_document import write_timeline  # not for --help

        ascii = output is None and not is_utf_8(sys.stdout.encoding)
        deliver(write_timeline(rows, outage=outage, note=note, ascii=ascii), output)
    else:
        deliver(_trace(reader, rows, outage=outage, note=note, until=until), output)


def deliver(parts: Iterable[str], output: Path | None) -> None:
    """Write the text in UTF-8 to the file, or to standard output. Raises ConnmonError: it cannot be written."""
    pieces = (piece.encode("utf-8", "backslashreplace") for piece in _join(parts))  # as JSON escapes half a pair
    if output is None:
        for piece in pieces:
            click.echo(piece, nl=False)
        return
    from ..generated_files import write_file  # not for --help

    refuse_existing(output)
    try:
        write_file(output, pieces, replace=False)
    except FileExistsError:
        refuse_existing(output)
        raise
    click.echo(f"{output}: {output.stat().st_size:,} bytes", err=True)


def _join(parts: Iterable[str]) -> Iterator[str]:
    """The same text in fewer pieces: each is a system call."""
    held: list[str] = []
    length = 0
    for part in parts:
        held.append(part)
        length += len(part)
        if length >= _PIECE:
            yield "".join(held)
            held, length = [], 0
    yield "".join(held)


def _trace(
    reader: Reader, rows: Iterable[Recorded], *, outage: OutageRow | None, note: str | None, until: float | None
) -> Iterator[str]:
    from .rendering.trace_document import Tracer, write_trace  # not for --help

    later = iter(rows)
    first = list(itertools.islice(later, 1))
    tracer = _read_before(reader, first[0].seq) if first else Tracer()
    ends = partial(_find_end, reader, until)
    yield from write_trace(itertools.chain(first, later), tracer, find_end=ends, outage=outage, note=note)


def _read_before(reader: Reader, seq: int) -> Tracer:
    """What was the case before event ``seq``: as of the checkpoint before it, and the events since then."""
    from .rendering.trace_document import Tracer  # not for --help

    segments = reader.segments()
    mark = segments.find_before(seq)
    body = None if mark is None else reader.checkpoint(mark)
    tracer = Tracer() if body is None else Tracer(body.world, body.agent)
    for row in reader.recorded(after_seq=segments.kept_after if mark is None else mark.seq, segments=segments):
        if row.seq >= seq:
            break
        tracer.skip(row)
    return tracer


def _find_end(reader: Reader, until: float | None, last: Recorded) -> Timestamp | None:
    """Until when the states after the ``last`` event are known to have lasted; None: it is not the newest one."""
    agent = reader.agent()
    if agent is None or reader.newest() != last.seq:
        return None
    end = agent.stopped or agent.heartbeat
    return end if until is None or end.wall <= until else end.plus(until - end.wall)

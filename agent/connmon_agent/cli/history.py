"""``connmon-agent history``: the outages so far, or the rounds of probes."""

from __future__ import annotations

import time

import click

from ..store.reading import Reader
from . import screens
from .instants import FORMS, read_option
from .invocations import Invocation
from .kept import tell_kept
from .outputs import echo_data, echo_json
from .rendering.outage_tables import history_csv, history_document, render_history

RECENT = 3600.0  # seconds of rounds that are shown where no time is given


@click.command(short_help="List the outages.")
@click.option("--json", is_flag=True, help="One JSON document, the oldest outage first.")
@click.option("--csv", is_flag=True, help="CSV, the oldest outage first; times in UTC, the duration in seconds.")
@click.option("--rounds", is_flag=True, help="List probe rounds instead, oldest first. Default: the last hour.")
@click.option("--since", metavar="T", callback=read_option, help=f"With --rounds: from this time on, {FORMS}.")
@click.option("--until", metavar="T", callback=read_option, help="With --rounds: up to this time.")
@click.pass_obj
def history(
    invocation: Invocation, json: bool, csv: bool, rounds: bool, since: float | None, until: float | None
) -> None:
    """List the outages, newest first: start, duration, restarts, result and cause.

    `connmon-agent replay NO` shows one of them in detail.
    """
    if json and csv:
        raise click.UsageError("Use either --json or --csv.")
    if (since is not None or until is not None) and not rounds:
        raise click.UsageError("--since and --until need --rounds. For events: connmon-agent replay --since T")
    with Reader(invocation.database()) as reader:
        if rounds:
            _show_rounds(reader, since, until, json=json, csv=csv)
        else:
            _show_outages(reader, json=json, csv=csv)


def _show_outages(reader: Reader, *, json: bool, csv: bool) -> None:
    outages = reader.outages()
    if json:
        echo_json(history_document(outages, note=tell_kept(reader.segments())))
    elif csv:
        echo_data(history_csv(outages))
    else:
        text = render_history(outages, now=time.time(), width=screens.width_of_output(), paint=screens.painter())
        click.echo(text)
        if (note := tell_kept(reader.segments())) is not None:
            click.echo(f"\n{note}")


def _show_rounds(reader: Reader, since: float | None, until: float | None, *, json: bool, csv: bool) -> None:
    from .rendering.round_tables import render_rounds, rounds_csv, rounds_document  # not for --help

    if since is None:
        since = (time.time() if until is None else until) - RECENT
    found = reader.rounds(since=since, until=until)
    if json:
        echo_json(rounds_document(found))
    elif csv:
        for part in rounds_csv(found):
            echo_data(part)
    else:
        for line in render_rounds(found, width=screens.width_of_output()):
            click.echo(line)

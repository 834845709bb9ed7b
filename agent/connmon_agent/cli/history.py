"""``connmon-agent history``: the outages so far."""

from __future__ import annotations

import time

import click

from ..store.reading import Reader
from . import screens
from .invocations import Invocation
from .outputs import echo_data, echo_json
from .rendering.outage_tables import history_csv, history_document, render_history


@click.command()
@click.option("--json", is_flag=True, help="One JSON document, the oldest outage first.")
@click.option("--csv", is_flag=True, help="CSV, the oldest outage first; times in UTC, the duration in seconds.")
@click.pass_obj
def history(invocation: Invocation, json: bool, csv: bool) -> None:
    """List the outages: start, duration, restarts, result and cause. The newest comes first.

    `connmon-agent replay NO` tells one of them.
    """
    if json and csv:
        raise click.UsageError("--json and --csv exclude each other.")
    with Reader(invocation.database()) as reader:
        outages = reader.outages()
    if json:
        echo_json(history_document(outages))
    elif csv:
        echo_data(history_csv(outages))
    else:
        text = render_history(outages, now=time.time(), width=screens.width_of_output(), paint=screens.painter())
        click.echo(text)

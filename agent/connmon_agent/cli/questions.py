"""The answers to ``replay --what-if``, ``--sweep`` and ``--inject``, printed."""

from __future__ import annotations

import sys

import click

from ..loading.overrides import Overrides, read_overrides, read_ranges
from ..store.reading import Reader
from ..what_if.clusters import Model
from ..what_if.sweeps import suggest
from . import screens
from .injections import run_rehearsal
from .outputs import echo_json, is_utf_8
from .question_options import Question
from .rendering.timeline_document import write_timeline
from .rendering.timeline_text import render_timeline
from .rendering.what_if_document import sweep_document, what_if_document
from .rendering.what_if_text import render_self_check, render_sweep, render_what_if
from .replay_exports import deliver
from .what_if import ask, find_current, run_sweep, tell_settings

REHEARSAL = "Rehearsal: none of this has happened, and nothing was written or sent."


def answer(reader: Reader, question: Question, *, json: bool) -> None:
    """Print what is asked for. Raises ConnmonError."""
    overrides = read_overrides([word for word in question.what_if if word], option="--what-if")
    model = Model(question.model)
    if question.inject:
        _rehearse(reader, question, overrides, model, json=json)
    elif question.sweep is not None:
        _sweep(reader, question.sweep, model, question.processes, json=json)
    else:
        _ask(reader, overrides, model, json=json)


def _ask(reader: Reader, overrides: Overrides, model: Model, *, json: bool) -> None:
    found = ask(reader, overrides, model)
    world = reader.world()
    assert world is not None
    settings = tell_settings(world.plan, overrides)
    if json:
        echo_json(what_if_document(found, settings=settings, model=model))
    elif not overrides:
        click.echo(render_self_check(found))
    else:
        click.echo(render_what_if(found, settings=settings, model=model, width=screens.width_of_output()))


def _sweep(reader: Reader, text: str, model: Model, processes: int, *, json: bool) -> None:
    combinations = read_ranges(text, option="--sweep")
    outcomes, record = run_sweep(reader, combinations, model, processes)
    current = find_current(record.plan, combinations)
    suggested = suggest(outcomes, current)
    if json:
        echo_json(sweep_document(outcomes, combinations, current=current, suggested=suggested, model=model))
        return
    width = screens.width_of_output()
    click.echo(render_sweep(outcomes, combinations, current=current, suggested=suggested, model=model, width=width))


def _rehearse(reader: Reader, question: Question, overrides: Overrides, model: Model, *, json: bool) -> None:
    rows = run_rehearsal(reader, question.inject, overrides, model)
    if json:
        deliver(write_timeline(rows, outage=None, note=REHEARSAL, ascii=not is_utf_8(sys.stdout.encoding)), None)
        return
    click.echo(REHEARSAL + "\n")
    click.echo(render_timeline(rows, outage=None, width=screens.width_of_output()))

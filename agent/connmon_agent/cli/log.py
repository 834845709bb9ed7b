"""``connmon-agent log``: what the running agent logs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from .invocations import Invocation
from .outputs import echo_json

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 5.0  # seconds; nothing that the agent waits for is asked


@click.group(short_help="Show and set what the running agent logs.")
def log() -> None:
    """Show and set what the running agent logs."""


def _read_level(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    from ..runtime.log_records import AREAS
    from ..runtime.logs.levels import LEVELS  # not for --help

    levels = {}
    for value in values:
        area, _, level = value.lower().partition("=")
        if area not in AREAS or level not in LEVELS:
            areas, known = ", ".join(AREAS), ", ".join(LEVELS)
            raise click.BadParameter(f"{value!r} is not AREA=LEVEL; areas are {areas}, levels {known}")
        levels[area] = level
    return levels


def _read_time(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    from ..loading.durations import parse_duration  # not for --help
    from ..runtime.logs.levels import LONGEST

    if value is None:
        return None
    try:
        seconds = parse_duration(value)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= LONGEST:
        raise click.BadParameter(f"{value!r} is not a time from 1s to 24h; write for example 10m or 1h30m")
    return seconds


@log.command(short_help="Show or set the log level of an area.")
@click.argument("levels", nargs=-1, metavar="[AREA=LEVEL]...", callback=_read_level)
@click.option("--for", "seconds", metavar="TIME", callback=_read_time, help="How long, up to 24h.  [default: 10m]")
@click.option("--reset", is_flag=True, help="Reset all areas to the configured level.")
@click.option("--json", is_flag=True, help="One JSON document.")
@click.pass_obj
def level(invocation: Invocation, levels: Mapping[str, str], seconds: float | None, reset: bool, json: bool) -> None:
    """Show the log level of each area of the running agent, or set it for a while.

    Areas: agent, link, probes, services, cluster, forwards, notices. Levels: debug, info, warning, error. A change
    takes effect at once and expires after --for, or when the agent restarts.
    """
    if seconds is not None and not levels:
        raise click.UsageError("--for needs a level: connmon-agent log level probes=debug --for 10m")
    from ..runtime.control import ask_agent  # not for --help
    from ..runtime.logs.level_requests import LOG_LEVEL

    arguments: dict[str, object] = {"levels": dict(levels), "reset": reset}
    if seconds is not None:
        arguments["for"] = seconds
    answer = ask_agent(invocation.state_directory(), LOG_LEVEL, arguments, patience=PATIENCE)
    document = {"configured": answer.get("configured"), "areas": answer.get("areas", [])}
    echo_json(document) if json else click.echo(_render(document))


def _render(document: dict[str, Any]) -> str:
    from ..loading.durations import format_duration  # not for --help
    from .rendering.tables import lay_out

    rows = []
    for area in document["areas"]:
        left = area["left"]
        until = "" if left is None else f"for {format_duration(left)}, then {document['configured']}"
        rows.append((area["area"], area["level"], until))
    return "\n".join(lay_out(rows, width=80))

"""``connmon-agent metrics``: the metrics from the state file, for people and node_exporter's textfile collector."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from ..core.world import World
from ..errors import ConnmonError
from ..metrics.catalog import Observed, make_families
from ..metrics.exposition import write_open_metrics, write_text
from ..store.reading import Reader
from ..store.records import LatestRound
from .invocations import Invocation
from .rendering.snapshots import Snapshot

FILE_NAME = "connmon.prom"
SUFFIX = ".prom"  # of the files that the collector reads, and no others
READABLE = 0o644
ASIDE = ("gateway", "interface", "api")  # kinds of targets without a vote


@click.command(short_help="Print the metrics, or write them for node_exporter.")
@click.option(
    "--textfile",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help=f"Write them into {FILE_NAME} in this directory of node_exporter's textfile collector; "
    f"a path that ends in {SUFFIX} is the file itself.",
)
@click.option("--openmetrics", is_flag=True, help="OpenMetrics 1.0.0 instead of Prometheus' text format 0.0.4.")
@click.pass_context
def metrics(ctx: click.Context, textfile: Path | None, openmetrics: bool) -> None:
    """Print the metrics as the state file has them.

    The agent need not run, and no port is open: connmon_agent_running tells whether it does. What only the running
    process knows (its commits' durations and its loop's lag) is served by `metrics.listen` alone.
    """
    invocation: Invocation = ctx.obj
    if textfile is not None and openmetrics:
        raise click.UsageError("node_exporter reads the text format: leave out --openmetrics")
    families = make_families(observe(invocation.database()))
    text = write_open_metrics(families) if openmetrics else write_text(families)
    if textfile is None:
        click.echo(text, nl=False)
    else:
        write_file(textfile if textfile.suffix == SUFFIX else textfile / FILE_NAME, text)


def observe(database: Path) -> Observed:
    """What the state file tells. Raises StoreError."""
    from .status import take_snapshot

    snapshot = take_snapshot(database)
    if snapshot.events == 0 and snapshot.agent is None:
        return Observed("", World(store=""), (), snapshot.bytes, running=snapshot.running, watched=False)
    with Reader(database) as reader:
        tallies, lines = reader.tallies()
        born = reader.born()
    return Observed(
        version=snapshot.agent.version if snapshot.agent else "",
        world=snapshot.world,
        targets=_targets(snapshot.round),
        journal_bytes=snapshot.bytes,
        running=snapshot.running,
        watched=snapshot.watched,
        tallies=tallies,
        lines=lines,
        heartbeat=_heartbeat(snapshot),
        born=born,
    )


def _targets(latest: LatestRound | None) -> tuple[str, ...]:
    return () if latest is None else tuple(result.name for result in latest.results if result.kind not in ASIDE)


def _heartbeat(snapshot: Snapshot) -> float | None:
    return None if snapshot.agent is None else snapshot.agent.heartbeat.wall


def write_file(path: Path, text: str) -> None:
    """Put ``text`` into ``path`` at once, so that no reader sees half of it. Raises ConnmonError."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                os.chmod(name, READABLE)
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise ConnmonError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Name a directory that exists and that this user may write to",
        ) from error

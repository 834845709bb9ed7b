"""``connmon-agent metrics``: the metrics from the state file, for people and node_exporter's textfile collector."""

from __future__ import annotations

from pathlib import Path

import click

from ..core.counters import ASIDE
from ..core.world import World
from ..generated_files import write_file
from ..metrics.catalog import Observed, make_families
from ..metrics.exposition import write_open_metrics, write_text
from ..store.reading import Reader
from ..store.records import LatestRound
from .invocations import Invocation
from .outputs import echo_data
from .rendering.snapshots import Snapshot

FILE_NAME = "connmon.prom"
SUFFIX = ".prom"  # of the files that the collector reads, and no others


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
    """Print the metrics from the state file.

    No running agent and no open port is needed; connmon_agent_running shows whether an agent is running. Metrics of the
    running process itself (commit durations, event loop lag) are only served by `metrics.listen`.
    """
    invocation: Invocation = ctx.obj
    if textfile is not None and openmetrics:
        raise click.UsageError("node_exporter reads the text format; omit --openmetrics")
    families = make_families(observe(invocation.database()))
    text = write_open_metrics(families) if openmetrics else write_text(families)
    if textfile is None:
        echo_data(text)
    else:
        path = textfile if textfile.suffix == SUFFIX else textfile / FILE_NAME
        write_file(path, text.encode(), replace=True)  # at once: the collector reads no half of it


def observe(database: Path) -> Observed:
    """What the state file tells. Raises StoreError."""
    from .status import take_snapshot  # not for --help

    snapshot = take_snapshot(database)
    if snapshot.events == 0 and snapshot.agent is None:
        return Observed("", World(store=""), (), snapshot.bytes, running=snapshot.running, watched=False)
    with Reader(database) as reader:
        counters, lines = reader.counters()
        born = reader.born()
    return Observed(
        version=snapshot.agent.version if snapshot.agent else "",
        world=snapshot.world,
        targets=_targets(snapshot.round),
        journal_bytes=snapshot.bytes,
        running=snapshot.running,
        watched=snapshot.watched,
        counters=counters,
        lines=lines,
        heartbeat=_heartbeat(snapshot),
        born=born,
        channels=tuple(sorted({notice.channel for notice in snapshot.notices})),
        unsent=tuple(notice for notice in snapshot.notices if notice.unsent),
    )


def _targets(latest: LatestRound | None) -> tuple[str, ...]:
    return () if latest is None else tuple(result.name for result in latest.results if result.kind not in ASIDE)


def _heartbeat(snapshot: Snapshot) -> float | None:
    return None if snapshot.agent is None else snapshot.agent.heartbeat.wall

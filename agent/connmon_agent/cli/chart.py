"""``connmon-agent chart``: the statecharts, drawn from the YAML that the agent runs by."""

from __future__ import annotations

import click

from .completion import complete_charts


@click.command()
@click.argument("name", required=False, shell_complete=complete_charts)
@click.option(
    "--format",
    "format_",
    type=click.Choice(["text", "mermaid", "dot"]),
    default="text",
    show_default=True,
    help="text for people, mermaid for Markdown, dot for Graphviz.",
)
def chart(name: str | None, format_: str) -> None:
    """Draw the statechart NAME, or all of them.

    The charts are read from the YAML files that the agent runs, and checked before they are drawn.
    """
    from ..charts.drawing import draw  # not for --help
    from ..loading.charts import find_charts_folder, load_charts

    charts = load_charts(find_charts_folder())
    if name is not None and name not in charts:
        raise click.BadParameter(f"no chart {name!r}; the charts are {', '.join(charts)}", param_hint="NAME")
    chosen = charts.values() if name is None else [charts[name]]
    click.echo("\n".join(draw(each, format_) for each in chosen), nl=False)

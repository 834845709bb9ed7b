"""Statecharts from YAML files: read with the line of everything, judged by the core, told as file and line."""

from __future__ import annotations

import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..charts.chart import Chart
from ..charts.chart_checks import judge_data
from ..charts.forms import Mistake
from ..charts.forms import Path as KeyPath
from ..charts.vocabulary import Vocabulary
from ..core.link import link_rules
from ..core.ports import forward_rules
from ..core.services import service_rules
from ..errors import ConfigurationError, Problem
from .documents import read_document
from .nodes import ListNode, MappingNode, Node
from .problems import refuse_file

# The charts of the agent, and what each may name.
VOCABULARIES: Mapping[str, Vocabulary[Any]] = {
    "link": link_rules.VOCABULARY,
    "service": service_rules.VOCABULARY,
    "forward": forward_rules.VOCABULARY,
}

# agent/connmon_agent/loading/charts.py: four levels up is the checkout.
_BESIDE_CHECKOUT = Path(__file__).resolve().parents[3] / "statecharts"
# Where pip puts the package's data: of this environment, and of a `pip install --user`.
_INSTALLED = tuple(
    Path(sysconfig.get_path("data", scheme)) / "share" / "connmon-agent" / "statecharts"
    for scheme in (sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user"))
)
PLACES = (_BESIDE_CHECKOUT, *_INSTALLED)


def find_charts_folder(places: tuple[Path, ...] = PLACES) -> Path:
    """The first of ``places`` that is there: ``statecharts/`` beside the checkout, else where the package puts it.

    Raises ConfigurationError when there is none.
    """
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place) for place in places)
    raise ConfigurationError(
        [
            Problem(
                "statecharts", None, "", f"folder not found; looked for {looked}", remedy="install connmon-agent again"
            )
        ]
    )


def load_charts(folder: Path, vocabularies: Mapping[str, Vocabulary[Any]] = VOCABULARIES) -> dict[str, Chart]:
    """The charts ``NAME.yaml`` in ``folder``, one for each name of ``vocabularies``; other files are left alone.

    Raises ConfigurationError with the mistakes of all of them.
    """
    charts: dict[str, Chart] = {}
    problems: list[Problem] = []
    for name, vocabulary in vocabularies.items():
        try:
            charts[name] = load_chart(folder / f"{name}.yaml", vocabulary)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(problems)
    return charts


def load_chart(path: Path, vocabulary: Vocabulary[Any]) -> Chart:
    """The chart in the file ``path``, whose name it must bear. Raises ConfigurationError with all its mistakes."""
    if path.suffix != ".yaml":
        raise refuse_file(str(path), "a chart is a file NAME.yaml", remedy="rename it")
    document = read_document(path)
    chart, mistakes = judge_data(_plain(document.root), vocabulary)
    if chart.name and chart.name != path.stem:
        remedy = f"write {path.stem}, or rename the file"
        mistakes.append(Mistake(("chart",), "is not the name of its file", chart.name, remedy))
    for mistake in mistakes:
        line = _find_line(document.root, mistake.path)
        document.problems.add(mistake.message, line=line, key=mistake.key, value=mistake.value, remedy=mistake.remedy)
    document.problems.raise_if_any()
    return chart


def _plain(root: Node) -> object:
    """The data under ``root``, every scalar as it is written: no state ``ON`` becomes a truth value, no 1:30 a number.

    A node that aliases share is turned once, or a few aliases of aliases would fill the memory.
    """
    turned: dict[int, object] = {}

    def turn(node: Node) -> object:
        if id(node) not in turned:
            if isinstance(node, MappingNode):
                turned[id(node)] = {key: turn(entry.node) for key, entry in node.entries.items()}
            elif isinstance(node, ListNode):
                turned[id(node)] = [turn(item) for item in node.items]
            else:
                turned[id(node)] = None if node.is_null else node.text
        return turned[id(node)]

    return turn(root)


def _find_line(root: Node, path: KeyPath) -> int:
    """The line of the last step of ``path`` that is in the file."""
    node, line = root, root.line
    for step in path:
        if isinstance(node, MappingNode) and step in node.entries:
            entry = node.entries[str(step)]
            node, line = entry.node, entry.line
        elif isinstance(node, ListNode) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            line = node.line
        else:
            break
    return line

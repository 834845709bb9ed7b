"""Families as text: Prometheus' format 0.0.4 and OpenMetrics 1.0.0.

https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .families import Family, Kind, Labels

TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPEN_METRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_MEDIA_TYPE = "application/openmetrics-text"
_OLD_KINDS = {Kind.STATE_SET: "gauge", Kind.INFO: "gauge"}  # what 0.0.4 does not know


def wants_open_metrics(accept: str) -> bool:
    """Whether an Accept header prefers OpenMetrics to plain text; the text is for all who do not say so."""
    weights = {"openmetrics": 0.0, "text": 0.0}
    for item in accept.split(","):
        media, *parameters = (part.strip().lower() for part in item.split(";"))
        if media == _MEDIA_TYPE and _is_version_1(parameters):
            weights["openmetrics"] = max(weights["openmetrics"], _weight(parameters))
        elif media == "text/plain":
            weights["text"] = max(weights["text"], _weight(parameters))
    return weights["openmetrics"] > 0.0 and weights["openmetrics"] >= weights["text"]


def _is_version_1(parameters: list[str]) -> bool:
    versions = [value for value in parameters if value.startswith("version=")]
    return not versions or versions[0].removeprefix("version=").strip('"') in ("1.0.0", "0.0.1")


def _weight(parameters: list[str]) -> float:
    for value in parameters:
        if value.startswith("q="):
            try:
                return float(value[2:])
            except ValueError:
                return 0.0
    return 1.0


def write_text(families: Iterable[Family]) -> str:
    """The families in Prometheus' text format. When a counter was created has no place in it."""
    return "".join(line for family in families for line in _text_lines(family))


def _text_lines(family: Family) -> Iterator[str]:
    suffix = {Kind.COUNTER: "_total", Kind.INFO: "_info"}.get(family.kind, "")
    name = family.name + suffix
    yield f"# HELP {name} {_escape_help(family.help)}\n"
    yield f"# TYPE {name} {_OLD_KINDS.get(family.kind, family.kind)}\n"
    for sample in family.samples:
        if sample.suffix != "_created":
            yield f"{family.name}{sample.suffix}{_write_labels(sample.labels)} {_write_value(sample.value)}\n"


def write_open_metrics(families: Iterable[Family], *, at: float | None = None) -> str:
    """The families in OpenMetrics. ``at``: the time that each sample carries, in Unix seconds (None: none)."""
    lines = [line for family in families for line in open_metrics_lines(family, at)]
    return "".join((*lines, "# EOF\n"))


def open_metrics_lines(family: Family, at: float | None = None) -> Iterator[str]:
    """One family's lines in OpenMetrics."""
    yield from describe_family(family)
    yield from sample_lines(family, at)


def describe_family(family: Family) -> Iterator[str]:
    """What stands above the samples of a family: once in a text, however many there are."""
    yield f"# TYPE {family.name} {family.kind}\n"
    if family.unit:
        yield f"# UNIT {family.name} {family.unit}\n"
    yield f"# HELP {family.name} {_escape(family.help)}\n"


def sample_lines(family: Family, at: float | None = None) -> Iterator[str]:
    """The samples alone."""
    stamp = "" if at is None else f" {at:.3f}"
    for sample in family.samples:
        yield f"{family.name}{sample.suffix}{_write_labels(sample.labels)} {_write_value(sample.value)}{stamp}\n"


def _write_labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _write_value(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))

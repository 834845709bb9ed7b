"""Metric families as values, after the OpenMetrics 1.0 data model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Labels = tuple[tuple[str, str], ...]


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    STATE_SET = "stateset"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value. ``suffix`` follows the family's name (``_total``, ``_bucket``); ``labels`` are in their order."""

    suffix: str
    labels: Labels
    value: float


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its series. ``name`` lacks ``_total`` and ``_info``; ``unit`` is its last word, or empty."""

    name: str
    kind: Kind
    help: str
    samples: tuple[Sample, ...]
    unit: str = ""


def labelled(**labels: str) -> Labels:
    """Labels in the order in which they are written."""
    return tuple(labels.items())


def gauge(name: str, help: str, values: Iterable[tuple[Labels, float]], *, unit: str = "") -> Family:
    """A family whose values go up and down."""
    return Family(name, Kind.GAUGE, help, tuple(Sample("", labels, value) for labels, value in values), unit)


def counter(
    name: str, help: str, values: Iterable[tuple[Labels, float]], *, created: float | None, unit: str = ""
) -> Family:
    """A family that only grows. ``created``: since when it has been counted, in Unix seconds (None: not known)."""
    samples: list[Sample] = []
    for labels, value in values:
        samples.append(Sample("_total", labels, value))
        samples.extend(_created(labels, created))
    return Family(name, Kind.COUNTER, help, tuple(samples), unit)


def histogram(
    name: str,
    help: str,
    bounds: Sequence[float],
    values: Iterable[tuple[Labels, Sequence[int], float]],
    *,
    created: float | None,
    unit: str,
) -> Family:
    """Counts by class. Of each series: its labels, how many fell into each class and above the last, and their sum."""
    samples: list[Sample] = []
    for labels, counts, total in values:
        reached = 0
        for bound, count in zip((*(f"{bound:.12g}" for bound in bounds), "+Inf"), counts, strict=True):
            reached += count
            samples.append(Sample("_bucket", (*labels, ("le", _as_float(bound))), reached))
        samples += [Sample("_count", labels, reached), Sample("_sum", labels, total), *_created(labels, created)]
    return Family(name, Kind.HISTOGRAM, help, tuple(samples), unit)


def state_set(name: str, help: str, states: Sequence[str], values: Iterable[tuple[Labels, str]]) -> Family:
    """Which of ``states`` each series is in: 1 for that one, 0 for the others."""
    samples = (
        Sample("", (*labels, (name, state)), float(state == current)) for labels, current in values for state in states
    )
    return Family(name, Kind.STATE_SET, help, tuple(samples))


def info(name: str, help: str, labels: Mapping[str, str]) -> Family:
    """Constants, as labels of a 1."""
    return Family(name, Kind.INFO, help, (Sample("_info", tuple(labels.items()), 1.0),))


def _created(labels: Labels, created: float | None) -> Iterable[Sample]:
    return () if created is None else (Sample("_created", labels, created),)


def _as_float(bound: str) -> str:
    """OpenMetrics wants bounds that look like floats: ``1.0``, not ``1``."""
    return bound if "." in bound or bound == "+Inf" else f"{bound}.0"

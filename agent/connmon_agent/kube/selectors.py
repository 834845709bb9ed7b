"""Label selectors: whether one matches labels, and how one is written in a query.

Rules: https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors
"""

from __future__ import annotations

from collections.abc import Mapping

from .object_fields import part_of
from .requests import Json


def match_labels(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether every requirement of ``selector`` (matchLabels and matchExpressions) holds for ``labels``.

    An empty selector matches everything; an operator that does not exist matches nothing.
    """
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_match_expression(expression, labels) for expression in selector.get("matchExpressions") or ())


def selector_of(workload: Json) -> str:
    """What selects the workload's pods, as the value of ``labelSelector=``; the empty text selects everything."""
    return format_selector(part_of(part_of(workload, "spec"), "selector"))


def format_selector(selector: Json) -> str:
    """The selector as the value of ``labelSelector=``."""
    parts = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    parts += [_format_expression(expression) for expression in selector.get("matchExpressions") or ()]
    return ",".join(parts)


def _match_expression(expression: Json, labels: Mapping[str, str]) -> bool:
    value = labels.get(str(expression.get("key")))
    values = expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case _:
            return False


def _format_expression(expression: Json) -> str:
    key, values = expression.get("key"), ",".join(expression.get("values") or ())
    match expression.get("operator"):
        case "In":
            return f"{key} in ({values})"
        case "NotIn":
            return f"{key} notin ({values})"
        case "DoesNotExist":
            return f"!{key}"
        case _:
            return f"{key}"

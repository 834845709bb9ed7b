"""Label selectors, in the text form of a query and in the object form of a manifest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_CLAUSE = re.compile(
    r"""\s*(?:
      (?P<key>[\w./-]+)\s*(?P<equality>==|=|!=)\s*(?P<value>[\w.-]*)
    | (?P<set_key>[\w./-]+)\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\)
    | (?P<absent>!)?\s*(?P<bare>[\w./-]+)
    )\s*(?:,|$)""",
    re.VERBOSE,
)


class SelectorError(ValueError):
    """A selector that cannot be understood."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label. ``operator`` is in, notin, exists or absent; ``values`` belongs to the first two.

    ``notin`` holds for an object without the label, as in Kubernetes.
    """

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` meet this condition."""
        match self.operator:
            case "in":
                return labels.get(self.key) in self.values
            case "notin":
                return labels.get(self.key) not in self.values
            case "exists":
                return self.key in labels
            case _:
                return self.key not in labels


@dataclass(frozen=True, slots=True)
class Selector:
    """All of its requirements; the empty selector matches everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` meet every requirement."""
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_selector(text: str) -> Selector:
    """The selector of a ``labelSelector`` query: ``a=b,c!=d,e in (f,g),h notin (i),j,!k``. Raises SelectorError."""
    requirements = []
    at = 0
    while at < len(text):
        clause = _CLAUSE.match(text, at)
        if clause is None:
            raise SelectorError(f"unable to parse requirement: {text[at:]!r}")
        requirements.append(_to_requirement(clause))
        at = clause.end()
    return Selector(tuple(requirements))


def _to_requirement(clause: re.Match[str]) -> Requirement:
    if clause["equality"]:
        return Requirement(clause["key"], "notin" if clause["equality"] == "!=" else "in", (clause["value"],))
    if clause["set"]:
        values = tuple(value.strip() for value in clause["values"].split(","))
        return Requirement(clause["set_key"], clause["set"], values)
    return Requirement(clause["bare"], "absent" if clause["absent"] else "exists")


_EXPRESSIONS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "absent"}


def read_selector(selector: Mapping[str, Any]) -> Selector:
    """The selector of a manifest: ``matchLabels`` and ``matchExpressions``. Raises SelectorError."""
    equalities = [Requirement(key, "in", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    expressions = []
    for expression in selector.get("matchExpressions") or ():
        if expression.get("operator") not in _EXPRESSIONS:
            raise SelectorError(f"not a valid selector operator: {expression.get('operator')!r}")
        operator = _EXPRESSIONS[expression["operator"]]
        expressions.append(Requirement(expression["key"], operator, tuple(expression.get("values") or ())))
    return Selector((*equalities, *expressions))

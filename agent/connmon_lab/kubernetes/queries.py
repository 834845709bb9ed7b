"""What the query of a list or watch asks for. Pure; raises ApiError for what cannot be understood.

The codes are those of a kube-apiserver 1.20: 400, but 500 for a resourceVersion that is no number.
"""

from __future__ import annotations

from collections.abc import Mapping

from .routes import ApiRoute
from .selectors import Selector, SelectorError, parse_selector
from .statuses import ApiError
from .watches import FieldClause, Scope

# What a field selector may name: of every kind, and of one (kubernetes pkg/apis/core/v1/conversion.go).
_FIELDS = ("metadata.name", "metadata.namespace")
_FIELDS_OF = {
    "Event": ("involvedObject.kind", "involvedObject.name", "involvedObject.uid", "reason", "type"),
    "Pod": ("spec.nodeName", "status.phase", "status.podIP"),
}

# A kube-apiserver takes between this and twice this for a watch that names no end (--min-request-timeout).
LONGEST_WATCH = 1800.0


def read_flag(query: Mapping[str, str], name: str) -> bool:
    """A flag as apimachinery reads one: there, and neither ``0`` nor ``false``."""
    return name in query and query[name].lower() not in ("0", "false")


def read_scope(route: ApiRoute, query: Mapping[str, str]) -> Scope:
    """Which objects are meant."""
    namespace = route.namespace if route.resource.namespaced else None
    return Scope(route.resource, namespace, _read_label_selector(query), _read_field_selector(route, query))


def read_version(query: Mapping[str, str]) -> int:
    """The version from which to watch; 0: from now, beginning with what is there."""
    return _read_number(query, "resourceVersion", code=500)


def read_seconds(query: Mapping[str, str]) -> float:
    """After how many seconds a watch ends; a negative number is over at once."""
    return float(_read_number(query, "timeoutSeconds", code=400)) or LONGEST_WATCH


def _read_number(query: Mapping[str, str], name: str, *, code: int) -> int:
    text = query.get(name) or "0"
    try:
        return int(text)
    except ValueError:
        raise ApiError(code, f'{name}: Invalid value: "{text}": invalid syntax') from None


def _read_label_selector(query: Mapping[str, str]) -> Selector:
    try:
        return parse_selector(query.get("labelSelector", ""))
    except SelectorError as error:
        raise ApiError(400, str(error)) from None


def _read_field_selector(route: ApiRoute, query: Mapping[str, str]) -> tuple[FieldClause, ...]:
    clauses = [clause for clause in query.get("fieldSelector", "").split(",") if clause]
    return tuple(_read_clause(route.resource.kind, clause) for clause in clauses)


def _read_clause(kind: str, clause: str) -> FieldClause:
    name, negated, value = clause.partition("!=")
    if not negated:
        name, _, value = clause.replace("==", "=").partition("=")
    if name not in (*_FIELDS, *_FIELDS_OF.get(kind, ())):
        raise ApiError(400, f'field label not supported: "{name}"')
    return FieldClause(tuple(name.split(".")), value, negated=bool(negated))

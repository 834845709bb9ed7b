"""The ``services`` section: what to restart, after which others, and the local ports that lead there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from msgspec.structs import replace

from ..core.plan import Kind, ServicePlan, find_cycle, with_stages
from ..core.ports.urls import variable_of
from ..settings import ForwardSettings, Transport
from .defaults import PORTS, default_forwards, services_of
from .keys import MOST_SERVICES, SERVICE
from .nodes import MappingNode, ScalarNode
from .sections import Section, open_section
from .values import Rejected, Value, find_nearest, read_object_name

FORWARD_KEYS = ("port", "service", "alternatives", "target", "check", "transport")
MOST_CYCLES = 10  # that are named; to mend one often mends others
KINDS = {
    "deployment": Kind.DEPLOYMENT,
    "statefulset": Kind.STATEFUL_SET,
    "daemonset": Kind.DAEMON_SET,
}


class Services(NamedTuple):
    """What the section says."""

    plans: tuple[ServicePlan, ...]
    forwards: dict[str, ForwardSettings]


class _Candidate(NamedTuple):
    """One service whose relations to the others are not checked yet."""

    plan: ServicePlan
    forward: ForwardSettings | None
    section: Section


def read_services(root: Section, namespace: str, transport: Transport) -> Services:
    """The services under ``root``, each mistake noted; the ERP's seven when the key is not in the file.

    ``transport`` is that of every local port that names none.
    """
    value = root.find("services")
    if value is None:
        forwards = {name: replace(forward, transport=transport) for name, forward in default_forwards().items()}
        return Services(services_of(tuple(PORTS), namespace), forwards)
    noted = root.problems.count
    candidates = _read_candidates(value, namespace, transport)
    check_primaries([(c.plan.name, c.forward.port, c.section) for c in candidates if c.forward], key="port")
    _check_variables(candidates)
    _check_workloads(candidates)
    _check_dependencies(candidates)
    plans = tuple(candidate.plan for candidate in candidates)
    if root.problems.count == noted:  # with_stages trusts its input
        plans = with_stages(plans)
    return Services(plans, {c.plan.name: c.forward for c in candidates if c.forward})


def _read_candidates(value: Value, namespace: str, transport: Transport) -> list[_Candidate]:
    try:
        section = _open_services(value)
    except Rejected:
        return []
    candidates = []
    for name in section.names:
        try:
            _read_name(section, name)
            candidates.append(_read_service(name, section.section(name), namespace, transport))
        except Rejected:
            continue
    return candidates


def _open_services(value: Value) -> Section:
    if isinstance(value.node, ScalarNode) and value.node.is_null:
        # Whoever comments all services out does not expect that the ERP's seven are restarted instead.
        value.reject("must list services", "list them, write {} for none, or delete the key to use the seven defaults")
    if isinstance(value.node, MappingNode) and len(value.node.entries) > MOST_SERVICES:
        value.reject(f"holds more than {MOST_SERVICES} services", "run one agent per site")
    return open_section(value)


def _read_name(section: Section, name: str) -> None:
    line = section.line_of(name)
    read_object_name(Value(section.problems, section.path_of(name), ScalarNode(name, name, line, quoted=True)))


def _read_service(name: str, section: Section, namespace: str, transport: Transport) -> _Candidate:
    written = SERVICE.read_written(section)
    kind = _choose_kind(section)
    values = {**SERVICE.defaults, "namespace": namespace, "service": name, "transport": transport, **written}
    plan = ServicePlan(
        name=name,
        kind=KINDS[kind],
        namespace=values["namespace"],
        workload=values.get(kind, name),
        depends_on=values["depends_on"],
    )
    forward = _make_forward(section, values)
    section.close()
    return _Candidate(plan, forward, section)


def _choose_kind(section: Section) -> str:
    given = [key for key in KINDS if section.has(key)]
    for key in given[1:]:
        section.report(key, f"a service is one workload, and {given[0]} names it already", remedy="keep one of them")
    return given[0] if given else "deployment"


def _make_forward(section: Section, values: Mapping[str, Any]) -> ForwardSettings | None:
    if not section.has("port"):
        for key in FORWARD_KEYS:
            if section.has(key):
                section.report(key, "has no effect without port", remedy="add port, or remove this key")
    if "port" not in values:
        return None
    forward = ForwardSettings(**{name: values[name] for name in FORWARD_KEYS})
    check_alternatives(section, "alternatives", port=forward.port, alternatives=forward.alternatives)
    return forward


def check_alternatives(section: Section, key: str, *, port: int, alternatives: Sequence[int]) -> None:
    """Note an alternative that is the primary port itself or comes twice."""
    for index, other in enumerate(alternatives):
        if other == port:
            section.report(key, f"{other} is the primary port itself", remedy="remove it here")
        elif other in alternatives[:index]:
            section.report(key, f"{other} is listed twice", remedy="keep one of the two")


def check_primaries(ports: Iterable[tuple[str, int, Section]], *, key: str) -> None:
    """Note a primary port that belongs to an earlier service already: (service, port, section) each."""
    owners: dict[int, str] = {}
    for name, port, section in ports:
        if port in owners:
            section.report(key, f"is already the local port of {owners[port]}", remedy="give each service its own port")
        owners.setdefault(port, name)


def _check_variables(candidates: Sequence[_Candidate]) -> None:
    """Two services whose names differ only in what a shell's variable cannot hold would have one in endpoints.env."""
    owners: dict[str, str] = {}
    for candidate in (candidate for candidate in candidates if candidate.forward is not None):
        name = candidate.plan.name
        owner = owners.setdefault(variable_of(name), name)
        if owner != name:
            message = f"{variable_of(name)}_URL in endpoints.env would be {owner}'s too"
            key = next(word for word, kind in KINDS.items() if kind is candidate.plan.kind)
            remedy = f"rename one of the two here, and keep what it stands for with {key}: and service:"
            candidate.section.report("port", message, remedy=remedy)


def _check_workloads(candidates: Sequence[_Candidate]) -> None:
    owners: dict[tuple[Kind, str, str], str] = {}
    for candidate in candidates:
        plan = candidate.plan
        owner = owners.setdefault((plan.kind, plan.namespace, plan.workload), plan.name)
        if owner != plan.name:
            message = f"{plan.kind} {plan.namespace}/{plan.workload} is already used by {owner}"
            key = next(name for name, kind in KINDS.items() if kind is plan.kind)
            candidate.section.report(key, message, remedy="list each workload once")


def _check_dependencies(candidates: Sequence[_Candidate]) -> None:
    by_name = {candidate.plan.name: candidate for candidate in candidates}
    for candidate in candidates:
        for index, other in enumerate(candidate.plan.depends_on):
            if other not in by_name:
                meant = find_nearest(other, list(by_name))
                remedy = f"did you mean {meant}?" if meant else f"the services are {', '.join(by_name)}"
                candidate.section.report("depends_on", f"there is no service {other}", remedy=remedy)
            elif other in candidate.plan.depends_on[:index]:
                candidate.section.report("depends_on", f"{other} is listed twice", remedy="keep one of the two")
    _check_cycles(by_name)


def _check_cycles(by_name: dict[str, _Candidate]) -> None:
    edges = {name: candidate.plan.depends_on for name, candidate in by_name.items()}
    for _ in range(MOST_CYCLES):
        cycle = find_cycle(edges)
        if not cycle:
            return
        message = f"dependency cycle: {' -> '.join(cycle)}"
        by_name[cycle[0]].section.report("depends_on", message, remedy="remove one of these dependencies")
        # Cutting the cycle where it closes lets the next one be found.
        last = cycle[-2]
        edges[last] = tuple(other for other in edges[last] if other != cycle[-1])

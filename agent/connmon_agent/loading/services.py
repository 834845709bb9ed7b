"""The ``services`` section: what to restart, after which others, and the local ports that lead there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from ..core.plan import Kind, ServicePlan, find_cycle, with_stages
from ..core.urls import variable_of
from ..settings import ForwardSettings, Transport
from .defaults import PORTS, default_forwards, services_of
from .forwardings import read_check, read_transport
from .nodes import MappingNode, ScalarNode
from .sections import Section, open_section
from .values import (
    Rejected,
    Value,
    described,
    find_nearest,
    list_of,
    nullable,
    read_label,
    read_object_name,
    read_port,
    read_text,
)

MOST_SERVICES = 300  # three times the largest site that is measured; a chain of that many still fits the stack
MOST_ALTERNATIVES = 100  # ports; each is looked for whenever the ports are given out
MOST_CYCLES = 10  # that are named; to mend one often mends others
_KINDS = {
    "deployment": Kind.DEPLOYMENT,
    "statefulset": Kind.STATEFUL_SET,
    "daemonset": Kind.DAEMON_SET,
}


@dataclass(frozen=True, slots=True)
class Services:
    """What the section says."""

    plans: tuple[ServicePlan, ...]
    forwards: dict[str, ForwardSettings]


@dataclass(frozen=True, slots=True)
class _Candidate:
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
        value.reject("must hold services", "write them, {} for none, or remove the key for the ERP's seven")
    if isinstance(value.node, MappingNode) and len(value.node.entries) > MOST_SERVICES:
        value.reject(f"holds more than {MOST_SERVICES} services", "run one agent a site")
    return open_section(value)


def _read_name(section: Section, name: str) -> None:
    line = section.line_of(name)
    read_object_name(Value(section.problems, section.path_of(name), ScalarNode(name, name, line, quoted=True)))


def _read_service(name: str, section: Section, namespace: str, transport: Transport) -> _Candidate:
    kind_key = _choose_kind(section)
    plan = ServicePlan(
        name=name,
        kind=_KINDS[kind_key],
        namespace=section.take("namespace", namespace, read_label),
        workload=section.take(kind_key, name, read_object_name),
        depends_on=section.take("depends_on", (), list_of(read_text, most=MOST_SERVICES)),
    )
    forward = _read_forward(name, section, transport)
    section.close()
    return _Candidate(plan, forward, section)


def _choose_kind(section: Section) -> str:
    given = [key for key in _KINDS if section.find(key) is not None]
    for key in given[1:]:
        section.report(key, f"a service is one workload, and {given[0]} names it already", remedy="keep one of them")
    return given[0] if given else "deployment"


def _read_forward(name: str, section: Section, transport: Transport) -> ForwardSettings | None:
    port = section.take("port", None, read_port)
    alternatives = section.take("alternatives", (), list_of(read_port, most=MOST_ALTERNATIVES))
    forward = ForwardSettings(
        service=section.take("service", name, read_label),
        port=port or 0,
        alternatives=alternatives,
        target=section.take("target", None, _read_target_port),
        check=section.take("check", None, nullable(read_check)),
        transport=section.take("transport", transport, read_transport),
    )
    if not section.has("port"):
        for key in ("service", "alternatives", "target", "check", "transport"):
            if section.has(key):
                section.report(key, "has no effect without port", remedy="add port, or remove this key")
    if port is None:
        return None
    check_alternatives(section, "alternatives", port=port, alternatives=alternatives)
    return forward


@described({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 1, "maximum": 65535}, {"type": "null"}]})
def _read_target_port(value: Value) -> str | None:
    node = value.node
    if isinstance(node, ScalarNode) and node.is_null:
        return None
    if isinstance(node, ScalarNode) and node.text.isdecimal():
        number = Value(value.problems, value.key, ScalarNode(int(node.text[:9]), node.text, node.line))
        return str(read_port(number))
    return read_text(value)


def check_alternatives(section: Section, key: str, *, port: int, alternatives: Sequence[int]) -> None:
    """Note an alternative that is the primary port itself or comes twice."""
    for index, other in enumerate(alternatives):
        if other == port:
            section.report(key, f"{other} is the primary port itself", remedy="remove it here")
        elif other in alternatives[:index]:
            section.report(key, f"{other} is here twice", remedy="keep one of the two")


def check_primaries(ports: Iterable[tuple[str, int, Section]], *, key: str) -> None:
    """Note a primary port that belongs to an earlier service already: (service, port, section) each."""
    owners: dict[int, str] = {}
    for name, port, section in ports:
        if port in owners:
            section.report(key, f"is the local port of {owners[port]} already", remedy="give each service its own port")
        owners.setdefault(port, name)


def _check_variables(candidates: Sequence[_Candidate]) -> None:
    """Two services whose names differ only in what a shell's variable cannot hold would have one in endpoints.env."""
    owners: dict[str, str] = {}
    for candidate in (candidate for candidate in candidates if candidate.forward is not None):
        name = candidate.plan.name
        owner = owners.setdefault(variable_of(name), name)
        if owner != name:
            message = f"{variable_of(name)}_URL in endpoints.env would be {owner}'s too"
            key = next(word for word, kind in _KINDS.items() if kind is candidate.plan.kind)
            remedy = f"rename one of the two here, and keep what it stands for with {key}: and service:"
            candidate.section.report("port", message, remedy=remedy)


def _check_workloads(candidates: Sequence[_Candidate]) -> None:
    owners: dict[tuple[Kind, str, str], str] = {}
    for candidate in candidates:
        plan = candidate.plan
        owner = owners.setdefault((plan.kind, plan.namespace, plan.workload), plan.name)
        if owner != plan.name:
            message = f"{plan.kind} {plan.namespace}/{plan.workload} belongs to {owner} already"
            key = next(name for name, kind in _KINDS.items() if kind is plan.kind)
            candidate.section.report(key, message, remedy="name each workload once: it would be restarted twice")


def _check_dependencies(candidates: Sequence[_Candidate]) -> None:
    by_name = {candidate.plan.name: candidate for candidate in candidates}
    for candidate in candidates:
        for index, other in enumerate(candidate.plan.depends_on):
            if other not in by_name:
                meant = find_nearest(other, list(by_name))
                remedy = f"did you mean {meant}?" if meant else f"the services are {', '.join(by_name)}"
                candidate.section.report("depends_on", f"there is no service {other}", remedy=remedy)
            elif other in candidate.plan.depends_on[:index]:
                candidate.section.report("depends_on", f"{other} is here twice", remedy="keep one of the two")
    _check_cycles(by_name)


def _check_cycles(by_name: dict[str, _Candidate]) -> None:
    edges = {name: candidate.plan.depends_on for name, candidate in by_name.items()}
    for _ in range(MOST_CYCLES):
        cycle = find_cycle(edges)
        if not cycle:
            return
        message = f"these services wait for each other: {' -> '.join(cycle)}"
        by_name[cycle[0]].section.report("depends_on", message, remedy="remove one of these dependencies")
        # Cutting the cycle where it closes lets the next one be found.
        last = cycle[-2]
        edges[last] = tuple(other for other in edges[last] if other != cycle[-1])

"""Dependencies: cycles, and the stages that follow from them."""

from __future__ import annotations

import pytest

from connmon_agent.core.plan import Kind, Plan, ServicePlan, find_cycle, with_stages


def service(name: str, *depends_on: str) -> ServicePlan:
    return ServicePlan(name, Kind.DEPLOYMENT, "erp-system", name, depends_on)


@pytest.mark.parametrize(
    ("depends_on", "cycle"),
    [
        pytest.param({}, None, id="nothing"),
        pytest.param({"a": ("b",), "b": ()}, None, id="a chain"),
        pytest.param({"a": ("b", "c"), "b": ("d",), "c": ("d",), "d": ()}, None, id="a diamond"),
        pytest.param({"a": ("nobody",)}, None, id="unknown names are passed over"),
        pytest.param({"a": ("a",)}, ["a", "a"], id="itself"),
        pytest.param({"a": ("b",), "b": ("c",), "c": ("b",)}, ["b", "c", "b"], id="a cycle further on"),
    ],
)
def test_a_cycle_is_found_and_told_as_a_round(depends_on: dict[str, tuple[str, ...]], cycle: list[str] | None) -> None:
    assert find_cycle(depends_on) == cycle


def test_a_stage_is_one_more_than_the_highest_it_depends_on() -> None:
    services = with_stages([service("web", "api", "db"), service("api", "db"), service("db"), service("log")])
    assert {one.name: one.stage for one in services} == {"web": 2, "api": 1, "db": 0, "log": 0}
    assert [one.name for one in services] == ["web", "api", "db", "log"]


def test_a_service_is_found_by_its_name() -> None:
    plan = Plan(services=(service("db"), service("web")))
    assert plan.service("web") is plan.services[1]
    with pytest.raises(KeyError):
        plan.service("nobody")

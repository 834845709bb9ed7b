"""Whose pod template runs: by what was seen, and by no clock but our own steady one."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.memories import HEALTHY, start
from tests.fakes.mornings import at
from tests.fakes.sites import plan_of

from connmon_agent.core.draft import Draft
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import Inspected
from connmon_agent.core.observations import Observation
from connmon_agent.core.services.templates import forget_template, is_changed_since_return, is_ours, note_template
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Outage, Service, World

AT = Timestamp(1_000.0, 1_795_000_000.0)
OUTAGE = Outage(1, AT, "no answer")
BACK = replace(OUTAGE, back=AT.plus(60.0))
OVER = replace(BACK, ended=AT.plus(90.0))
SEEN = Observation(uid="uid-1", desired=1, available=1)
GONE = Observation(exists=False)


def live_through(*story: tuple[Outage | None, Observation | None]) -> Service:
    """The service after these looks, each in its outage. An outage that comes back anew (no observation) forgets."""
    world = World(store="disk0001", plan=plan_of("web"), services={"web": Service("web")})
    for outage, seen in story:
        draft = Draft(replace(world, outage=outage), AT)
        if seen is None:
            forget_template(draft, "web")
        else:
            note_template(draft, "web", seen)
        world = draft.world
    return world.services["web"]


def shown(template: str, *, rolling: bool = False) -> Observation:
    return replace(SEEN, template=template, rolling=rolling)


@pytest.mark.parametrize(
    ("story", "returned"),
    [
        pytest.param([(None, shown("a"))], None, id="no outage"),
        pytest.param([(OUTAGE, shown("a"))], None, id="dark"),
        pytest.param(
            [(OUTAGE, shown("a")), (BACK, shown("b"))], "b", id="changed unseen, and complete at the first look"
        ),
        pytest.param(
            [(OUTAGE, shown("a")), (BACK, shown("b", rolling=True))], "a", id="changed unseen, and still rolling out"
        ),
        pytest.param(
            [(OUTAGE, shown("b", rolling=True)), (BACK, shown("b", rolling=True))], "b", id="rolling out since the dark"
        ),
        pytest.param([(BACK, shown("b", rolling=True))], "b", id="never seen before"),
        pytest.param([(BACK, shown("a")), (BACK, shown("b"))], "a", id="only the first look counts"),
        pytest.param([(BACK, shown("a")), (OUTAGE, shown("b")), (BACK, None), (BACK, shown("b"))], "b", id="relapse"),
        pytest.param([(OVER, shown("a"))], None, id="after the recovery"),
        pytest.param([(BACK, GONE), (BACK, shown("a"))], "", id="made since"),
        pytest.param([(BACK, SEEN)], None, id="not known"),
    ],
)
def test_what_the_link_found_when_it_came_back(
    story: list[tuple[Outage | None, Observation | None]], returned: str | None
) -> None:
    assert live_through(*story).returned == returned


@pytest.mark.parametrize(
    ("template", "returned", "changed"),
    [("a", "a", False), ("b", "a", True), ("a", "", True), ("a", None, False), (None, "a", False), (None, None, False)],
)
def test_what_was_changed_since(template: str | None, returned: str | None, changed: bool) -> None:
    seen = replace(SEEN, template=template)
    assert is_changed_since_return(Service("web", returned=returned), seen) is changed


@pytest.mark.parametrize(
    ("token", "template", "ours"),
    [
        ("t", "made", True),
        ("t", "else", False),  # somebody changed the template and kept our annotations
        ("t", None, True),
        ("u", "made", False),
        (None, "made", False),
    ],
)
def test_what_is_ours(token: str | None, template: str | None, ours: bool) -> None:
    service = Service("web", token="t", made="made")
    assert is_ours(service, replace(SEEN, token=token, template=template)) is ours


def test_of_a_restart_that_a_lost_database_made_the_template_is_known_when_its_token_is_found() -> None:
    """Else whatever somebody does to that template later would be taken for our own restart, and restarted again."""
    engine, world = Engine(real_charts()), World(store="disk0001")
    found = replace(HEALTHY, token="2httcvdk-1-1-6", template="a")
    for event in (*start(0), Inspected(at(1), "frontend", found)):
        world = engine.step(world, event).world
    service = world.services["frontend"]
    assert (service.token, service.attempts, service.made) == ("2httcvdk-1-1-6", 1, "a")
    assert is_ours(service, found)
    assert not is_ours(service, replace(found, template="b"))

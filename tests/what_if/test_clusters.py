"""What services do after restarts that were not recorded, by each model."""

from __future__ import annotations

from math import inf

import pytest
from msgspec.structs import replace
from tests.fakes.memories import HEALTHY, ROLLING
from tests.fakes.mornings import at

from connmon_agent.core.events import Inspected, Outcome
from connmon_agent.core.observations import Unobserved
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Intent, Service, ServiceState
from connmon_agent.what_if.clusters import USUAL_READY, Attempt, Experience, Model, ModelledCluster

READY = Service("web", ServiceState.READY)
BROKEN = replace(HEALTHY, available=0)


def experience(**attempts: list[Attempt]) -> Experience:
    return Experience(attempts=dict(attempts))  # type: ignore[arg-type]  # read only


def ready(found: Experience, model: Model, now: float, last: int | None = None) -> float:
    return found.ready_after("web", now, model, last)[0]


def test_a_restart_goes_as_the_recorded_one_that_is_nearest() -> None:
    found = experience(web=[Attempt(100.0, 5.0), Attempt(9000.0, None), Attempt(9100.0, 70.0)])
    assert ready(found, Model.AS_RECORDED, 0.0) == 5.0
    assert ready(found, Model.AS_RECORDED, 8000.0) == inf
    assert ready(found, Model.AS_RECORDED, 8300.0, last=1) == 70.0  # the attempt that followed the failed one
    assert ready(found, Model.AS_RECORDED, 20_000.0, last=2) == 70.0  # none followed: the middle of 5 and 70 s


def test_the_median_is_of_its_own_restarts_that_helped() -> None:
    found = experience(web=[Attempt(1.0, 9.0), Attempt(2.0, None), Attempt(3.0, 11.0), Attempt(4.0, 10.0)])
    assert ready(found, Model.READY_AFTER_MEDIAN, 0.0) == 10.0
    assert ready(experience(db=[Attempt(1.0, 4.0)]), Model.READY_AFTER_MEDIAN, 0.0) == 4.0
    assert ready(experience(), Model.AS_RECORDED, 0.0) == USUAL_READY


def test_no_restart_helps() -> None:
    assert ready(experience(web=[Attempt(1.0, 9.0)]), Model.NEVER, 0.0) == inf


def cluster(model: Model = Model.READY_AFTER_MEDIAN) -> ModelledCluster:
    return ModelledCluster(experience(web=[Attempt(1.0, 20.0)]), model)


def test_until_its_first_restart_a_service_is_as_it_was_last_seen() -> None:
    found = cluster()
    assert found.observe("web", at(0), READY).healthy
    found.note(Inspected(at(1), "web", BROKEN), READY)
    assert not found.observe("web", at(2), READY).healthy
    found.note(Inspected(at(3), "web", Unobserved("timeout", "no answer")), READY)
    assert found.observe("web", at(4), READY).exists


@pytest.mark.parametrize("state", [ServiceState.RESTARTING, ServiceState.VERIFYING, ServiceState.BACKOFF])
def test_what_a_recorded_restart_made_of_it_is_not_seen(state: ServiceState) -> None:
    found = cluster()
    found.note(Inspected(at(1), "web", HEALTHY), READY)
    found.note(Inspected(at(2), "web", ROLLING), Service("web", state))
    assert found.observe("web", at(3), READY).healthy


def test_after_a_restart_it_is_ready_when_the_model_says_so() -> None:
    found = cluster()
    found.note(Inspected(at(0), "web", BROKEN), READY)
    answer = found.answer("web", "k7-1", at(10))
    assert (answer.outcome, answer.token) == (Outcome.APPLIED, "k7-1")
    rolling = found.observe("web", at(29), READY)
    assert (rolling.healthy, rolling.rolling, rolling.token) == (False, True, "k7-1")
    done = found.observe("web", at(31), READY)
    assert (done.healthy, done.rolling, done.template) == (True, False, answer.template)


def test_a_restart_that_is_under_way_is_taken_over() -> None:
    found = cluster()
    intent = Intent("k7-1", None, 4, "u1", True, at(0))
    found.adopt("web", replace(READY, state=ServiceState.RESTARTING, intent=intent, since=at(0)))
    assert found.observe("web", at(1), READY).token == "k7-1"
    assert not found.observe("web", at(1), READY).healthy


def test_what_somebody_mended_in_the_record_is_mended() -> None:
    """Only where the model is the record."""
    for model, healthy in ((Model.AS_RECORDED, True), (Model.NEVER, False)):
        found = ModelledCluster(experience(web=[Attempt(1.0, None)]), model)
        found.answer("web", "k7-1", at(10))
        found.note(Inspected(at(500), "web", HEALTHY), READY)
        assert found.observe("web", at(501), READY).healthy is healthy


def test_restarts_can_be_broken_and_refused() -> None:
    found = cluster()
    found.break_restarts("web")
    found.answer("web", "k7-1", at(10))
    assert found.ready_at("web") == inf
    found.break_restarts("db", refused=True)
    assert found.answer("db", "k7-2", Timestamp(0.0, 0.0)).outcome is Outcome.REFUSED

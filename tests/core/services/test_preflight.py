"""The last look before a restart: the first rule that applies decides, and says why."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace
from tests.fakes.sites import plan_of

from connmon_agent.core.observations import Observation, Pull, Reach, RegistryAnswer, Rollout, Unobserved
from connmon_agent.core.plan import RecoveryPlan, When
from connmon_agent.core.services.preflight import Ruling, Verdict, judge
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import LinkState, Obstacle, Outage, Service, ServiceState, World

BEGAN = Timestamp(1_000.0, 1_795_000_000.0)
BACK = BEGAN.plus(60.0)
NOW = BACK.plus(20.0)

HEALTHY = Observation(uid="uid-1", generation=4, desired=2, available=2, progress="rolled out")
HUNG = replace(HEALTHY, available=1, rollout=Rollout.UNDER_WAY, progress="1 of 2 available")
ROLLING = replace(HUNG, rolling=True, progress="1 of 2 new pods")
FAILED = replace(ROLLING, rollout=Rollout.FAILED, progress="ProgressDeadlineExceeded")


def decide(
    seen: Observation | Unobserved,
    *,
    recovery: dict[str, Any] | None = None,
    outage: dict[str, Any] | None = None,
    link: dict[str, Any] | None = None,
    **service: Any,
) -> Verdict:
    plan = plan_of("web")
    plan = replace(plan, recovery=replace(RecoveryPlan(), **(recovery or {})))
    web = Service("web", ServiceState.WAITING, **service)
    world = World(
        store="disk0001",
        plan=plan,
        outage=replace(Outage(1, BEGAN, "no answer", back=BACK, hold_over=True), **(outage or {})),
        services={"web": web},
    )
    world = replace(world, link=replace(world.link, state=LinkState.RECOVERING, confirmed=True, **(link or {})))
    return judge(world, web, seen, NOW)


def put_off(obstacle: Obstacle, seconds: float) -> dict[str, Any]:
    return {"postponed_since": NOW.plus(-seconds), "postponed_for": obstacle}


FOUND = {"returned": "as it was"}  # when the link came back
OURS = {**FOUND, "token": "disk0001-1-1-1", "restarted": BACK.plus(10.0), "made": "made by us", "attempts": 1}
OURS_BEFORE = {**OURS, "returned": "made by us", "restarted": BEGAN.plus(-7200.0)}
TOKEN = {"token": "disk0001-1-1-1"}
BY_US = {**TOKEN, "template": "made by us", "revised_by": "connmon-agent"}
BY_OTHERS = {"template": "made by others", "revised_by": "kubectl rollout restart"}


@pytest.mark.parametrize(
    ("seen", "service", "ruling", "words"),
    [
        pytest.param(HEALTHY, {}, "due", "restart due after the outage", id="healthy"),
        pytest.param(HUNG, {}, "due", "1 of 2 available", id="not available"),
        pytest.param(
            replace(HUNG, trouble="web-1: ImagePullBackOff"), {}, "due", "ImagePullBackOff", id="its pods ail"
        ),
        pytest.param(FAILED, {}, "due", "ProgressDeadlineExceeded", id="a failed rollout of somebody else"),
        pytest.param(Observation(exists=False), {}, "needless", "not found", id="gone"),
        pytest.param(replace(HEALTHY, paused=True), {}, "needless", "rollouts are paused", id="paused"),
        pytest.param(replace(HEALTHY, desired=0), {}, "needless", "scaled to 0", id="scaled to 0"),
        pytest.param(replace(HEALTHY, restartable="OnDelete"), {}, "needless", "OnDelete", id="not restartable"),
        pytest.param(ROLLING, {}, "postponed", "a rollout is in progress: 1 of 2 new pods", id="rolling"),
        pytest.param(
            ROLLING,
            put_off(Obstacle.ROLLOUT, 599.0),
            "postponed",
            "a rollout is in progress",
            id="rolling, not for long",
        ),
        pytest.param(
            ROLLING, put_off(Obstacle.ROLLOUT, 600.0), "needless", "still rolling out after 10 min", id="for too long"
        ),
        pytest.param(
            ROLLING,
            put_off(Obstacle.UNOBSERVED, 900.0),
            "postponed",
            "a rollout is in progress",
            id="rolling, seen only now",
        ),
        pytest.param(
            replace(HEALTHY, **BY_OTHERS), FOUND, "needless", "by kubectl rollout restart", id="restarted since"
        ),
        pytest.param(
            replace(HEALTHY, template="x"), FOUND, "needless", "by another client", id="restarted since, by whom?"
        ),
        pytest.param(
            replace(HEALTHY, template="as it was"), FOUND, "due", "due after the outage", id="restarted in the dark"
        ),
        pytest.param(
            replace(HEALTHY, **BY_OTHERS), {}, "due", "due after the outage", id="what was there before is not known"
        ),
        pytest.param(HEALTHY, FOUND, "due", "due after the outage", id="what is there now is not known"),
        pytest.param(replace(HUNG, **BY_OTHERS), FOUND, "due", "1 of 2", id="restarted since, in vain"),
    ],
)
def test_the_first_look_in_a_recovery(seen: Observation, service: dict[str, Any], ruling: str, words: str) -> None:
    verdict = decide(seen, **service)
    assert (verdict.ruling, words in verdict.reason) == (ruling, True), verdict


@pytest.mark.parametrize(
    ("seen", "service", "ruling", "words"),
    [
        pytest.param(replace(HEALTHY, **BY_US), OURS, "needless", "restarted in this outage", id="it helped late"),
        pytest.param(replace(HUNG, **BY_US), OURS, "due", "1 of 2 available", id="it did not help"),
        pytest.param(
            replace(ROLLING, **BY_US), OURS, "postponed", "our restart is rolling out", id="it takes its time"
        ),
        pytest.param(
            replace(ROLLING, **BY_US), {**OURS, "restarted": NOW.plus(-300.0)}, "due", "1 of 2", id="it is overdue"
        ),
        pytest.param(replace(FAILED, **BY_US), OURS, "due", "ProgressDeadline", id="it failed"),
        pytest.param(
            replace(ROLLING, **TOKEN, **BY_OTHERS),
            OURS,
            "postponed",
            "a rollout is in progress",
            id="others came after it",
        ),
        pytest.param(
            replace(ROLLING, **TOKEN),
            OURS,
            "postponed",
            "our restart",
            id="an older agent did not note the template",
        ),
        pytest.param(
            replace(HEALTHY, **TOKEN, template="as it was"),
            {**OURS_BEFORE, "returned": "as it was"},
            "due",
            "due after the outage",
            id="ours of an older outage, then others before this one",
        ),
        pytest.param(
            replace(HEALTHY, **TOKEN, **BY_OTHERS),
            OURS_BEFORE,
            "needless",
            "already restarted since the outage",
            id="ours of an older outage, then others since this one",
        ),
    ],
)
def test_a_look_at_what_carries_our_token(seen: Observation, service: dict[str, Any], ruling: str, words: str) -> None:
    verdict = decide(seen, **service)
    assert (verdict.ruling, words in verdict.reason) == (ruling, True), verdict


@pytest.mark.parametrize("kind", ["unreachable", "timeout", "throttled", "server-error", "unauthorized", "credentials"])
@pytest.mark.parametrize("seconds", [0.0, 100_000.0])
def test_a_cluster_that_cannot_tell_is_waited_for_without_end(kind: str, seconds: float) -> None:
    verdict = decide(Unobserved(kind, "no answer"), **put_off(Obstacle.UNOBSERVED, seconds))
    assert verdict == Verdict(Ruling.POSTPONED, "postponed: cannot be checked: no answer", Obstacle.UNOBSERVED)


@pytest.mark.parametrize(("seconds", "ruling"), [(599.0, "postponed"), (600.0, "needless")])
@pytest.mark.parametrize("kind", ["forbidden", "invalid", "protocol", "internal"])
def test_what_no_waiting_helps_against_is_let_go(kind: str, seconds: float, ruling: str) -> None:
    assert decide(Unobserved(kind, "no"), **put_off(Obstacle.UNOBSERVED, seconds)).ruling == ruling


@pytest.mark.parametrize(
    ("seen", "service", "ruling"),
    [
        pytest.param(HEALTHY, {}, "postponed", id="all are available"),
        pytest.param(HUNG, {}, "postponed", id="some are available"),
        pytest.param(replace(HUNG, available=0), {}, "due", id="nothing is left to protect"),
        pytest.param(HEALTHY, put_off(Obstacle.DISRUPTION, 599.0), "postponed", id="not for long"),
        pytest.param(HEALTHY, put_off(Obstacle.DISRUPTION, 600.0), "needless", id="for too long"),
        pytest.param(HEALTHY, put_off(Obstacle.UNOBSERVED, 900.0), "postponed", id="seen only now"),
    ],
)
def test_a_disruption_budget(seen: Observation, service: dict[str, Any], ruling: str) -> None:
    assert decide(replace(seen, blocked_by="web-pdb"), **service).ruling == ruling


DAMPED = {"damped_until": NOW.plus(2820.0)}
HELD = "postponed: postponed"
UNTIL = "until 11:55:00 UTC"


@pytest.mark.parametrize(
    ("seen", "service", "expected"),
    [
        pytest.param(
            HEALTHY,
            {},
            f"{HELD} {UNTIL}: available, and the link is flapping (damping)",
            id="available",
        ),
        pytest.param(
            HEALTHY,
            put_off(Obstacle.DAMPING, 6000.0),
            f"{HELD} {UNTIL}: available, and the link is flapping (damping)",
            id="available, however long it takes",
        ),
        pytest.param(
            HUNG,
            {},
            f"due: 1 of 2 available; not held back by damping {UNTIL}: it is not available",
            id="not available",
        ),
        pytest.param(
            HEALTHY, {"attempts": 3}, "needless: skipped: 3/3 restarts used, and it is available", id="no attempt left"
        ),
    ],
)
def test_damping_holds_back_what_is_available_alone(seen: Observation, service: dict[str, Any], expected: str) -> None:
    verdict = decide(seen, link=DAMPED, **service)
    assert f"{verdict.ruling}: {verdict.reason}" == expected


STALLED = replace(ROLLING, stalled=True, trouble="web-1: ErrImageNeverPull")
MARKED = replace(ROLLING, progress_mark="a")


def unmoved_for(seconds: float) -> dict[str, Any]:
    """The rollout was last seen to move so long ago."""
    return {"progress_mark": "a", "progressed": NOW.plus(-seconds)}


@pytest.mark.parametrize(
    ("seen", "service", "ruling", "words"),
    [
        pytest.param(STALLED, {}, "due", "web-1: ErrImageNeverPull", id="its pods cannot start"),
        pytest.param(STALLED, put_off(Obstacle.ROLLOUT, 9.0), "due", "ErrImageNeverPull", id="they could before"),
        pytest.param(
            replace(STALLED, **BY_US), OURS, "postponed", "our restart", id="ours has its time, whatever it shows"
        ),
        pytest.param(
            MARKED, unmoved_for(299.0), "postponed", "a rollout is in progress", id="it has not moved for a while"
        ),
        pytest.param(
            MARKED, unmoved_for(300.0), "due", "without progress for 5 min: 1 of 2 new pods", id="for too long"
        ),
        pytest.param(
            replace(MARKED, progress_mark="b"),
            unmoved_for(900.0),
            "postponed",
            "a rollout is in progress",
            id="it moves again",
        ),
        pytest.param(
            MARKED,
            {**unmoved_for(20.0), **put_off(Obstacle.ROLLOUT, 600.0)},
            "needless",
            "still rolling out after 10 min",
            id="it moves, and takes longer than a restart may wait",
        ),
        pytest.param(
            replace(HUNG, trouble="web-1: CrashLoopBackOff"), {}, "due", "CrashLoopBackOff", id="nothing rolls out"
        ),
    ],
)
def test_a_rollout_is_waited_for_while_it_makes_progress(
    seen: Observation, service: dict[str, Any], ruling: str, words: str
) -> None:
    verdict = decide(seen, **service)
    assert (verdict.ruling, words in verdict.reason) == (ruling, True), verdict


@pytest.mark.parametrize("seen", [HEALTHY, HUNG, ROLLING, STALLED, FAILED])
def test_what_waits_for_a_scheduling_gate_is_left_alone_at_once(seen: Observation) -> None:
    verdict = decide(replace(seen, gated="web-1 has the scheduling gate a.b/c"))
    assert verdict.ruling == "needless"
    assert "web-1 has the scheduling gate a.b/c" in verdict.reason


@pytest.mark.parametrize("service", [{}, unmoved_for(900.0)])
@pytest.mark.parametrize("seen", [STALLED, MARKED, FAILED])
def test_what_stands_still_is_still_asked_the_other_questions(seen: Observation, service: dict[str, Any]) -> None:
    seen = replace(seen, blocked_by="pdb")
    verdicts = [
        decide(seen, **service),
        decide(seen, recovery={"act": False}, **service),
        decide(seen, recovery={**LONGER, "outage_longer_than": 600.0}, **service),
    ]
    assert "due" not in {verdict.ruling for verdict in verdicts}


REFUSED = RegistryAnswer(Reach.UNREACHABLE, "connection refused")
LIMITED = RegistryAnswer(Reach.LIMITED, "HTTP 429", 120.0)
HUB_REFUSED = (
    "registry docker.io is unreachable: connection refused; a restart would end working pods before new ones can "
    "pull nginx:1.25 (imagePullPolicy Always)"
)


def pull(answer: RegistryAnswer | None, registry: str = "docker.io") -> Pull:
    return Pull(registry, "nginx:1.25", "imagePullPolicy Always", answer)


@pytest.mark.parametrize(
    ("seen", "service", "expected"),
    [
        pytest.param(
            replace(HEALTHY, pulls=(pull(REFUSED),)), {}, f"postponed: postponed: {HUB_REFUSED}", id="refused"
        ),
        pytest.param(
            replace(HEALTHY, pulls=(pull(LIMITED),)),
            {},
            "postponed: postponed: registry docker.io limits requests: HTTP 429; a restart would end",
            id="limited",
        ),
        pytest.param(
            replace(HEALTHY, pulls=(pull(RegistryAnswer(Reach.REACHABLE, "HTTP 401"), "ghcr.io"), pull(REFUSED))),
            {},
            f"postponed: postponed: {HUB_REFUSED}",
            id="the second one",
        ),
        pytest.param(
            replace(HEALTHY, pulls=(pull(RegistryAnswer(Reach.REACHABLE, "HTTP 401")),)), {}, "due: ", id="reachable"
        ),
        pytest.param(
            replace(HEALTHY, pulls=(pull(RegistryAnswer(Reach.UNKNOWN, "not known")),)), {}, "due: ", id="unknown"
        ),
        pytest.param(replace(HEALTHY, pulls=(pull(None),)), {}, "due: ", id="not asked"),
        pytest.param(
            replace(HUNG, pulls=(pull(REFUSED),)), {}, f"postponed: postponed: {HUB_REFUSED}", id="some are available"
        ),
        pytest.param(replace(HUNG, available=0, pulls=(pull(REFUSED),)), {}, "due: ", id="it is down anyway"),
        pytest.param(
            replace(HEALTHY, pulls=(pull(REFUSED),)),
            put_off(Obstacle.REGISTRY, 599.0),
            f"postponed: postponed: {HUB_REFUSED}",
            id="for long",
        ),
        pytest.param(
            replace(HEALTHY, pulls=(pull(REFUSED),)),
            put_off(Obstacle.REGISTRY, 600.0),
            f"needless: skipped after 10 min: {HUB_REFUSED}",
            id="for too long",
        ),
        pytest.param(
            replace(HEALTHY, pulls=(pull(REFUSED),)),
            put_off(Obstacle.DISRUPTION, 6000.0),
            f"postponed: postponed: {HUB_REFUSED}",
            id="for too long, for something else",
        ),
        pytest.param(
            replace(HEALTHY, available=2, desired=0, pulls=(pull(REFUSED),)),
            {},
            "needless: skipped: scaled",
            id="scaled",
        ),
    ],
)
def test_a_restart_that_can_only_harm_is_not_made(seen: Observation, service: dict[str, Any], expected: str) -> None:
    verdict = decide(seen, **service)
    assert f"{verdict.ruling}: {verdict.reason}".startswith(expected)


LONGER = {"when": When.OUTAGE_LONGER_THAN}


@pytest.mark.parametrize(
    ("seen", "recovery", "outage", "ruling"),
    [
        pytest.param(HEALTHY, {"when": When.UNHEALTHY}, {}, "needless", id="unhealthy: it is not"),
        pytest.param(HUNG, {"when": When.UNHEALTHY}, {}, "due", id="unhealthy: it is"),
        pytest.param(HEALTHY, {"when": When.UNHEALTHY}, {"by_operator": True}, "due", id="an operator asked for it"),
        pytest.param(HUNG, {**LONGER, "outage_longer_than": 60.0}, {}, "needless", id="as long as the limit"),
        pytest.param(HUNG, {**LONGER, "outage_longer_than": 59.9}, {}, "due", id="longer than the limit"),
        pytest.param(
            HUNG, {**LONGER, "outage_longer_than": 600.0}, {"by_operator": True}, "due", id="short, but asked"
        ),
        pytest.param(
            replace(HEALTHY, **BY_OTHERS),
            {},
            {"by_operator": True},
            "due",
            id="restarted just now, and asked for all the same",
        ),
        pytest.param(HUNG, {"act": False}, {}, "needless", id="shadow mode"),
        pytest.param(replace(HUNG, blocked_by="pdb"), {"act": False}, {}, "postponed", id="shadow mode waits too"),
    ],
)
def test_what_the_configuration_wants(
    seen: Observation, recovery: dict[str, Any], outage: dict[str, Any], ruling: str
) -> None:
    assert decide(seen, recovery=recovery, outage=outage).ruling == ruling


@pytest.mark.parametrize(("seen", "ruling"), [(HEALTHY, "needless"), (HUNG, "due")])
def test_without_attempts_only_what_is_not_available_is_due(seen: Observation, ruling: str) -> None:
    """What is due without an attempt left gives up: the chart decides that."""
    assert decide(seen, attempts=3).ruling == ruling


@pytest.mark.parametrize("ruling", [HEALTHY, HUNG, ROLLING, FAILED, Unobserved("timeout", "no answer")])
def test_only_what_is_postponed_names_an_obstacle(ruling: Observation | Unobserved) -> None:
    verdict = decide(ruling)
    assert (verdict.obstacle is not None) == (verdict.ruling is Ruling.POSTPONED)

"""Debug lines: what was asked and what came back, where somebody listens."""

from __future__ import annotations

from typing import Any

import pytest
from tests.fakes.local_ports import FakeForwards, FakeMachine
from tests.fakes.sites import FakeCluster, FakeLink, Workload, plan_of
from tests.fakes.virtual_time import SimulatedClock, run_virtually

from connmon_agent.core.effects import Listen
from connmon_agent.core.observations import Observation, ProbeResult, Unobserved
from connmon_agent.runtime.debugging import Debugger, describe_quality_measured, describe_round
from connmon_agent.runtime.log_records import LogRecord


async def ask_everything(debug: Debugger, clock: SimulatedClock) -> None:
    (web,) = plan_of("web").services
    link, cluster = debug.probing(FakeLink()), debug.asking(FakeCluster(clock, {"web": Workload()}))
    await link.probe_all()
    await cluster.inspect(web, closely=True)
    machine = FakeMachine()
    forwards = debug.forwarding(FakeForwards(machine, troubles={}, lasting=set(), open={}))
    await forwards.listen(Listen("web", 8080, "listen/1", ("127.0.0.1",), ""), clock.now())
    await forwards.check("web", clock.now())
    forwards.retain(["web"])
    await forwards.close()


@pytest.mark.parametrize("area", ["probes", "cluster", "forwards", "none"])
def test_the_areas_that_are_wanted_are_said(area: str) -> None:
    said: list[LogRecord] = []

    async def story() -> None:
        clock = SimulatedClock()
        debug = Debugger(said.append, clock.now, lambda wanted, level, now: wanted == area and level == "debug")
        await ask_everything(debug, clock)

    run_virtually(story())
    assert {(one.area, one.level) for one in said} == (set() if area == "none" else {(area, "debug")})
    texts = " | ".join(one.text for one in said)
    assert {
        "probes": "3 of 3 answered in 10 ms: tcp 192.0.2.1:443 ok 10.0 ms",
        "cluster": "looked at closely in",
        "forwards": "listen on port 8080 on 127.0.0.1: done",
        "none": "",
    }[area] in texts


def test_where_nobody_listens_no_text_is_made() -> None:
    def explode(took: float) -> str:
        raise AssertionError("it was made")

    async def story() -> None:
        Debugger(lambda record: None, SimulatedClock().now)("probes", "link", explode)

    run_virtually(story())


def test_a_round_is_described_with_what_failed() -> None:
    results = (
        ProbeResult("tcp a:1", "tcp", ok=True, latency_ms=11.04, attempts=2),
        ProbeResult("dns b", "dns", ok=False, reason="no answer within 1 s"),
        ProbeResult("interface wan0", "interface", ok=True),
    )
    assert describe_round(results, 34.2) == (
        "2 of 3 answered in 34 ms: tcp a:1 ok 11.0 ms at attempt 2; dns b failed: no answer within 1 s; "
        "interface wan0 ok"
    )


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (Unobserved("timeout", "no answer within 5 s"), "unknown, timeout: no answer within 5 s"),
        (Observation(exists=False), "it does not exist"),
        (
            Observation(
                generation=4, desired=3, available=2, token="t1", progress="2 of 3", trouble="web-1: OOMKilled"
            ),
            "2/3 available, rollout complete, generation 4, token t1, 2 of 3, web-1: OOMKilled",
        ),
    ],
)
def test_a_look_at_a_workload_is_described_as_kubectl_would(seen: Any, told: str) -> None:
    assert describe_quality_measured(seen) == told

"""The local ports in `status`, as text and as JSON: what listens, what is proven, what went through, what is wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from tests.fakes.local_ports import with_ports
from tests.fakes.mornings import at, ready, snapshot_of, world_of

from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.cli.rendering.status_document import status_document, without_pulse
from connmon_agent.cli.rendering.status_text import render_status
from connmon_agent.cli.wording import say_bytes, width_of
from connmon_agent.core.observations import Traffic
from connmon_agent.core.plan import Reclaim
from connmon_agent.core.world import Forward, ForwardState

ON_ALTERNATIVE = Forward(
    "frontend",
    ForwardState.OPEN,
    since=at(0),
    reason="port 8081 reaches the service; 8080 is in use by nginx (pid 99)",
    port=8081,
    lease=8081,
    choice="8080 is in use by nginx (pid 99)",
)
LEADS_NOWHERE = Forward(
    "grafana",
    ForwardState.LISTENING,
    since=at(0),
    reason="port 3000 does not reach the service: pod grafana-7d9 refuses the connection",
    port=3000,
    trouble="pod grafana-7d9 refuses the connection",
)
WITHOUT = Forward(
    "jaeger", ForwardState.CONFLICT, since=at(0), reason="16686 is in use by java (pid 7); 16687 is in use by java"
)
FLOWS = (
    Traffic("frontend", open=2, served=40, failed=1, received=1_234_567, sent=812, error="reset", error_at=at(5).wall),
)


TAKEN = ((8080, "in use by nginx (pid 99)"),)


def site(*, running: bool = True) -> Snapshot:
    world = world_of(ready("frontend"), ready("grafana"), ready("jaeger"), ready("worker"))
    plan = with_ports(world.plan, frontend=(8080, 8081), grafana=(3000,), jaeger=(16686, 16687))
    forwards = {forward.name: forward for forward in (ON_ALTERNATIVE, LEADS_NOWHERE, WITHOUT)}
    snapshot = replace(snapshot_of(structs.replace(world, plan=plan, forwards=forwards, taken=TAKEN)), traffic=FLOWS)
    return snapshot if running else replace(snapshot, pid=None)


def ports_block(snapshot: Snapshot, width: int = 80) -> str:
    blocks = render_status(snapshot, width=width).split("\n\n")
    return next(block for block in blocks if block.startswith("Local ports"))


def test_the_ports_as_text() -> None:
    assert (
        ports_block(site())
        == """\
Local ports, 1 of 3 open
  NAME      PORT  STATE      OPEN  RECEIVED  SENT
  frontend  8081  OPEN       2     1.23 MB   812 B
  grafana   3000  LISTENING  0     0         0
  jaeger    -     CONFLICT   0     0         0
  frontend: 8080 is in use by nginx (pid 99)
  grafana: port 3000 does not reach the service: pod grafana-7d9 refuses the
    connection
  jaeger: 16686 is in use by java (pid 7); 16687 is in use by java"""
    )


@pytest.mark.parametrize("width", [40, 60, 80])
def test_they_fit_any_terminal(width: int) -> None:
    assert all(width_of(line) <= width for line in ports_block(site(), width).splitlines())


def test_without_an_agent_nothing_listens_whatever_was_remembered() -> None:
    assert ports_block(site(running=False)) == "Local ports: none; the agent is not running"
    forward = status_document(site(running=False))["services"][0]["forward"]
    assert (forward["state"], forward["port"], forward["url"], forward["reason"]) == (
        "CLOSED",
        None,
        None,
        "the agent is not running",
    )


def test_a_site_without_local_ports_says_nothing_of_them() -> None:
    snapshot = snapshot_of(world_of(ready("frontend")))
    assert "Local ports" not in render_status(snapshot)
    assert status_document(snapshot)["services"][0]["forward"] is None


def test_a_port_as_a_document() -> None:
    frontend, grafana, jaeger, worker = (service["forward"] for service in status_document(site())["services"])
    assert frontend == {
        "state": "OPEN",
        "port": 8081,
        "primary": 8080,
        "url": "http://127.0.0.1:8081",
        "reason": "8080 is in use by nginx (pid 99)",
        "listening": True,
        "open": True,
        "connections": 2,
        "served": 40,
        "failed": 1,
        "bytes_received": 1_234_567,
        "bytes_sent": 812,
        "last_error": "reset",
        "last_error_at": "2026-11-23T10:00:05.000000+00:00",
    }
    assert (grafana["listening"], grafana["open"], grafana["reason"]) == (True, False, LEADS_NOWHERE.reason)
    assert (jaeger["state"], jaeger["port"], jaeger["url"]) == ("CONFLICT", None, None)
    assert worker is None


def test_why_a_port_is_not_the_primary_one_is_told_as_it_is_now() -> None:
    freed = replace(site(), world=structs.replace(site().world, taken=()))
    told = "8080 is free again; moves back when no connection through 8081 is open"
    assert status_document(freed)["services"][0]["forward"]["reason"] == told
    assert told in " ".join(ports_block(freed).split())


def test_it_never_goes_back_where_that_is_configured() -> None:
    world = site().world
    stays = tuple(
        plan
        if plan.forward is None
        else structs.replace(plan, forward=structs.replace(plan.forward, reclaim=Reclaim.NEVER))
        for plan in world.plan.services
    )
    snapshot = replace(site(), world=structs.replace(world, plan=structs.replace(world.plan, services=stays)))
    assert status_document(snapshot)["services"][0]["forward"]["reason"] == (
        "8080 is in use by nginx (pid 99); stays off 8080 (reclaim: never)"
    )


def test_a_ready_service_whose_port_was_lost_tells_so() -> None:
    jaeger = status_document(site())["services"][2]
    assert (jaeger["state"], jaeger["reason"]) == (
        "READY",
        f"no local port available: {WITHOUT.reason}; before that {ready('jaeger').reason}",
    )


def test_an_agent_that_is_just_starting_has_no_ports_yet() -> None:
    fresh = replace(site(), pid=(site().pid or 0) + 1)
    assert ports_block(fresh) == "Local ports: none yet; the agent is starting"
    frontend = status_document(fresh)["services"][0]["forward"]
    assert (frontend["state"], frontend["port"], frontend["reason"]) == ("CLOSED", None, "the agent is just starting")


def test_what_goes_through_is_no_news_to_watch() -> None:
    before = site()
    after = replace(before, traffic=(structs.replace(FLOWS[0], received=2_000_000, open=3),))
    assert without_pulse(status_document(before)) == without_pulse(status_document(after))


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0"), (1, "1 B"), (999, "999 B"), (1000, "1 kB"), (999_499, "999 kB"), (999_600, "1 MB"), (1.5e9, "1.5 GB")],
)
def test_bytes_in_words(number: int, words: str) -> None:
    assert say_bytes(number) == words

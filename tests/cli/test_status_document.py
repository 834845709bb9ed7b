"""`status --json`: what programs may rely on."""

from dataclasses import replace

import pytest
from msgspec import structs
from tests.fakes.mornings import TCP, at, offline_snapshot, ready, recovering_snapshot, snapshot_of, world_of

from connmon_agent.cli.rendering.status_document import status_document, without_pulse
from connmon_agent.core.plan import RecoveryPlan
from connmon_agent.core.world import Intent, MonitoringGap, World
from connmon_agent.store.records import LatestRound

CONTRACT = {
    "": {"schema", "agent", "link", "outage", "services", "store"},
    "agent": {"running", "pid", "version", "started_at", "heartbeat_at", "paused"},
    "link": {"state", "since", "reason", "cause", "detail", "advice", "loss", "latency_ms", "probes"},
    "outage": {"id", "started_at", "ended_at", "cause", "detail"},
    "store": {"path", "bytes", "events"},
}
SERVICE = {
    "name", "kind", "namespace", "state", "reason", "attempts", "max_attempts", "restarted_at", "next_at", "intent",
    "forward",
}  # fmt: skip
PROBE = {"name", "kind", "ok", "latency_ms", "reason", "at", "proxy"}


@pytest.mark.parametrize("part", CONTRACT)
def test_each_key_of_the_contract_is_there(part: str) -> None:
    document = status_document(offline_snapshot())
    assert CONTRACT[part] <= (document[part] if part else document).keys()


def test_each_key_of_the_contracts_lists_is_there() -> None:
    document = status_document(offline_snapshot())
    assert [service.keys() for service in document["services"]] == [SERVICE, SERVICE]
    assert [probe.keys() for probe in document["link"]["probes"]] == [PROBE, PROBE]


def test_blind_time_as_a_document() -> None:
    snapshot = offline_snapshot()
    assert status_document(snapshot)["monitoring_gap"] is None
    monitoring_gap = MonitoringGap(at(100), at(700), "the machine slept for 10 min")
    assert status_document(replace(snapshot, world=structs.replace(snapshot.world, monitoring_gap=monitoring_gap)))[
        "monitoring_gap"
    ] == {
        "since": "2026-11-23T10:01:40.000000+00:00",
        "until": "2026-11-23T10:11:40.000000+00:00",
        "seconds": 600.0,
        "cause": "the machine slept for 10 min",
        "known": True,
    }


def test_an_outage_as_a_document() -> None:
    document = status_document(offline_snapshot())
    assert document["schema"] == 1
    assert document["agent"] == {
        "running": True,
        "pid": 4711,
        "version": "0.1.0",
        "started_at": "2026-11-23T07:07:00.000000+00:00",
        "heartbeat_at": "2026-11-23T10:11:59.000000+00:00",
        "stopped_at": None,
        "silent_for": None,
        "paused": False,
        "shadow": False,
        "internal_errors": {"count": 0, "last": None},
        "log": {"dropped": 0, "reason": None, "at": None},
    }
    assert document["link"]["state"] == "OFFLINE"
    assert document["link"]["since"] == "2026-11-23T10:00:00.000000+00:00"
    assert document["link"]["cause"] == "dns"
    assert document["link"]["detail"] == "dns 192.0.2.2: no answer within 1 s"
    assert document["link"]["advice"].startswith("The line works, but names do not resolve")
    assert document["link"]["loss"] == 0.5
    assert document["link"]["probes"][1] == {
        "name": "dns 192.0.2.2",
        "kind": "dns",
        "ok": False,
        "latency_ms": None,
        "reason": "no answer within 1 s",
        "proxy": None,
        "at": "2026-11-23T10:11:59.000000+00:00",
    }
    assert document["outage"] == {
        "id": 3,
        "started_at": "2026-11-23T09:59:58.000000+00:00",
        "back_at": None,
        "ended_at": None,
        "monitoring_gap": 0.0,
        "relapses": 0,
        "by_operator": False,
        "cause": "unreachable",
        "detail": "tcp 192.0.2.1:443, dns 192.0.2.2: no answer within 1 s",
    }
    assert document["store"] == {"path": "/var/lib/connmon/connmon.db", "bytes": 81_920, "events": 1203}


def test_a_service_as_a_document() -> None:
    jaeger = status_document(recovering_snapshot())["services"][2]
    assert jaeger == {
        "name": "jaeger",
        "kind": "Deployment",
        "namespace": "erp-system",
        "state": "BACKOFF",
        "reason": "ImagePullBackOff",
        "attempts": 2,
        "max_attempts": 3,
        "restarted_at": None,
        "next_at": "2026-11-23T10:12:40.000000+00:00",
        "intent": None,
        "forward": None,
    }


def test_what_nobody_watches_is_unknown_and_the_state_is_what_was_seen_last() -> None:
    calm = snapshot_of(world_of(ready("frontend")))
    dead, silent, fresh = (
        replace(calm, pid=None),
        replace(calm, now=at(999).wall),
        replace(calm, pid=99),
    )
    documents = [status_document(snapshot) for snapshot in (calm, dead, silent, fresh)]
    assert [document["verdict"] for document in documents] == ["ONLINE", "UNKNOWN", "UNKNOWN", "UNKNOWN"]
    assert {document["link"]["state"] for document in documents} == {"ONLINE"}
    assert [document["agent"]["silent_for"] for document in documents] == [None, None, 280.0, None]


def test_what_the_text_shows_of_a_recovery_is_in_the_document() -> None:
    world = world_of(structs.replace(ready("kafka"), intent=Intent("t-1", None, 1, "u", True, at(718), in_doubt=True)))
    world = structs.replace(
        world, plan=structs.replace(world.plan, recovery=RecoveryPlan(act=False)), timers={"hold": at(726)}
    )
    document = status_document(snapshot_of(world))
    assert document["agent"]["shadow"] is True
    assert (document["link"]["hold_until"], document["link"]["hold_remaining"]) == (
        "2026-11-23T10:12:06.000000+00:00",
        6.0,
    )
    assert document["services"][0]["intent"] == {
        "token": "t-1",
        "made_at": "2026-11-23T10:11:58.000000+00:00",
        "in_doubt": True,
    }
    later = replace(snapshot_of(world), now=at(721).wall)
    assert without_pulse(status_document(later)) == without_pulse(document)


def test_a_good_link_has_no_cause_though_an_outage_was() -> None:
    past = structs.replace(offline_snapshot().world, link=world_of().link)
    assert status_document(snapshot_of(past))["link"]["cause"] is None


def test_a_link_that_works_may_have_a_cause_and_what_to_do_about_it() -> None:
    link = structs.replace(world_of().link, cause="cluster-only", detail="the API server refuses connections")
    document = status_document(snapshot_of(structs.replace(world_of(), link=link)))
    assert document["link"]["state"] == "ONLINE"
    assert (document["link"]["cause"], document["link"]["detail"]) == (
        "cluster-only",
        "the API server refuses connections",
    )
    assert document["link"]["advice"].startswith("The internet works")


def test_a_link_that_is_back_from_an_outage_tells_what_had_been() -> None:
    document = status_document(recovering_snapshot())
    assert (document["link"]["cause"], document["link"]["detail"]) == ("dns", "dns 192.0.2.2: no answer within 1 s")


def test_what_is_not_known_is_null_and_not_left_out() -> None:
    nothing = replace(snapshot_of(World(store="")), pid=None, agent=None, round=None)
    document = status_document(nothing)
    assert document["agent"]["running"] is False
    assert document["agent"]["pid"] is document["agent"]["started_at"] is document["outage"] is None
    assert document["link"]["since"] is document["link"]["loss"] is None
    assert document["link"]["probes"] == document["services"] == []


def test_an_agent_whose_id_is_not_known_yet_runs_all_the_same() -> None:
    agent = status_document(replace(offline_snapshot(), pid=0))["agent"]
    assert (agent["running"], agent["pid"]) == (True, None)


def test_a_beat_of_the_heart_is_no_news() -> None:
    before = snapshot_of(world_of(ready("frontend")))
    round_later = replace(before, round=LatestRound(at(800), before.round.results, 0.4, 9.0), events=1300)
    assert without_pulse(status_document(before)) == without_pulse(status_document(round_later))


def test_a_probe_that_fails_is_news() -> None:
    before = snapshot_of(world_of(ready("frontend")))
    failed = replace(before, round=LatestRound(at(800), (structs.replace(TCP, ok=False),), 0.5, None))
    assert without_pulse(status_document(before)) != without_pulse(status_document(failed))

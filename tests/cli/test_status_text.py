"""`status` for people: verdict, evidence, advice, in lines that fit."""

from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from tests.fakes.mornings import (
    at,
    intent,
    offline_snapshot,
    plan_of,
    ready,
    recovering_snapshot,
    snapshot_of,
    world_of,
)

from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.cli.rendering.status_text import render_status
from connmon_agent.cli.rendering.tones import Tone
from connmon_agent.cli.wording import width_of
from connmon_agent.core.observations import ProbeResult
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Link, LinkState, MonitoringGap, Outage, Service, ServiceState
from connmon_agent.store.records import AgentRow, LatestRound

OFFLINE = """\
OFFLINE for 12 min: 3 bad rounds in a row: unreachable: tcp 192.0.2.1:443, dns
  192.0.2.2: no answer within 1 s
  Cause: dns: dns 192.0.2.2: no answer within 1 s
  The line works, but names do not resolve. Check the DNS servers of this
  machine and of the targets.

Probes, 1 s ago
  ok      tcp 192.0.2.1:443  11.0 ms
  FAILED  dns 192.0.2.2      no answer within 1 s

Outage 3 since 2026-11-23 09:59:58, 12 min ago: unreachable: tcp 192.0.2.1:443,
  dns 192.0.2.2: no answer within 1 s

Services, 2 of 2 ready
  NAME      STATE  TRIES  REASON
  frontend  READY  0/3    3 of 3 available
  grafana   READY  0/3    3 of 3 available

What to do
  nothing for the services: they are restarted when the link is back and stays
    good

Agent: running for 3 h 5 min (pid 4711, version 0.1.0)
State file: 1203 events, 80 KiB, /var/lib/connmon/connmon.db"""

RECOVERING_ON_A_PHONE = """\
RECOVERING for 2 min, but grafana gave up: the link stayed
  good for 10 s

Probes, 1 s ago
  ok      tcp 192.0.2.1:443  11.0 ms
  FAILED  dns 192.0.2.2      no answer within 1 s

Outage 3 since 2026-11-23 09:59:58, link back after 10 min,
  1 relapse: dns: dns 192.0.2.2: no answer within 1 s

Services, 1 of 4 ready
  NAME      STATE       TRIES  REASON
  frontend  READY       0/3    3 of 3 available
  grafana   GAVE_UP     3/3    attempt 3 of 3 did not help
                               either
  jaeger    BACKOFF     2/3    retry in 40 s (10:12:40):
                               ImagePullBackOff
  kafka     RESTARTING  1/3    attempt 1

In progress
  kafka: restart requested 2 s ago, no answer yet

What to do
  connmon-agent rearm grafana: resets the restart attempts;
    fix the cause first

Agent: running for 3 h 5 min (pid 4711, version 0.1.0)
State file: 1203 events, 80 KiB, /var/lib/connmon/connmon.db"""


def test_an_outage_on_a_terminal() -> None:
    assert render_status(offline_snapshot(), zone=UTC) == OFFLINE


def test_a_recovery_on_a_phone() -> None:
    assert render_status(recovering_snapshot(), width=60, zone=UTC) == RECOVERING_ON_A_PHONE


lossy = Link(
    LinkState.DEGRADED, since=at(0), reason="lossy: 23 %", good=3, cause="lossy", detail="23 % of the probes lost"
)


def test_the_cause_is_told_once_and_with_what_to_do_about_it() -> None:
    told = render_status(snapshot_of(world_of(ready("frontend"), link=lossy)), zone=UTC).splitlines()
    assert told[1:3] == [
        "  Cause: lossy: 23 % of the probes lost",
        "  Packets are being lost. Check for a saturated line, a weak radio signal or a",
    ]
    reason = f"bad round: {lossy.cause}: {lossy.detail}"
    told = render_status(snapshot_of(world_of(ready("frontend"), link=structs.replace(lossy, reason=reason))), zone=UTC)
    assert told.count("23 % of the probes lost") == 1
    assert "Packets are being lost" in told


def test_of_a_link_that_nobody_watches_no_cause_is_told() -> None:
    unwatched = replace(snapshot_of(world_of(ready("frontend"), link=lossy)), pid=None)
    assert "Packets are being lost" not in render_status(unwatched, zone=UTC)


def test_blind_time_is_told() -> None:
    monitoring_gap = MonitoringGap(at(100), at(700), "the machine slept for 10 min")
    outage = Outage(3, started=at(0), cause="dns", monitoring_gap=600.0)
    offline = Link(LinkState.OFFLINE, since=at(2), reason="3 bad rounds in a row")
    world = structs.replace(world_of(ready("frontend"), link=offline, outage=outage), monitoring_gap=monitoring_gap)
    told = render_status(snapshot_of(world), width=200, zone=UTC)
    assert (
        "Last monitoring gap: 2026-11-23 10:01:40 to 2026-11-23 10:11:40, the machine slept for 10 min; "
        "counted as neither uptime nor downtime" in told
    )
    assert "Outage 3 since 2026-11-23 10:00:00, 12 min ago, monitoring gap of 10 min not counted: dns" in told


calm = snapshot_of(world_of(ready("frontend")))
unwatched = replace(calm, pid=None)
ended = AgentRow(4711, "0.1.0", started=at(-10_380), heartbeat=at(700), stopped=at(700))
holding = structs.replace(calm.world, timers={"hold": at(726)})


@pytest.mark.parametrize(
    ("snapshot", "verdict"),
    [
        (calm, "ONLINE for 12 min: 3 good rounds in a row"),
        (unwatched, "UNKNOWN: no agent is running. Last state, 1 s ago: ONLINE"),
        (replace(calm, agent=None, pid=None), "UNKNOWN: no agent has run yet"),
        (replace(calm, pid=99), "UNKNOWN: the agent is starting. Last state: ONLINE"),
        (
            replace(calm, now=at(999).wall),
            "UNKNOWN: no response from the agent for 4 min 40 s. Last state: ONLINE",
        ),
        (
            snapshot_of(world_of(*(Service(name, ServiceState.GAVE_UP) for name in ("a", "b")))),
            "ONLINE for 12 min, but 2 services gave up: 3 good rounds in a row",
        ),
    ],
    ids=["calm", "not-running", "never", "just-started", "silent", "gave-up"],
)
def test_the_first_line_is_the_verdict_and_what_nobody_watches_is_unknown(snapshot: Snapshot, verdict: str) -> None:
    assert render_status(snapshot, zone=UTC).splitlines()[0] == verdict


@pytest.mark.parametrize(
    ("changes", "record"),
    [
        ({"pid": None}, "Agent: not running; it was killed or the machine went down"),
        ({"pid": None, "agent": ended}, "Agent: not running; it shut down cleanly on 2026-11-23 10:11:40"),
        ({"pid": None, "agent": None}, "Agent: has never run here"),
        ({"pid": 99}, "Agent: starting (pid 99)"),
        ({"pid": 0}, "Agent: running for 3 h 5 min (pid not known yet, version 0.1.0)"),
        ({"pid": None}, "connmon-agent start: nothing is monitored or restarted until an agent runs"),
        ({"now": at(999).wall}, "connmon-agent doctor: the agent is running but does not respond"),
        ({"world": structs.replace(calm.world, paused=True)}, "PAUSED: nothing is restarted until"),
        ({"world": structs.replace(calm.world, paused=True)}, "connmon-agent resume: allows restarts again"),
        ({"world": holding}, "the link must stay good for 6 s more before the first restart"),
        ({"world": world_of()}, "No services configured; only the link is monitored"),
        (
            {"world": world_of(structs.replace(ready("kafka"), attempts=3))},
            "connmon-agent rearm kafka: 3/3 restarts used",
        ),
        (
            {"world": world_of(structs.replace(ready("kafka"), intent=intent(at(718), in_doubt=True)))},
            "kafka: restart requested 2 s ago, outcome unknown",
        ),
    ],
)  # fmt: skip
def test_what_is_not_as_usual_is_said(changes: dict[str, object], record: str) -> None:
    assert record in render_status(replace(calm, **changes), zone=UTC)


def test_shadow_mode_is_said_beside_the_verdict() -> None:
    plan = plan_of("frontend")
    shadow = structs.replace(calm.world, plan=structs.replace(plan, recovery=structs.replace(plan.recovery, act=False)))
    assert "SHADOW MODE" in render_status(replace(calm, world=shadow)).splitlines()[1]


def test_nothing_to_do_is_not_spoken_of() -> None:
    assert "What to do" not in render_status(calm)


def test_the_past_is_told_without_advice() -> None:
    text = render_status(unwatched, past=True)
    assert "What to do" not in text
    assert "Memory" not in text


def test_colours_mark_the_state_and_change_no_word() -> None:
    painted: list[tuple[str, Tone]] = []

    def paint(text: str, tone: Tone) -> str:
        painted.append((text, tone))
        return text

    assert render_status(offline_snapshot(), zone=UTC, paint=paint) == OFFLINE
    assert ("OFFLINE", Tone.BAD) in painted


any_text = st.text(min_size=1, max_size=200)
any_service = st.builds(
    Service,
    name=any_text,
    state=st.sampled_from(list(ServiceState)),
    reason=any_text,
    attempts=st.integers(0, 3),
    next=st.sampled_from([None, at(800)]),
    intent=st.sampled_from([None, intent(at(700))]),
)
any_probe = st.builds(ProbeResult, name=any_text, kind=st.just("tcp"), ok=st.booleans(), reason=any_text)


@given(st.lists(any_service, max_size=4), st.lists(any_probe, max_size=3), any_text, st.sampled_from([60, 80]))
def test_no_line_is_wider_than_asked_for(
    services: list[Service], probes: list[ProbeResult], reason: str, width: int
) -> None:
    world = world_of(*services, link=structs.replace(calm.world.link, reason=reason))
    snapshot = replace(snapshot_of(world), round=LatestRound(at(0), tuple(probes), 0.0, None), path=reason, pid=None)
    for shown in (snapshot, replace(snapshot, pid=4711)):
        assert all(width_of(line) <= width for line in render_status(shown, width=width).splitlines())


@pytest.mark.parametrize(
    ("link", "silence", "silent"),
    [
        pytest.param(Link(LinkState.ONLINE, since=at(0), good=3), 6.0, False, id="three rounds"),
        pytest.param(Link(LinkState.ONLINE, since=at(0), good=3), 9.0, True, id="stopped 9 s ago"),
        pytest.param(Link(LinkState.DEGRADED, since=at(0), bad=1), 5.5, True, id="in doubt rounds come faster"),
        pytest.param(Link(LinkState.OFFLINE, since=at(-900), bad=3), 44.0, False, id="those of a long outage do not"),
        pytest.param(Link(LinkState.OFFLINE, since=at(-900), bad=3), 46.0, True, id="but come"),
    ],
)
def test_an_agent_is_silent_after_a_few_rounds(link: Link, silence: float, silent: bool) -> None:
    snapshot = snapshot_of(world_of(link=link))
    assert snapshot.agent is not None
    later = replace(snapshot, now=snapshot.agent.heartbeat.wall + silence)
    assert (later.silent_for is not None) is silent
    assert render_status(later).startswith("UNKNOWN") is silent


def test_a_clock_that_was_set_makes_no_outage_longer() -> None:
    """The clock was set forward by an hour after the outage had begun."""
    snapshot = offline_snapshot()
    assert snapshot.round is not None and snapshot.agent is not None
    hour = 3600.0
    moved = [Timestamp(one.steady, one.wall + hour) for one in (snapshot.round.at, snapshot.agent.heartbeat)]
    later = replace(
        snapshot,
        now=snapshot.now + hour,
        round=replace(snapshot.round, at=moved[0]),
        agent=replace(snapshot.agent, heartbeat=moved[1]),
    )
    text = render_status(later, zone=UTC)
    assert text.startswith("OFFLINE for 12 min")
    assert "since 2026-11-23 09:59:58, 12 min ago" in text


def test_a_target_that_never_answered_is_named_with_what_to_do() -> None:
    link = Link(LinkState.ONLINE, since=at(0), reason="3 good rounds in a row", good=3, heard=("tcp 192.0.2.1:443",))
    text = render_status(snapshot_of(world_of(link=link)), width=200)
    assert "correct link.targets: no expected answer since the agent started from dns 192.0.2.2 (not counted)" in text
    heard = structs.replace(link, heard=("dns 192.0.2.2", "tcp 192.0.2.1:443"))
    assert "no expected answer" not in render_status(snapshot_of(world_of(link=heard)))


def test_a_proxy_is_shown() -> None:
    snapshot = snapshot_of(world_of())
    web = ProbeResult("http://web.example/", "http", True, 12.3, proxy="192.0.2.3:3128")
    text = render_status(replace(snapshot, round=LatestRound(at(719), (web,), loss=0.0, latency_ms=12.3)))
    assert "  ok  http://web.example/  12.3 ms via proxy 192.0.2.3:3128" in text


def test_an_api_server_whose_certificate_is_not_verified_is_named() -> None:
    snapshot = replace(offline_snapshot(), unverified="https://192.0.2.9:6443")
    told = " ".join(render_status(snapshot, width=80, zone=UTC).split())
    assert "Kubernetes API: the certificate of https://192.0.2.9:6443 is not verified" in told

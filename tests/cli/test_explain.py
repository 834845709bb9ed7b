"""`explain` as text, as a document and as a command, over what the real engine decided."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.charts import real_charts
from tests.fakes.faults import FAULTS, Fault, snapshot_after
from tests.fakes.memories import HEALTHY, ROLLING, SERVICES, UP, live_through_an_outage, remember, rounds, start
from tests.fakes.mornings import at, snapshot_of, world_of

from connmon_agent.cli import connmon_agent
from connmon_agent.cli.rendering.explanation_document import link_document, service_document
from connmon_agent.cli.rendering.explanation_text import render_link, render_service
from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.cli.wording import width_of
from connmon_agent.core.events import Inspected, Order, Ordered
from connmon_agent.core.world import Forward, ForwardState, Link, LinkState, Outage, Service, ServiceState
from connmon_agent.explain.explanations import LinkExplanation, explain_link, explain_service
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader

NO_CARRIER = """\
OFFLINE for 6 s: 1 bad round: no-carrier: eth0 has no carrier

Cause
  no-carrier: eth0 has no carrier
  Check the cable, the switch and the router's power.

Evidence, 1 s ago
  interface  FAILED  eth0 has no carrier
  route      ok      default route via 192.0.2.254
  gateway    FAILED  192.0.2.254: no answer within 1 s
  dns        FAILED  192.0.2.53: no answer within 1 s
  tcp        FAILED  198.51.100.1:443: no answer within 1 s
  http       FAILED  http://example.org/: no answer within 1 s

What would change it
  RECOVERING  3 more good rounds in a row (0 of 3); a round every 6 s
  ONLINE      via RECOVERING
  DEGRADED    via RECOVERING, then ONLINE

Why nothing is restarted
  the link is OFFLINE; services are restarted only while it is RECOVERING"""

NO_ROUTE = """\
OFFLINE for 6 s: 1 bad round: no-route: no default route

Cause
  no-route: no default route
  This machine has no default route. Check DHCP and its network configuration.

Evidence, 1 s ago
  interface  ok      eth0 has a carrier
  route      FAILED  no default route
  gateway    FAILED  192.0.2.254: there is no default route
  dns        FAILED  192.0.2.53: the network is unreachable
  tcp        FAILED  198.51.100.1:443: the network is unreachable
  http       FAILED  http://example.org/: the network is unreachable

What would change it
  RECOVERING  3 more good rounds in a row (0 of 3); a round every 6 s
  ONLINE      via RECOVERING
  DEGRADED    via RECOVERING, then ONLINE

Why nothing is restarted
  the link is OFFLINE; services are restarted only while it is RECOVERING"""

DROP = """\
OFFLINE for 5 s: 3 bad rounds in a row: unreachable: dns 192.0.2.53, tcp
  198.51.100.1:443, http http://example.org/: no answer within 1 s

Cause
  unreachable: dns 192.0.2.53, tcp 198.51.100.1:443, http http://example.org/:
    no answer within 1 s
  The router is reachable (or could not be checked), the internet is not. Call
    the provider.

Evidence, 1 s ago
  interface  ok      eth0 has a carrier
  route      ok      default route via 192.0.2.254
  gateway    ok      192.0.2.254: answered in 0.8 ms
  dns        FAILED  192.0.2.53: no answer within 1 s
  tcp        FAILED  198.51.100.1:443: no answer within 1 s
  http       FAILED  http://example.org/: no answer within 1 s

What would change it
  RECOVERING  3 more good rounds in a row (0 of 3); a round every 5 s
  ONLINE      via RECOVERING
  DEGRADED    via RECOVERING, then ONLINE

Why nothing is restarted
  the link is OFFLINE; services are restarted only while it is RECOVERING"""

DNS_DEAD = """\
OFFLINE for 5 s: 3 bad rounds in a row: dns: dns 192.0.2.53: no answer within 1
  s; http http://example.org/: example.org does not resolve

Cause
  dns: dns 192.0.2.53: no answer within 1 s; http http://example.org/:
    example.org does not resolve
  The line works, but names do not resolve. Check the DNS servers of this
    machine and of the targets.

Evidence, 1 s ago
  interface  ok      eth0 has a carrier
  route      ok      default route via 192.0.2.254
  gateway    ok      192.0.2.254: answered in 0.8 ms
  dns        FAILED  192.0.2.53: no answer within 1 s
  tcp        ok      198.51.100.1:443: answered in 11.0 ms
  http       FAILED  http://example.org/: example.org does not resolve

What would change it
  RECOVERING  3 more good rounds in a row (0 of 3); a round every 5 s
  ONLINE      via RECOVERING
  DEGRADED    via RECOVERING, then ONLINE

Why nothing is restarted
  the link is OFFLINE; services are restarted only while it is RECOVERING"""

PORTAL = """\
OFFLINE for 5 s: 3 bad rounds in a row: portal: http http://example.org/: 302 to
  http://login.example.net/, not 204

Cause
  portal: http http://example.org/: 302 to http://login.example.net/, not 204
  A captive portal or middlebox is answering. Log in on its page, or call the
    provider.

Evidence, 1 s ago
  interface  ok      eth0 has a carrier
  route      ok      default route via 192.0.2.254
  gateway    ok      192.0.2.254: answered in 0.8 ms
  dns        ok      192.0.2.53: answered in 9.2 ms
  tcp        ok      198.51.100.1:443: answered in 11.0 ms
  http       FAILED  http://example.org/: 302 to http://login.example.net/, not
                     204

What would change it
  RECOVERING  3 more good rounds in a row (0 of 3); a round every 5 s
  ONLINE      via RECOVERING
  DEGRADED    via RECOVERING, then ONLINE

Why nothing is restarted
  the link is OFFLINE; services are restarted only while it is RECOVERING"""

API_ONLY = """\
ONLINE for 13 s: 3 good rounds in a row

Cause
  cluster-only: 192.0.2.10:6443 refuses connections
  The internet works. Check the node, k3s or minikube, and the network path to
    the API server.

Evidence, 1 s ago
  interface  ok      eth0 has a carrier
  route      ok      default route via 192.0.2.254
  gateway    ok      192.0.2.254: answered in 0.8 ms
  dns        ok      192.0.2.53: answered in 9.2 ms
  tcp        ok      198.51.100.1:443: answered in 11.0 ms
  http       ok      http://example.org/: answered in 24.5 ms
  api        FAILED  192.0.2.10:6443 refuses connections

What would change it
  DEGRADED    too few targets answer; a round every 2 s
  RECOVERING  an operator requests a recovery; `connmon-agent recover`
  OFFLINE     via DEGRADED

Why nothing is restarted
  the link is ONLINE, no recovery is needed; `connmon-agent recover` restarts
    anyway

Services that are not READY
  frontend UNKNOWN: 192.0.2.10:6443 refuses connections; next check: within 5 s
  grafana UNKNOWN: 192.0.2.10:6443 refuses connections; next check: within 5 s"""


def explained(snapshot: Snapshot) -> LinkExplanation:
    """What `explain now` is told of ``snapshot``."""
    results = snapshot.round.results if snapshot.round is not None else ()
    return explain_link(snapshot.world, real_charts(), at(16), results=results)


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (FAULTS["no-carrier"], NO_CARRIER),
        (FAULTS["no-route"], NO_ROUTE),
        (FAULTS["drop"], DROP),
        (FAULTS["dns-dead"], DNS_DEAD),
        (FAULTS["portal"], PORTAL),
        (FAULTS["api-only"], API_ONLY),
    ],
    ids=["no-carrier", "no-route", "drop", "dns-dead", "portal", "api-only"],
)
def test_each_fault_is_explained_with_its_cause_evidence_advice_and_end(fault: Fault, text: str) -> None:
    snapshot = snapshot_after(fault)
    assert render_link(explained(snapshot), snapshot) == text


WAITING_ON_A_PHONE = """\
grafana WAITING: queued for a restart
  0/3 restarts used
  Next check: within 1 s

Possible next states
  RESTARTING, when the service is checked in the
    cluster
    possible, if no condition blocks a restart
    next: the next check, within 1 s
  GAVE_UP, when the service is checked in the
    cluster
    possible, if the cluster refused it for
      `postpone_limit`
    next: the next check, within 1 s
  GAVE_UP, when the service is checked in the
    cluster
    no: budget_left is yes: only when all
      restarts are used; 0/3 used
    next: the next check, within 1 s
  READY, when the service is checked in the
    cluster
    possible, if there is a reason to skip the
      service and the rollout is complete and
      every replica is available
    next: the next check, within 1 s
  UNKNOWN, when the service is checked in the
    cluster
    possible, if there is a reason to skip the
      service and the rollout is incomplete or a
      replica is unavailable
    next: the next check, within 1 s
  UNKNOWN, when the service is checked in the
    cluster
    no: tried_in_vain is no: no local port
    next: the next check, within 1 s

Why nothing is restarted
  restarts of available services are held back
    for 3 min, until 10:15 UTC: the link is
    flapping, 2 outages in the last hour;
    `connmon-agent recover` does not wait for it"""


def test_a_service_that_waits_is_told_what_for() -> None:
    link = Link(LinkState.RECOVERING, confirmed=True, damped_until=at(900), falls=(at(1).steady, at(100).steady))
    waiting = Service("grafana", ServiceState.WAITING, reason="queued for a restart", healthy_since=at(610))
    outage = Outage(3, started=at(0), cause="drop", back=at(600), hold_over=True)
    snapshot = snapshot_of(world_of(waiting, link=link, outage=outage))
    explanation = explain_service(snapshot.world, real_charts(), at(720), name="grafana")
    assert render_service(explanation, snapshot, width=48) == WAITING_ON_A_PHONE


@given(st.sampled_from(sorted(FAULTS)), st.integers(40, 80))
def test_no_line_is_wider_than_asked_for(name: str, width: int) -> None:
    snapshot = snapshot_after(FAULTS[name])
    told = [render_link(explained(snapshot), snapshot, width=width)]
    told += [
        render_service(explain_service(snapshot.world, real_charts(), at(16), name=service), snapshot, width=width)
        for service in SERVICES
    ]
    assert [line for line in "\n".join(told).splitlines() if width_of(line) > width] == []


def test_the_document_has_every_guard_of_every_way() -> None:
    document = link_document(explained(snapshot_after(FAULTS["drop"])))
    assert (document["schema"], document["of"], document["state"], document["cause"]) == (
        1,
        "link",
        "OFFLINE",
        "unreachable",
    )
    assert document["advice"].endswith("Call the provider.")
    assert document["evidence"][0] == {"layer": "interface", "ok": True, "text": "eth0 has a carrier"}
    assert document["routes"][0] == {"to": "ONLINE", "by": ["RECOVERING"]}
    (way,) = document["ways"]
    assert (way["to"], way["trigger"]) == ("RECOVERING", "round_good")
    assert way["guards"] == [
        {
            "name": "rise_reached",
            "meaning": "`rise` good rounds in a row",
            "wanted": True,
            "answer": False,
            "change": "3 more good rounds in a row (0 of 3)",
        }
    ]


# The command, over a state file that the real engine and the real journal wrote; no agent runs.

RESTART = """\
: frontend checked in the cluster

Evidence
  replicas  ok      3 of 3 available
  rollout   ok      complete
  token             never restarted by connmon-agent

frontend WAITING -> RESTARTING: attempt 1 of 3: restart due after the outage
  event    the service is checked in the cluster (inspected)
  guard    my_turn: yes (its stage is open and a slot is free)
  guard    restart_due: yes (no condition blocks a restart)
  guard    budget_left: yes (fewer restarts used than `max_restart_attempts`)
  action   request_restart: charge an attempt and request the restart
  budget   1/3 restarts used

Effects
  requested a restart of frontend: outage 1, attempt 1 of 3: tcp 192.0.2.1:443,
    dns 192.0.2.2: no answer within 1 s

What followed
"""


def run(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(connmon_agent, ["--state-dir", str(folder), "explain", *arguments])


@pytest.fixture(scope="module")
def morning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory after one outage, in which two services were restarted."""
    folder = tmp_path_factory.mktemp("morning")
    live_through_an_outage(folder)
    return folder


@pytest.fixture(scope="module")
def noon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state directory in which one service was seen ill since the link works, and the other never."""
    folder = tmp_path_factory.mktemp("noon")
    remember(folder, [*start(0), *rounds(UP, 1, 2, 3), Inspected(at(4), "frontend", ROLLING)])
    return folder


def seq_of(folder: Path, dest: str) -> int:
    """The event that first took anything to the state ``dest``."""
    with Reader(folder / DATABASE_FILE) as reader:
        return next(row.seq for row in reader.recorded() if any(one.dest == dest for one in row.transitions))


def test_an_event_is_taken_apart(morning: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.cli.screens.width_of_output", lambda: 80)
    result = run(morning, str(seq_of(morning, "RESTARTING")))
    assert result.exit_code == 0
    assert result.output.startswith("Event ")
    assert RESTART in result.output
    assert "frontend: applied: the patch was accepted" in result.output
    assert "frontend RESTARTING -> VERIFYING" in result.output


def test_an_outage_tells_the_penalty_that_it_was_charged(morning: Path) -> None:
    output = run(morning, str(seq_of(morning, "OFFLINE"))).output
    assert "guard    fall_reached: yes" in output
    assert "penalty  1000 of 6000 at which restarts are held back, halves every 15 min" in output


def test_an_event_that_changed_no_state_tells_what_refused(morning: Path) -> None:
    output = run(morning, str(seq_of(morning, "OFFLINE") - 1)).output
    assert "No state changed." in output
    assert "Verdict\n  bad round: 0 of 2 counted targets answered, quorum is 2; unreachable:" in output
    assert "no: fall_reached is no: 1 more bad round (2 of 3)" in output


@pytest.mark.parametrize("arguments", [(), ("now",), ("NOW",)], ids=["none", "now", "capitals"])
def test_the_link_is_meant_where_nothing_is_given(morning: Path, arguments: tuple[str, ...]) -> None:
    result = run(morning, *arguments)
    assert result.exit_code == 0
    assert result.output.startswith("ONLINE: recovery complete")
    assert "  No agent is running. This is the state from " in result.output
    assert "Services that are not READY" not in result.output


def test_a_service_shows_what_was_seen_since_it_is_in_its_state(noon: Path) -> None:
    frontend, grafana = run(noon, "frontend").output, run(noon, "grafana").output
    assert "replicas          1 of 3 available" in frontend
    assert "no: healthy is no: every replica must be available; last check: 1 of 3" in frontend
    assert "Last seen" not in grafana
    assert "possible, if the rollout is complete and every replica is" in grafana


def test_what_was_seen_before_a_restart_says_nothing_of_what_came_of_it(tmp_path: Path) -> None:
    remember(tmp_path, [*start(0), *rounds(UP, 1, 2, 3), Inspected(at(4), "frontend", HEALTHY)])
    assert "replicas  ok      3 of 3 available" in run(tmp_path, "frontend").output
    remember(tmp_path, [Ordered(at(20), Order.RECOVER, ("frontend",), "root"), Inspected(at(21), "frontend", HEALTHY)])
    output = run(tmp_path, "frontend").output
    assert output.startswith("frontend RESTARTING: attempt 1 of 3")
    assert "Last seen" not in output


def test_every_event_can_be_explained_as_text_and_as_a_document(morning: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connmon_agent.cli.screens.width_of_output", lambda: 80)
    with Reader(morning / DATABASE_FILE) as reader:
        events = reader.counts()[0]
    for seq in range(1, events + 1):
        document = json.loads(run(morning, str(seq), "--json").output)
        assert (document["schema"], document["of"], document["seq"]) == (1, "event", seq)
        assert max(map(width_of, run(morning, str(seq)).output.splitlines())) <= 80


def test_a_service_as_a_document(morning: Path) -> None:
    document = json.loads(run(morning, "frontend", "--json").output)
    assert (document["of"], document["name"], document["state"]) == ("service", "frontend", "READY")
    assert document["budget"] == {"attempts": 1, "limit": 3, "left": 2}
    assert {way["to"] for way in document["ways"]} == {"UNKNOWN", "WAITING"}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("nobody", "no service 'nobody'; the services are: frontend, grafana"),
        ("0", "no event 0; there are"),
        ("9999", "no event 9999; there are"),
    ],
    ids=["service", "zero", "too-high"],
)
def test_what_is_not_there_is_said(morning: Path, what: str, message: str) -> None:
    result = run(morning, what)
    assert result.exit_code == 1
    assert message in result.stderr
    assert "\nRun `connmon-agent" in result.stderr


def test_without_anything_recorded_nothing_is_explained(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert result.exit_code == 1
    assert "nothing has been recorded yet" in result.stderr


def test_an_agent_that_never_read_a_configuration_has_no_charts_to_ask(tmp_path: Path) -> None:
    remember(tmp_path, start(0)[:1])
    assert "no agent has got so far as to read its configuration" in run(tmp_path).stderr


def test_a_service_is_told_with_its_local_port_and_why_on_that_one() -> None:
    world = world_of(Service("grafana", ServiceState.READY, reason="available, reachable through local port"))
    forward = Forward(
        "grafana",
        ForwardState.LISTENING,
        port=3001,
        reason="port 3001 does not reach the service: the pod refuses the connection",
        choice="3000 is in use by nginx (pid 99)",
    )
    snapshot = snapshot_of(replace(world, forwards={"grafana": forward}))
    explanation = explain_service(snapshot.world, real_charts(), at(720), name="grafana")
    told = " ".join(render_service(explanation, snapshot, width=60).split())
    assert (
        "Local port: 3001 LISTENING: port 3001 does not reach the service: the pod refuses the connection "
        "(3000 is in use by nginx (pid 99))" in told
    )
    assert service_document(explanation)["forward"]["choice"] == "3000 is in use by nginx (pid 99)"

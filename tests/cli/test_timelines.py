"""`replay` as text and as a document."""

import json
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.mornings import OUTAGE, journal_of_an_outage, moved, recorded, still_dark

from connmon_agent.cli.rendering.timeline_document import write_timeline
from connmon_agent.cli.rendering.timeline_text import render_timeline
from connmon_agent.cli.wording import width_of
from connmon_agent.core.steps import Transition
from connmon_agent.core.world import ServiceState

TIMELINE = """\
Outage 3, 2026-11-23 10:00:12
  Cause     unreachable: tcp 192.0.2.1:443: no answer within 1 s
  To do     The router is reachable (or could not be checked), the internet is
            not. Call the provider.
  Link      back at 10:03:12, after 3 min
  Restarts  1
  End       10:04:40, after 4 min 28 s
  Result    gave up: grafana

Monday 2026-11-23
10:00:12  link ONLINE -> DEGRADED: bad round: tcp 192.0.2.1:443: no answer
          within 1 s
10:00:14  link DEGRADED -> OFFLINE: 3 bad rounds in a row: tcp 192.0.2.1:443: no
          answer within 1 s
10:03:12  link OFFLINE -> RECOVERING: 3 good rounds in a row; the link must stay
          good for 10 s
10:03:12  frontend and grafana are waiting: queued for a restart
10:03:22  frontend is restarting, attempt 1 of 3: restart due after the outage
          10:03:22  restart accepted; the rollout must complete within 5 min
          10:03:50  ready after 28 s: restarted, 3 of 3 available
10:03:40  agent: not running for 18 s by its clock; it was killed; the machine
          rebooted, so the length of the gap is not known
10:03:40  agent: started, version 0.1.0 (pid 99)
10:04:40  grafana gave up: 3/3 restarts used: CrashLoopBackOff
10:04:40  link RECOVERING -> ONLINE: recovery complete: 1/2 services ready; gave
          up: grafana

Services
  frontend  READY    1 restart   restarted, 3 of 3 available
  grafana   GAVE_UP  0 restarts  3/3 restarts used: CrashLoopBackOff"""


def test_a_timeline() -> None:
    assert render_timeline(journal_of_an_outage(), outage=OUTAGE, zone=UTC) == TIMELINE


def test_an_outage_that_goes_on_has_neither_link_nor_end() -> None:
    head = render_timeline([], outage=still_dark(OUTAGE), zone=UTC)
    assert head == (
        "Outage 3, 2026-11-23 10:00:12\n"
        "  Cause     unreachable: tcp 192.0.2.1:443: no answer within 1 s\n"
        "  To do     The router is reachable (or could not be checked), the internet is\n"
        "            not. Call the provider.\n"
        "  Restarts  0\n"
        "  Result    offline"
    )


def test_each_day_is_named() -> None:
    text = render_timeline(
        [recorded(1, 0, notes=(("agent", "one"),)), recorded(2, 86_400, notes=(("agent", "two"),))],
        outage=None,
        zone=UTC,
    )
    assert text == "Monday 2026-11-23\n10:00:00  agent: one\n\nTuesday 2026-11-24\n10:00:00  agent: two"


def test_an_empty_span_is_said() -> None:
    assert render_timeline([], outage=None) == "No events in this period."


any_text = st.text(min_size=1, max_size=200)
any_move = st.builds(
    moved, any_text, st.sampled_from(list(ServiceState)), st.sampled_from(list(ServiceState)), any_text
)


@given(st.lists(any_move, max_size=6), any_text, st.sampled_from([60, 80]))
def test_no_line_is_wider_than_asked_for(moves: list[Transition], note: str, width: int) -> None:
    rows = [recorded(seq, seq, move, notes=((note, note),)) for seq, move in enumerate(moves, 1)]
    text = render_timeline(rows, outage=OUTAGE, width=width)
    assert all(width_of(line) <= width for line in text.splitlines())


def test_a_timeline_as_a_document() -> None:
    text = "".join(write_timeline(journal_of_an_outage(), outage=OUTAGE))
    document = json.loads(text)
    assert text == json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    assert document.keys() == {"schema", "outage", "events", "services", "note"}
    assert document["schema"] == 1
    assert document["outage"]["result"] == "gave up: grafana"
    assert [event["seq"] for event in document["events"]] == list(range(1, 10))
    assert document["services"][0] == {
        "name": "frontend",
        "state": "READY",
        "restarts": 1,
        "reason": "restarted, 3 of 3 available",
    }


def test_an_event_as_a_document() -> None:
    event = json.loads("".join(write_timeline(journal_of_an_outage(), outage=None)))["events"][4]
    assert event == {
        "seq": 5,
        "at": "2026-11-23T10:03:22.000000+00:00",
        "boot_id": "boot-1",
        "event": "Inspected",
        "outage": 3,
        "sentences": ["frontend is restarting, attempt 1 of 3: restart due after the outage"],
        "transitions": [
            {
                "chart": "service",
                "instance": "frontend",
                "trigger": "inspected",
                "source": "WAITING",
                "dest": "RESTARTING",
                "guards": [{"name": "healthy", "answer": True}],
                "actions": [],
                "reason": "attempt 1 of 3: restart due after the outage",
            }
        ],
        "restarts": [
            {"service": "frontend", "token": "k7-3-1-1", "again": False, "reason": "outage 3, attempt 1 of 3"}
        ],
        "listens": [],
        "resolutions": [],
    }

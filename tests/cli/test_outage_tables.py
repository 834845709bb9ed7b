"""`history` as a table, as a document and as CSV."""

import csv
from dataclasses import replace
from datetime import UTC

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.mornings import OUTAGE, at, still_dark

from connmon_agent.cli.rendering.outage_tables import history_csv, history_document, render_history
from connmon_agent.cli.wording import width_of

NOW = at(10_000).wall
OUTAGES = [
    OUTAGE,
    replace(still_dark(OUTAGE), id=4, started=at(9_000), cause="no-carrier", detail="eth0 has no carrier"),
]


def test_the_newest_outage_comes_first_and_an_open_one_grows() -> None:
    assert render_history(OUTAGES, now=NOW, zone=UTC).splitlines() == [
        "  NO  START             DURATION    RESTARTS  RESULT            CAUSE",
        "  4   2026-11-23 12:30  16 min      0         offline           no-carrier",
        "      eth0 has no carrier",
        "  3   2026-11-23 10:00  4 min 28 s  1         gave up: grafana  unreachable",
        "      tcp 192.0.2.1:443: no answer within 1 s",
        "",
        "What to do",
        "  no-carrier: Check the cable, the switch and the router's power.",
        "  unreachable: The router is reachable (or could not be checked), the internet",
        "    is not. Call the provider.",
    ]


def test_what_to_do_about_a_cause_is_told_once() -> None:
    text = render_history([*OUTAGES, replace(OUTAGES[1], id=5)], now=NOW, zone=UTC)
    assert text.count("  no-carrier (2 times): Check the cable") == 1


def test_an_ordered_recovery_has_nothing_to_be_done_about() -> None:
    ordered = replace(OUTAGE, cause="ordered", detail="no outage: root ", by_operator=True)
    assert "What to do" not in render_history([ordered], now=NOW, zone=UTC)


def test_no_outage_is_said() -> None:
    assert render_history([], now=NOW) == "No outages recorded."
    assert history_document([]) == {"schema": 1, "outages": [], "note": None}


def test_blind_time_is_told_apart_from_the_outage() -> None:
    monitoring_gap = replace(OUTAGE, monitoring_gap=200.0)
    assert "1 min 8 s + 3 min 20 s gap" in render_history([monitoring_gap], now=NOW, zone=UTC)
    document = history_document([monitoring_gap])["outages"][0]
    assert (document["duration"], document["monitoring_gap"]) == (68.0, 200.0)


def test_an_outage_as_a_document() -> None:
    first, second = history_document(OUTAGES)["outages"]
    assert first == {
        "id": 3,
        "started_at": "2026-11-23T10:00:12.000000+00:00",
        "back_at": "2026-11-23T10:03:12.000000+00:00",
        "ended_at": "2026-11-23T10:04:40.000000+00:00",
        "duration": 268.0,
        "monitoring_gap": 0.0,
        "cause": "unreachable",
        "detail": "tcp 192.0.2.1:443: no answer within 1 s",
        "advice": "The router is reachable (or could not be checked), the internet is not. Call the provider.",
        "by_operator": False,
        "relapses": 0,
        "restarts": 1,
        "result": "gave up: grafana",
    }
    assert (second["id"], second["ended_at"], second["duration"]) == (4, None, None)


def test_csv_says_what_the_document_says() -> None:
    rows = list(csv.DictReader(history_csv(OUTAGES).splitlines()))
    documents = history_document(OUTAGES)["outages"]
    assert [dict(row) for row in rows] == [
        {key: "" if value is None else str(value) for key, value in document.items()} for document in documents
    ]


any_text = st.text(min_size=1, max_size=100)


@given(any_text, any_text, st.sampled_from([60, 80]))
def test_no_line_is_wider_than_asked_for(cause: str, result: str, width: int) -> None:
    text = render_history([replace(OUTAGE, cause=cause, result=result)], now=NOW, width=width)
    assert all(width_of(line) <= width for line in text.splitlines())

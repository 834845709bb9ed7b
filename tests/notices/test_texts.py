"""The texts, on the state file of a hard day and on facts that are made up."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import pytest
from msgspec.structs import replace as replace_struct
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.notices import ZONE

from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import ServiceState
from connmon_agent.loading.places import MACHINE_STATE_DIRS
from connmon_agent.notices.jobs import Notice
from connmon_agent.notices.outage_facts import OutageFacts, ServiceFacts, read_outage
from connmon_agent.notices.texts import Place, Text, compose, compose_test
from connmon_agent.notices.wording import say_span
from connmon_agent.platform_terms import quote_argument
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.records import OutageRow
from connmon_agent.store.report_reading import ReportReader

PLACE = Place("berlin-7", str(MACHINE_STATE_DIRS[0] / DATABASE_FILE), ZONE)
START = Timestamp(1000.0, 1_790_000_000.0)  # 2026-09-21 14:13:20 UTC


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    live_through_a_hard_day(folder)
    return folder


def write(day: Path, kind: str, outage: int = 1, **notice: int) -> Text:
    wanted = replace_struct(Notice(kind, "office", outage=outage), **notice)
    with ReportReader(day / DATABASE_FILE) as reader:
        return compose(wanted, read_outage(reader, wanted), PLACE)


DIGEST = """\
Offline: 2026-11-23 11:01:40 to 11:04:02 (10:01:40 to 10:04:02 UTC)
Duration: 2 min 22 s
Recovery: 5 min 48 s, until 11:09:50
Cause: unreachable: dns 192.0.2.53, tcp 198.51.100.1:443, http http://example.org/: no answer within 1 s
To do: The router is reachable (or could not be checked), the internet is not. Call the provider.
Relapses: 1 (the link was back in between)

GAVE UP: grafana
grafana: 3/3 restarts used; grafana-7d9f: ImagePullBackOff: registry.example \
is unreachable; ProgressDeadlineExceeded; 1 of 3 replicas are still serving
Fix the cause, then run:
connmon-agent rearm grafana

Ready, 1/3 restarts used: frontend, kafka
Skipped (scaled to 0): jaeger
Skipped (already restarted since the outage, by kubectl rollout restart): loki
Ready, 2/3 restarts used: redis

Details: connmon-agent replay 1"""


def test_the_digest_says_all_of_the_outage(day: Path) -> None:
    text = write(day, "digest")
    assert text.subject == "[berlin-7] Outage 1, 2 min 22 s: grafana gave up"
    assert text.body == DIGEST
    assert text.remedy == "connmon-agent rearm grafana"


def test_the_digest_of_the_events_that_a_row_names_is_the_outages(day: Path) -> None:
    with ReportReader(day / DATABASE_FILE) as reader:
        seqs = [one.seq for one in reader.recorded(outage=1)]
    assert write(day, "digest", from_seq=seqs[0], until_seq=seqs[-1]).body == DIGEST


def test_a_digest_whose_first_events_were_removed_says_so_and_takes_the_result_of_the_outage(day: Path) -> None:
    wanted = Notice("digest", "office", outage=1, from_seq=0, until_seq=0)  # the record begins with event 1
    with ReportReader(day / DATABASE_FILE) as reader:
        facts = read_outage(reader, wanted)
    assert facts.incomplete and not facts.services
    text = compose(wanted, facts, PLACE)
    assert text.subject == "[berlin-7] Outage 1, 2 min 22 s: gave up: grafana"
    assert "Older events were removed (journal.max_size): services may be missing." in text.body.splitlines()


def test_a_digest_may_tell_of_the_outages_before(day: Path) -> None:
    text = write(day, "digest", 2, from_seq=1, until_seq=10_000)
    assert (
        "\nEarlier outages:\n1: 2026-11-23 11:01:40 to 11:04:02 (10:01:40 to 10:04:02 UTC), gave up: grafana\n"
        in text.body
    )
    assert "GAVE UP" not in text.body, "grafana was of the earlier one, and has its attempts again"


def test_a_recovery_that_was_ordered_is_no_outage(day: Path) -> None:
    text = write(day, "digest", 2)
    assert text.subject.startswith("[berlin-7] Recovery 2: ")
    assert "Requested by root (pid 9)" in text.body
    assert "Offline" not in text.body


def test_the_notice_of_the_beginning_says_since_when_why_and_what_will_happen(day: Path) -> None:
    text = write(day, "offline")
    assert text.subject == "[berlin-7] OFFLINE since 11:01:40: unreachable"
    assert text.body.splitlines()[0] == "Offline since 2026-11-23 11:01:40 (10:01:40 UTC)"
    assert "Services are restarted once the link has been good for 10 s." in text.body


def test_the_notice_of_who_gave_up_names_the_command(day: Path) -> None:
    text = write(day, "gave-up")
    assert text.subject == "[berlin-7] Outage 1: grafana gave up"
    assert text.body.split("\n\n")[1].endswith("Fix the cause, then run:\nconnmon-agent rearm grafana")


def test_relapses_are_counted_over_the_events_of_the_notice(day: Path) -> None:
    with ReportReader(day / DATABASE_FILE) as reader:
        seqs = [one.seq for one in reader.recorded(outage=1)]
    text = write(day, "relapses", from_seq=seqs[0], until_seq=seqs[-1])
    assert text.subject == "[berlin-7] Outage 1: 1 relapse within 8 min 8 s"
    assert "1 relapse so far" in text.body
    assert write(day, "relapses", from_seq=seqs[-1], until_seq=seqs[-1]).subject.endswith(": 0 relapses within 0 s")


def test_a_test_says_what_the_channel_is_for() -> None:
    text = compose_test(Notice("test", "office"), PLACE)
    assert text.subject == "[berlin-7] Test notice"
    assert "The channel office works." in text.body


def facts_of(*services: ServiceFacts, **row: object) -> OutageFacts:
    """An outage of two minutes with these services."""
    values = {"id": 7, "cause": "no-carrier", "detail": "eth0 has no carrier", "by_operator": False, "relapses": 0}
    values |= {
        "restarts": 0,
        "result": "recovered",
        "started": START,
        "back": START.plus(120),
        "ended": START.plus(180),
    }
    return OutageFacts(
        row=OutageRow(**{**values, **row}),  # type: ignore[arg-type]
        services=services,
        earlier=(),
        store="k7k7k7k7",
        budget=3,
        hold=10.0,
        attempts={one.name: one.restarts for one in services},
        relapses=0,
        since=START,
        until=START.plus(180),
        link="ONLINE",
    )


def digest(facts: OutageFacts, place: Place = PLACE) -> Text:
    return compose(Notice("digest", "office", outage=7), facts, place)


def test_fifty_services_that_gave_up_are_one_short_message() -> None:
    lost = [ServiceFacts(f"web-{number}", ServiceState.GAVE_UP, "ImagePullBackOff " * 99, 3) for number in range(50)]
    text = digest(facts_of(*lost))
    assert text.subject == "[berlin-7] Outage 7, 2 min: 50 services gave up"
    assert len(text.body.splitlines()) < 30
    assert max(map(len, text.body.splitlines())) < 300
    assert text.remedy == "connmon-agent rearm", "it resets all: fifty names are not typed on a phone"


def test_an_outage_that_all_services_came_back_from_says_so() -> None:
    well = [ServiceFacts(name, ServiceState.READY, "restarted", 1) for name in ("web", "api")]
    text = digest(facts_of(*well))
    assert text.subject == "[berlin-7] Outage 7, 2 min: recovered, 2 services restarted"
    assert "Ready, 1/3 restarts used: web, api" in text.body
    assert text.remedy == "Check the cable, the switch and the router's power."


def test_a_monitoring_gap_is_neither_uptime_nor_downtime() -> None:
    text = digest(facts_of(monitoring_gap=40.0))
    assert "Duration: 1 min 20 s\nMonitoring gap: 40 s more, neither uptime nor downtime\n" in text.body
    whole = digest(facts_of(monitoring_gap=120.0))
    assert whole.subject == "[berlin-7] Outage 7, monitoring gap 2 min: recovered"


def test_the_command_names_the_state_where_it_would_not_be_found(tmp_path: Path) -> None:
    lost = ServiceFacts("web", ServiceState.GAVE_UP, "x", 3)
    text = digest(facts_of(lost), Place("s", str(tmp_path / "a b" / DATABASE_FILE), ZONE))
    assert text.remedy == f"connmon-agent --state-dir {quote_argument(str(tmp_path / 'a b'))} rearm web"


def test_what_others_wrote_cannot_command_a_terminal_or_give_a_secret_away() -> None:
    lost = ServiceFacts("web", ServiceState.GAVE_UP, "\x1b[31m password=hunter2 \n\n x", 3)
    body = digest(facts_of(lost, detail="http://u:hunter2@h/\r\nBcc: x")).body
    assert "hunter2" not in body
    assert all(line.isprintable() for line in body.split("\n"))


@pytest.mark.parametrize(
    ("end", "zone", "said"),
    [
        (120, ZONE, "2026-09-21 15:13:20 to 15:15:20 (14:13:20 to 14:15:20 UTC)"),
        (120, UTC, "2026-09-21 14:13:20 to 14:15:20 UTC"),
        (
            86_400,
            ZONE,
            "2026-09-21 15:13:20 to 2026-09-22 15:13:20 (2026-09-21 14:13:20 to 2026-09-22 14:13:20 UTC)",
        ),
        (
            35_000,
            ZONE,
            "2026-09-21 15:13:20 to 2026-09-22 00:56:40 (14:13:20 to 23:56:40 UTC)",
        ),
        (None, ZONE, "since 2026-09-21 15:13:20 (14:13:20 UTC)"),
        (None, UTC, "since 2026-09-21 14:13:20 UTC"),
    ],
)
def test_times_are_local_and_utc_with_the_dates_where_they_differ(end: float | None, zone: object, said: str) -> None:
    assert say_span(START, None if end is None else START.plus(end), zone) == said  # type: ignore[arg-type]

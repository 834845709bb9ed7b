"""`status` of a link that works badly, or that flaps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC

import pytest
from msgspec import structs
from tests.fakes.mornings import DNS, TCP, at, ready, snapshot_of, world_of

from connmon_agent.cli.rendering.snapshots import Snapshot
from connmon_agent.cli.rendering.status_document import status_document, without_pulse
from connmon_agent.cli.rendering.status_text import render_status
from connmon_agent.core.observations import LineUsage, MeasuredQuality, Quality
from connmon_agent.core.world import Link, LinkState, Outage
from connmon_agent.store.records import LatestRound

SIGHT = MeasuredQuality(Quality.LOSSY, 0.23, 12.25, 30.5)


def lossy_snapshot(measured_quality: MeasuredQuality | None = SIGHT) -> Snapshot:
    calm = snapshot_of(world_of(ready("frontend")))
    return replace(calm, round=LatestRound(at(719), (TCP,), 0.0, 11.0, measured_quality))


def damped_snapshot() -> Snapshot:
    link = Link(
        LinkState.RECOVERING,
        since=at(600),
        reason="the link stayed good for 10 s",
        damped_until=at(2520),
        falls=tuple(at(second).steady for second in range(100, 800, 100)),
    )
    return snapshot_of(world_of(ready("frontend"), link=link, outage=Outage(7, started=at(590), cause="unreachable")))


def test_the_quality_stands_below_the_probes() -> None:
    lines = render_status(lossy_snapshot(), zone=UTC, width=120).splitlines()
    assert "  over 1 min: loss 23 %, median 12 ms, p95 30 ms" in lines


def test_a_window_that_is_not_full_says_nothing() -> None:
    assert "over 1 min" not in render_status(lossy_snapshot(None), zone=UTC)


def test_the_quality_as_a_document() -> None:
    link = status_document(lossy_snapshot())["link"]
    assert link["quality"] == {"class": "lossy", "loss": 0.23, "median_ms": 12.25, "p95_ms": 30.5}
    assert status_document(lossy_snapshot(None))["link"]["quality"] is None


def test_other_figures_of_the_same_quality_are_no_news() -> None:
    before, later = lossy_snapshot(), lossy_snapshot(structs.replace(SIGHT, loss=0.24, p95_ms=None))
    assert without_pulse(status_document(before)) == without_pulse(status_document(later))


def test_a_link_that_flaps_tells_until_when_restarts_wait_and_what_ends_it_earlier() -> None:
    text = render_status(damped_snapshot(), zone=UTC, width=120)
    held_back = (
        "restarts of available services are held back until 2026-11-23 10:42:00: the link is flapping, 7 outages"
    )
    assert f"{held_back} in the last hour" in " ".join(text.split())
    assert "connmon-agent recover: restarts now, without waiting for the link to stop flapping" in text


def test_damping_as_a_document() -> None:
    assert status_document(damped_snapshot())["link"]["damped_until"] == "2026-11-23T10:42:00.000000+00:00"
    assert status_document(lossy_snapshot())["link"]["damped_until"] is None


def snapshot_with_usage(usage: LineUsage | None, *, metered: bool | None = None) -> Snapshot:
    calm = snapshot_of(world_of(ready("frontend")))
    link = structs.replace(calm.world.link, metered=metered)
    return replace(
        calm,
        world=structs.replace(calm.world, link=link),
        round=LatestRound(
            at(719), (TCP, structs.replace(DNS, ok=True, latency_ms=8.0, at=at(680).wall)), 0.0, 11.0, None, usage
        ),
    )


@pytest.mark.parametrize(
    ("usage", "metered", "line", "daily"),
    [
        (LineUsage(810_000, 8640.0), None, "  probe traffic: 8.1 MB a day", 8_100_000),
        (LineUsage(81_000, 8640.0), True, "  probe traffic: 0.81 MB a day; metered connection", 810_000),
        (LineUsage(81_000, 60.0), True, "  metered connection", None),
        (LineUsage(81_000, 60.0), None, None, None),
        (None, None, None, None),
    ],
)
def test_what_the_probes_take_on_the_line_is_told(
    usage: LineUsage | None, metered: bool | None, line: str | None, daily: int | None
) -> None:
    snapshot = snapshot_with_usage(usage, metered=metered)
    told = [
        text for text in render_status(snapshot, zone=UTC).splitlines() if "probe traffic" in text or "metered" in text
    ]
    assert told == ([] if line is None else [line])
    link = status_document(snapshot)["link"]
    assert (link["bytes_per_day"], link["metered"]) == (daily, bool(metered))


def test_an_answer_of_an_older_round_is_told_with_its_age() -> None:
    snapshot = snapshot_with_usage(None)
    lines = render_status(snapshot, zone=UTC).splitlines()
    assert any(line.split()[0] == "ok" and line.endswith("8.0 ms, 40 s ago") for line in lines if DNS.name in line)
    assert not any("ago" in line for line in lines if TCP.name in line)
    probes = {probe["name"]: probe["at"] for probe in status_document(snapshot)["link"]["probes"]}
    assert probes[DNS.name] == "2026-11-23T10:11:20.000000+00:00" and probes[TCP.name] > probes[DNS.name]

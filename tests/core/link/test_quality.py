"""When a link that works is called lossy or slow."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from connmon_agent.core.link.quality import Sample, explain_quality, judge, measure, slide
from connmon_agent.core.observations import Failure, MeasuredQuality, ProbeResult, Quality
from connmon_agent.core.plan import QualityPlan

GOOD, SLOW, LOSSY = Quality.GOOD, Quality.SLOW, Quality.LOSSY
PLAN = QualityPlan(window=60.0, enter_loss=0.2, leave_loss=0.1, enter_latency=0.5, leave_latency=0.2, least=20)
NAMES = ("a", "b", "c")


def window_of(lost: dict[str, int], *, latency: dict[str, float] | None = None, rounds: int = 20) -> list[Sample]:
    """As many rounds of three targets; of each target the first ``lost`` probes are lost."""
    return [
        Sample(float(number), name, ok, (latency or {}).get(name, 10.0) if ok else None)
        for number in range(rounds)
        for name in NAMES
        for ok in [number >= lost.get(name, 0)]
    ]


@pytest.mark.parametrize(
    ("previous", "loss", "p95_ms", "quality"),
    [
        pytest.param(GOOD, 0.0, 20.0, GOOD, id="good"),
        pytest.param(GOOD, 0.2, 500.0, GOOD, id="at both thresholds, not above"),
        pytest.param(GOOD, 0.21, 20.0, LOSSY, id="lossy"),
        pytest.param(GOOD, 0.0, 501.0, SLOW, id="slow"),
        pytest.param(GOOD, 0.21, 501.0, LOSSY, id="both: lossy counts for more"),
        pytest.param(GOOD, 0.0, None, GOOD, id="no latency is known"),
        pytest.param(LOSSY, 0.15, 20.0, LOSSY, id="still lossy between the thresholds"),
        pytest.param(LOSSY, 0.1, 20.0, GOOD, id="no longer lossy at the lower one"),
        pytest.param(LOSSY, 0.05, 300.0, GOOD, id="not lossy any more, and never was slow"),
        pytest.param(LOSSY, 0.05, 600.0, SLOW, id="from lossy to slow"),
        pytest.param(SLOW, 0.0, 300.0, SLOW, id="still slow between the thresholds"),
        pytest.param(SLOW, 0.0, 200.0, GOOD, id="no longer slow at the lower one"),
        pytest.param(SLOW, 0.15, 300.0, SLOW, id="slow, and not lossy yet"),
        pytest.param(SLOW, 0.25, 300.0, LOSSY, id="from slow to lossy"),
    ],
)
def test_a_class_is_entered_above_one_threshold_and_left_at_a_lower_one(
    previous: Quality, loss: float, p95_ms: float | None, quality: Quality
) -> None:
    assert judge(previous, loss, p95_ms, PLAN) is quality


@pytest.mark.parametrize(
    ("window", "measured_quality"),
    [
        pytest.param(window_of({}), MeasuredQuality(GOOD, 0.0, 10.0, 10.0), id="nothing is lost"),
        pytest.param(window_of(dict.fromkeys(NAMES, 5)), MeasuredQuality(LOSSY, 0.25, 10.0, 10.0), id="a lossy link"),
        pytest.param(window_of({"a": 20}), MeasuredQuality(GOOD, 0.0, 10.0, 10.0), id="one target is down"),
        pytest.param(window_of({"a": 9}), MeasuredQuality(GOOD, 0.0, 10.0, 10.0), id="one target goes down"),
        pytest.param(
            window_of({}, latency={"a": 900.0}), MeasuredQuality(GOOD, 0.0, 10.0, 10.0), id="one target is far away"
        ),
        pytest.param(
            window_of({}, latency=dict.fromkeys(NAMES, 900.0)),
            MeasuredQuality(SLOW, 0.0, 900.0, 900.0),
            id="a slow link",
        ),
        pytest.param(window_of(dict.fromkeys(NAMES, 20)), None, id="nothing answers: that is no matter of quality"),
        pytest.param(window_of({}, rounds=6), None, id="too few probes yet"),
        pytest.param([], None, id="none"),
    ],
)
def test_the_link_is_as_good_as_the_middle_target(
    window: list[Sample], measured_quality: MeasuredQuality | None
) -> None:
    assert measure(window, PLAN, quorum=2) == measured_quality
    assert measure(window, PLAN, quorum=3) == measured_quality


def test_with_a_quorum_of_one_the_best_target_is_enough() -> None:
    window = window_of({"a": 20, "b": 20}, latency={"c": 40.0})
    assert measure(window, PLAN, quorum=1) == MeasuredQuality(GOOD, 0.0, 40.0, 40.0)
    assert measure(window, PLAN, quorum=2) == MeasuredQuality(LOSSY, 1.0, 40.0, 40.0)


def test_the_latency_that_counts_is_the_one_of_the_slowest_of_twenty() -> None:
    answers = [Sample(0.0, "a", True, float(number)) for number in range(1, 101)]
    measured_quality = measure(answers, PLAN, quorum=1)
    assert measured_quality is not None
    assert (measured_quality.median_ms, measured_quality.p95_ms) == (50.0, 95.0)


def result(kind: str, failure: Failure | None = None, *, ok: bool = False) -> ProbeResult:
    return ProbeResult(kind, kind, ok, 10.0 if ok else None, None if ok else "so it is", failure=failure)


@pytest.mark.parametrize(
    ("results", "counted"),
    [
        pytest.param([result("tcp", ok=True), result("dns", ok=True)], [True, True], id="answers"),
        pytest.param([result("tcp", Failure.SILENT)], [False], id="silence"),
        pytest.param([result("tcp", Failure.UNREACHABLE)], [False], id="unreachable"),
        pytest.param([result("http", Failure.NAME)], [False], id="the name server did not answer"),
        pytest.param([result("tcp")], [False], id="a probe that does not tell"),
        pytest.param([result("tcp", Failure.REFUSED)], [], id="a refusal is an answer"),
        pytest.param([result("http", Failure.WRONG)], [], id="so is a wrong one"),
        pytest.param(
            [result("dns", Failure.NXDOMAIN), result("dns", Failure.SERVFAIL)], [], id="and the name servers'"
        ),
        pytest.param([result("tcp", Failure.BROKEN)], [], id="a broken probe says nothing"),
        pytest.param([replace(result("tcp", ok=True), attempts=3)], [False, False, True], id="an answer to the third"),
        pytest.param([replace(result("tcp", Failure.SILENT), attempts=3)], [False] * 3, id="no answer to any of three"),
        pytest.param([replace(result("tcp", Failure.REFUSED), attempts=2)], [False], id="a refusal of the second"),
        pytest.param([result("interface", ok=True), result("gateway", ok=True)], [], id="not the internet"),
        pytest.param([result("icmp", Failure.SILENT)], [], id="a suspect kind"),
    ],
)
def test_only_what_was_lost_on_the_internet_counts_as_lost(results: Iterable[ProbeResult], counted: list[bool]) -> None:
    window = slide((), results, now=5.0, plan=PLAN, suspects=["icmp"])
    assert [sample.ok for sample in window] == counted


def test_what_is_older_than_the_window_is_forgotten() -> None:
    window: tuple[Sample, ...] = ()
    for second in range(0, 200, 10):
        window = slide(window, [result("tcp", ok=True)], now=float(second), plan=replace(PLAN, least=6), suspects=())
    assert [sample.steady for sample in window] == [140.0, 150.0, 160.0, 170.0, 180.0, 190.0]


@pytest.mark.parametrize(
    ("measured_quality", "told"),
    [
        (MeasuredQuality(LOSSY, 0.23, 12.0, 30.0), "lossy: loss 23 % over 1 min, threshold 20 %"),
        (
            MeasuredQuality(SLOW, 0.0, 400.0, 730.4),
            "slow: p95 730 ms over 1 min, threshold 500 ms",
        ),
        (
            MeasuredQuality(GOOD, 0.05, 12.0, 30.0),
            "loss 5 %, p95 30 ms over 1 min",
        ),
        (MeasuredQuality(GOOD, 0.05, None, None), "loss 5 %, no answers over 1 min"),
    ],
    ids=["lossy", "slow", "good", "good, no latency"],
)
def test_the_reason_holds_the_figure_and_its_threshold(measured_quality: MeasuredQuality, told: str) -> None:
    assert explain_quality(measured_quality, PLAN) == told


samples = st.builds(
    lambda target, ok, latency: Sample(0.0, target, ok, latency if ok else None),
    st.sampled_from(NAMES),
    st.booleans(),
    st.floats(0, 1e6),
)


@given(st.lists(samples, max_size=90), st.sampled_from(Quality), st.integers(1, 4))
def test_every_window_has_sensible_figures_and_a_verdict_that_stays(
    window: list[Sample], previous: Quality, quorum: int
) -> None:
    measured_quality = measure(window, PLAN, quorum=quorum, previous=previous)
    if measured_quality is None:
        assert len(window) < PLAN.least or not any(sample.ok for sample in window)
        return
    assert 0.0 <= measured_quality.loss <= 1.0
    if measured_quality.median_ms is not None and measured_quality.p95_ms is not None:
        assert measured_quality.median_ms <= measured_quality.p95_ms
    assert measure(window, PLAN, quorum=quorum, previous=measured_quality.quality) == measured_quality

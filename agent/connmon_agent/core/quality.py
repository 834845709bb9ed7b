"""How good a link is that works: loss and latency over a window, and when it is called lossy or slow.

Each target is measured by itself, and the link is as good as the middle one of them, or as the last one of the quorum
where that is better: a target that is down or far away says nothing of the link, while what a link loses it loses on
the way to every target.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil
from typing import NamedTuple

from .causes import LAYERS
from .plan import QualityPlan
from .sightings import Failure, ProbeResult, Quality, QualitySight
from .wording import in_words
from .world import Link

# Failures that look like a lost packet. Every other one is an answer, or a mistake of the probe itself. None: the probe
# does not tell.
LOSSES = frozenset({None, Failure.SILENT, Failure.UNREACHABLE, Failure.NAME})
# The window never holds more probes, however long it is: sorting them must stay a small part of a round.
MOST_SAMPLES = 5000
SLOW_SHARE = 0.95  # of the answers are as fast as the latency by which a link is called slow


class Sample(NamedTuple):
    """One probe. ``steady`` in seconds; ``latency_ms`` None: it was lost, or the probe does not measure."""

    steady: float
    target: str
    ok: bool
    latency_ms: float | None


class _Figures(NamedTuple):
    loss: float
    median_ms: float | None
    p95_ms: float | None


def slide(
    window: Sequence[Sample], results: Iterable[ProbeResult], *, now: float, plan: QualityPlan, suspects: Iterable[str]
) -> tuple[Sample, ...]:
    """The window with one more round at ``now`` (steady seconds) and without what has become too old.

    Only kinds that use the internet count, and of them none of ``suspects``. A probe that had to ask again has lost a
    packet for each time, though it answered in the end.
    """
    kept = [sample for sample in window if now - sample.steady < plan.window]
    kinds = LAYERS.keys() - set(suspects)
    counted = [result for result in results if result.kind in kinds]
    kept += [Sample(now, result.name, False, None) for result in counted for _ in range(1, result.attempts)]
    kept += [
        Sample(now, result.name, result.ok, result.latency_ms)
        for result in counted
        if result.ok or result.failure in LOSSES
    ]
    return tuple(kept[-MOST_SAMPLES:])


def measure(
    window: Sequence[Sample], plan: QualityPlan, *, quorum: int, previous: Quality = Quality.GOOD
) -> QualitySight | None:
    """The quality over ``window``, after it was ``previous``. None: too few probes, or nothing answered at all."""
    if len(window) < plan.least or not any(sample.ok for sample in window):
        return None
    figures = _take_deciding(window, quorum)
    return QualitySight(judge(previous, figures.loss, figures.p95_ms, plan), *figures)


def judge(previous: Quality, loss: float, p95_ms: float | None, plan: QualityPlan) -> Quality:
    """The class of a link with this loss (0 to 1) and this latency (None: unknown). Lossy counts for more than slow.

    It enters a class above one threshold and leaves it below a lower one, so that it does not flap between two.
    """
    if loss > (plan.leave_loss if previous is Quality.LOSSY else plan.enter_loss):
        return Quality.LOSSY
    limit = plan.leave_latency if previous is Quality.SLOW else plan.enter_latency
    return Quality.SLOW if p95_ms is not None and p95_ms > limit * 1000 else Quality.GOOD


def is_poor(link: Link) -> bool:
    """Whether the link is slow or lossy, as far as anybody knows."""
    return link.sight is not None and link.sight.quality is not Quality.GOOD


def explain_quality(sight: QualitySight, plan: QualityPlan) -> str:
    """Why the link is called so: ``lossy: 23 % of the probes lost in the last minute, more than 20 %``."""
    lost = f"{_percent(sight.loss)} of the probes lost in the last {_span(plan.window)}"
    slow = "nothing answered" if sight.p95_ms is None else f"{sight.p95_ms:.0f} ms at the 95th percentile"
    match sight.quality:
        case Quality.LOSSY:
            return f"lossy: {lost}, more than {_percent(plan.enter_loss)}"
        case Quality.SLOW:
            return f"slow: {slow} in the last {_span(plan.window)}, more than {plan.enter_latency * 1000:.0f} ms"
    return f"{lost}, {slow}"


def _take_deciding(window: Sequence[Sample], quorum: int) -> _Figures:
    targets: dict[str, list[Sample]] = {}
    for sample in window:
        targets.setdefault(sample.target, []).append(sample)
    losses = [sum(not sample.ok for sample in samples) / len(samples) for samples in targets.values()]
    latencies = [
        sorted(sample.latency_ms for sample in samples if sample.ok and sample.latency_ms is not None)
        for samples in targets.values()
    ]
    answered = [some for some in latencies if some]
    loss = _decide(losses, quorum)
    if not answered:
        return _Figures(loss, None, None)
    medians, slowest = ([_rank(some, share) for some in answered] for share in (0.5, SLOW_SHARE))
    return _Figures(loss, _decide(medians, quorum), _decide(slowest, quorum))


def _decide(figures: Sequence[float], quorum: int) -> float:
    """Of one figure for each target, the lower the better, the one that counts for the link."""
    return min(_rank(sorted(figures), 0.5), sorted(figures)[min(quorum, len(figures)) - 1])


def _rank(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of ``ordered`` do not exceed (nearest rank)."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %" if share < 0.01 else f"{share * 100:.0f} %"


def _span(seconds: float) -> str:
    return "minute" if seconds == 60 else in_words(seconds)

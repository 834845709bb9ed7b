"""How good a link is that works: loss and latency over a window, and when it is called lossy or slow.

Each target is measured by itself, and the link is as good as the middle one of them, or as the last one of the quorum
where that is better: a target that is down or far away says nothing of the link, while what a link loses it loses on
the way to every target.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from math import ceil
from typing import NamedTuple

from ..observations import Failure, MeasuredQuality, ProbeResult, Quality
from ..plan import QualityPlan
from ..wording import in_words
from ..world import Link
from .causes import LAYERS

# Failures that look like a lost packet. Every other one is an answer, or a mistake of the probe itself. None: the probe
# does not tell.
LOSSES = frozenset({None, Failure.SILENT, Failure.UNREACHABLE, Failure.NAME})
# The window never holds more probes, however long it is: sorting them must stay a small part of a round.
MOST_SAMPLES = 5000
# A window that holds too few probes, as rounds are far apart, reaches back no farther than so many times its length.
MOST_REACH = 15
# A target is measured where it was in so large a share of the rounds of the one that is asked most: while rounds are
# quiet, one probe a minute of the others would count as much as fifteen of these.
MEASURED_SHARE = 1 / 3
# All targets are measured alike where each was in so large a share of them: with the defaults in 20 rounds or more, as
# the 95th percentile of fewer is the slowest one alone.
EVEN_SHARE = 0.8
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

    It reaches back farther than ``plan.window`` where it would hold fewer than ``plan.least`` probes.

    Only kinds that use the internet count, and of them none of ``suspects``.
    """
    new = sample(results, now=now, kinds=LAYERS.keys() - set(suspects))
    older = len(window) + len(new) - plan.least
    kept = [
        sample
        for number, sample in enumerate(window)
        if now - sample.steady < (plan.window if number < older else MOST_REACH * plan.window)
    ]
    return tuple([*kept, *new][-MOST_SAMPLES:])


def sample(results: Iterable[ProbeResult], *, now: float, kinds: Collection[str]) -> list[Sample]:
    """The samples of one round at ``now`` (steady seconds), of probes of these ``kinds``.

    A probe that had to ask again has lost a packet for each time, though it answered in the end.
    """
    counted = [result for result in results if result.kind in kinds]
    lost = [Sample(now, result.name, False, None) for result in counted for _ in range(1, result.attempts)]
    return lost + [
        Sample(now, result.name, result.ok, result.latency_ms)
        for result in counted
        if result.ok or result.failure in LOSSES
    ]


def measure(
    window: Sequence[Sample],
    plan: QualityPlan,
    *,
    quorum: int,
    previous: Quality = Quality.GOOD,
    few_are_enough: bool = False,
) -> MeasuredQuality | None:
    """The quality over ``window``, after it was ``previous``. None: too few probes, or nothing answered at all.

    A link is not called worse than before by the targets of quiet rounds alone: these are too few to tell whether the
    fault is theirs. All of them are asked then (``screen``), unless ``few_are_enough``.
    """
    if len(window) < plan.least or not any(sample.ok for sample in window):
        return None
    targets = _by_target(window)
    even = _are_even(targets)
    measured = {name: targets[name] for name in _find_measured(targets)}
    figures = _take_deciding(measured, quorum, even=even)
    quality = judge(previous, figures.loss, figures.p95_ms, plan)
    if quality not in (Quality.GOOD, previous) and not few_are_enough and not even:
        quality = previous
    reach = window[-1].steady - window[0].steady
    return MeasuredQuality(quality, *figures, seconds=reach if reach > plan.window else 0.0)


def screen(window: Iterable[Sample], plan: QualityPlan) -> tuple[frozenset[str], bool]:
    """Which targets look slow or lossy by themselves, so that they or the link are at fault, and whether every target
    in the window was asked about equally often, so that the middle one of them is known.

    Only targets that were asked often enough can look so. Loss is looked into from the lower threshold on, since a few
    quiet rounds tell it roughly. Slowness is not: a link may be as slow as that for good.
    """
    targets = _by_target(window)
    doubtful = frozenset(name for name in _find_measured(targets) if _is_doubtful(targets[name], plan))
    return doubtful, _are_even(targets)


def _are_even(targets: Mapping[str, Sequence[Sample]]) -> bool:
    return len(_find_measured(targets, EVEN_SHARE)) == len(targets)


def _is_doubtful(samples: Sequence[Sample], plan: QualityPlan) -> bool:
    figures = _take_deciding({"": samples}, 1)
    slow = figures.p95_ms is not None and figures.p95_ms > plan.enter_latency * 1000
    return slow or figures.loss > plan.leave_loss


def _by_target(window: Iterable[Sample]) -> dict[str, list[Sample]]:
    targets: defaultdict[str, list[Sample]] = defaultdict(list)
    for sample in window:
        targets[sample.target].append(sample)
    return targets


def _find_measured(targets: Mapping[str, Sequence[Sample]], share: float = MEASURED_SHARE) -> list[str]:
    rounds = {name: len({sample.steady for sample in samples}) for name, samples in targets.items()}
    most = max(rounds.values(), default=0)
    return [name for name, asked in rounds.items() if asked >= share * most]


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
    return link.measured_quality is not None and link.measured_quality.quality is not Quality.GOOD


def explain_quality(measured_quality: MeasuredQuality, plan: QualityPlan) -> str:
    """Why the link is called so: ``lossy: loss 23 % over 1 min, threshold 20 %``."""
    span = in_words(max(plan.window, round(measured_quality.seconds)))
    lost = f"loss {_percent(measured_quality.loss)}"
    slow = "no answers" if measured_quality.p95_ms is None else f"p95 {measured_quality.p95_ms:.0f} ms"
    match measured_quality.quality:
        case Quality.LOSSY:
            return f"lossy: {lost} over {span}, threshold {_percent(plan.enter_loss)}"
        case Quality.SLOW:
            return f"slow: {slow} over {span}, threshold {plan.enter_latency * 1000:.0f} ms"
    return f"{lost}, {slow} over {span}"


def _take_deciding(targets: Mapping[str, Sequence[Sample]], quorum: int, *, even: bool = True) -> _Figures:
    losses = [sum(not sample.ok for sample in samples) / len(samples) for samples in targets.values()]
    latencies = [
        sorted(sample.latency_ms for sample in samples if sample.ok and sample.latency_ms is not None)
        for samples in targets.values()
    ]
    answered = [some for some in latencies if some]
    loss = _decide(losses, quorum) if even else _middle(losses)  # the better one of two would be too good
    if not answered:
        return _Figures(loss, None, None)
    medians, slowest = ([_rank(some, share) for some in answered] for share in (0.5, SLOW_SHARE))
    return _Figures(loss, _decide(medians, quorum), _decide(slowest, quorum))


def _decide(figures: Sequence[float], quorum: int) -> float:
    """Of one figure for each target, the lower the better, the one that counts for the link."""
    return min(_rank(sorted(figures), 0.5), sorted(figures)[min(quorum, len(figures)) - 1])


def _middle(figures: Sequence[float]) -> float:
    """The median; of an even number the mean of both in the middle. The module ``statistics`` takes 1.5 MB."""
    ordered, half = sorted(figures), len(figures) // 2
    return ordered[half] if len(figures) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _rank(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of ``ordered`` do not exceed (nearest rank)."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %" if share < 0.01 else f"{share * 100:.0f} %"

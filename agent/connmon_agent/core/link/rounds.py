"""What a round of probes changes in the world, before the link's chart is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ..draft import Draft
from ..observations import Evidence, Failure, MeasuredQuality, Observation, ProbeResult, Unobserved
from ..plan import LinkPlan
from ..world import Link, LinkState
from .boots import find_lack
from .causes import (
    FAMILIES,
    LAYERS,
    Background,
    Cause,
    Diagnosis,
    Votes,
    count_results,
    count_votes,
    describe_quality,
    diagnose,
    find_doubtful,
    find_lost_families,
    find_working_families,
)
from .flapping import describe_flapping, flapping_threshold, is_flapping
from .quality import is_poor

# What an inspection meets when the API server cannot be reached at all; every other answer came from somebody there.
UNREACHABLE_KINDS = frozenset({"unreachable", "timeout"})

# What the link's chart calls a round of each verdict.
ROUND_TRIGGERS = {True: "round_good", False: "round_bad", None: "round_inconclusive"}
# Which of them it is depends on where the few answers happen to come from: no news that is worth a sentence.
_ALIKE = frozenset({Cause.PARTIAL, Cause.UNREACHABLE})
# The kinds whose silence means more once they have answered.
_HEARD = frozenset({*LAYERS, "gateway"})


def note_round(draft: Draft, results: Sequence[ProbeResult]) -> Diagnosis:
    """Count the round, and keep what it says of the cause and of the probes themselves."""
    link, plan = replace(draft.link, api=note_api(draft.link, results)), draft.plan.link
    heard = _hear(link, results)
    background = _background(plan, link, heard, link.doubts)
    diagnosis = diagnose(results, background)
    working = find_working_families(count_results(results, background), plan.quorum)
    doubts = _doubt(link, results, _find_doubts(results, background, diagnosis), working, most=plan.fall)
    if doubts != link.doubts:  # a doubt that is sure now must not have its part in an outage, nor one that has ended
        background = _background(plan, link, heard, doubts)
        diagnosis = diagnose(results, background)
    lacks = find_lack(link, plan, draft.at, results, background, diagnosis)
    changes = {
        "confirmed": diagnosis.good is True,
        "cause": diagnosis.cause,
        "detail": diagnosis.detail,
        "heard": heard,
        "doubts": doubts,
        "suspects": tuple(sorted(background.suspects)),
        "api": link.api,
        **_note_answers(draft, results, bad=diagnosis.good is False),
        "disproved": _disprove(draft, good=diagnosis.good is True),
    }
    counters = _count_nothing(draft) if lacks else _count(draft, diagnosis)
    draft.change_link_where_new(changes | counters | {"lacks": lacks})
    if draft.link.good == plan.rise:
        draft.change_link_where_new({"booted": None})  # the network has come up: from now on its loss is one
    _settle_doubt(draft, diagnosis)
    return diagnosis


def forget_rounds(draft: Draft) -> None:
    """Count afresh: the rounds so far asked other targets, or expected other answers. The state stays as it is.

    At a start there has been no round yet, and what begin_counting has kept of another life stays.
    """
    link = draft.link
    if link.good or link.bad or link.inconclusive or link.confirmed:
        counters: dict[str, object] = {"good": 0, "bad": 0, "inconclusive": 0, "flapping": 0, "confirmed": False}
        draft.change_link_where_new({**counters, "doubts": {}, "suspects": (), "heard": (), "answering": ()})
    draft.change_link_where_new({"measured_quality": None, "cluster": None, "api": None})


def judge_alone(results: Sequence[ProbeResult], plan: LinkPlan, link: Link) -> tuple[Diagnosis, Votes]:
    """What one round says by itself, by the same rules, with what ``link`` knows of the targets, kinds and evidence."""
    background = _background(plan, replace(link, api=note_api(link, results)), _hear(link, results), link.doubts)
    return diagnose(results, background), count_votes(results, background)


def _count(draft: Draft, diagnosis: Diagnosis) -> dict[str, object]:
    """The new counters. A round that says nothing leaves good and bad as they are; many of them in a row end both."""
    link, plan = draft.link, draft.plan.link
    flapping = min(link.flapping + 1, flapping_threshold(plan))
    if diagnosis.good is None:
        inconclusive = min(link.inconclusive + 1, plan.fall)
        lapsed: dict[str, object] = (
            {"good": 0, "bad": 0, "flapping": 0} if inconclusive == plan.fall else {"flapping": flapping}
        )
        return {"inconclusive": inconclusive, **lapsed}
    good = min(link.good + 1, plan.rise) if diagnosis.good else 0
    bad = 0 if diagnosis.good else min(link.bad + 1, plan.fall)
    decided = good == plan.rise or bad == plan.fall
    counters: dict[str, object] = {"good": good, "bad": bad, "inconclusive": 0, "flapping": 0 if decided else flapping}
    return counters if diagnosis.good or link.bad or link.lacks else {**counters, "first_failure": draft.at}


def _count_nothing(draft: Draft) -> dict[str, object]:
    """The counters after a round that shows only that this machine's own network has not come up yet.

    Where it turns out to be an outage, that has begun with the first of them.
    """
    return {
        "good": 0,
        "bad": 0,
        "inconclusive": 0,
        "flapping": 0,
        "first_failure": draft.link.first_failure or draft.at,
    }


def _settle_doubt(draft: Draft, diagnosis: Diagnosis) -> None:
    """Where good and bad rounds take turns for too long, that is what is wrong: the link loses packets."""
    link, plan = draft.link, draft.plan.link
    if not is_flapping(link, plan):
        return
    last = f"; the last bad one: {diagnosis.cause}: {diagnosis.detail}" if diagnosis.good is False else ""
    draft.change_link_where_new({"cause": Cause.LOSSY, "detail": f"{describe_flapping(plan)}{last}"})


def _disprove(draft: Draft, *, good: bool) -> Evidence | None:
    """The evidence of a fault that good rounds contradict, as where a policy routes without a default route.

    A round that was under way when the evidence came contradicts nothing: none takes longer than ``check_interval``.
    """
    link = draft.link
    if not link.evidence.hard and link.evidence.dark is None:
        return None
    since = link.evidence_since
    late = since is None or draft.at.steady - since.steady > draft.plan.link.check_interval
    return link.evidence if good and late else link.disproved


def note_api(link: Link, results: Sequence[ProbeResult]) -> str | None:
    """Why the API server's address does not answer, with this round; one that did not ask it tells nothing new."""
    asked = [result for result in results if result.kind == "api" and result.failure is not Failure.BROKEN]
    if not asked:
        return link.api
    return None if asked[-1].ok else f"{asked[-1].name.removeprefix('api ')}: {asked[-1].reason or 'no answer'}"


def note_quality(draft: Draft, measured_quality: MeasuredQuality) -> None:
    """Keep the new quality; it is the cause at once where nothing worse is known."""
    draft.change_link(measured_quality=measured_quality)
    if draft.link.confirmed and draft.link.cause in (None, Cause.SLOW, Cause.LOSSY):
        cause = Cause(measured_quality.quality.value) if is_poor(draft.link) else None
        draft.change_link(cause=cause, detail="" if cause is None else describe_quality(measured_quality))


def note_cluster(draft: Draft, seen: Observation | Unobserved) -> None:
    """Remember since the last look whether the API server can be reached; losing only it is no outage of the link."""
    if isinstance(seen, Observation) or seen.kind not in UNREACHABLE_KINDS:
        draft.change_link_where_new({"cluster": None})
    elif draft.link.cluster is None:
        draft.change_link(cluster=seen.reason)


def _background(plan: LinkPlan, link: Link, heard: tuple[str, ...], doubts: Mapping[str, int]) -> Background:
    sure = frozenset(doubt for doubt, rounds in doubts.items() if rounds >= plan.fall)
    return Background(
        quorum=plan.quorum,
        evidence=_trusted(link),
        suspects=sure - set(FAMILIES),
        lost=sure & set(FAMILIES),
        heard=frozenset(heard),
        measured_quality=link.measured_quality,
        cluster=link.cluster or link.api,
    )


def _trusted(link: Link) -> Evidence:
    """What the operating system says, without what good rounds have contradicted."""
    if link.evidence != link.disproved:
        return link.evidence
    return replace(link.evidence, carrier=None, default_route=None, dark=None)


def _hear(link: Link, results: Sequence[ProbeResult]) -> tuple[str, ...]:
    """The targets that have answered since the start; those that are no longer configured are forgotten.

    A round asks all of them, and beside them what is not asked in every round: the API server, of which nothing is kept
    here, and the operating system's gateway, which is known for as long as it is the gateway. What came and went with
    the rounds would be written to the journal with each of them.
    """
    names = {result.name for result in results} | {f"gateway {link.evidence.gateway_address}"}
    answered = {result.name for result in results if result.ok and result.kind in _HEARD}
    return tuple(sorted((answered | set(link.heard)) & names))


def _note_answers(draft: Draft, results: Sequence[ProbeResult], *, bad: bool) -> dict[str, object]:
    """In an outage any target that begins to answer is news, though the quorum is still missed."""
    names = tuple(sorted(result.name for result in results if bad and result.ok and result.kind in LAYERS))
    news = draft.link.state == LinkState.OFFLINE and not set(names) <= set(draft.link.answering)
    return {"answering": names} | ({"answered_since": draft.at} if news else {})


def _find_doubts(results: Sequence[ProbeResult], background: Background, diagnosis: Diagnosis) -> frozenset[str]:
    """The kinds and IP versions that this round speaks against."""
    if diagnosis.good is None:
        return frozenset()
    lost = find_lost_families(count_results(results, background), background.quorum)
    return find_doubtful(results, good=diagnosis.good) | lost


def _doubt(
    link: Link, results: Sequence[ProbeResult], doubtful: frozenset[str], working: frozenset[str], *, most: int
) -> dict[str, int]:
    """By kind or IP version: rounds that speak against it. One answer ends the doubt of a kind, its quorum that of an
    IP version; not being asked ends either.
    """
    asked = {result.kind for result in results if result.kind in LAYERS} | {result.family for result in results}
    ended = {result.kind for result in results if result.ok} | working
    kept = {about: rounds for about, rounds in link.doubts.items() if about in asked - ended}
    return kept | {about: min(kept.get(about, 0) + 1, most) for about in doubtful}


def note_news(draft: Draft, before: Link) -> None:
    """Tell of a cause or suspects that have come or gone while the state stays: no transition tells of them."""
    link = draft.link
    moved = link.state != before.state or any(one.chart == "link" for one in draft.transitions)
    if (
        moved
        or link.state == LinkState.STARTING
        or (link.state == LinkState.DEGRADED and (link.bad or not is_poor(link)))
    ):
        return
    if link.cause != before.cause and not {link.cause, before.cause} <= _ALIKE:
        if link.cause is not None:
            draft.note("link", f"{link.state}, {link.cause}: {link.detail}")
        elif link.state != LinkState.OFFLINE:  # there a good round is not the end yet
            draft.note("link", f"{link.state}, no longer {before.cause}")
    elif link.suspects != before.suspects:
        kinds = f"suspect probes, not counted: {', '.join(link.suspects)}"
        draft.note("link", kinds if link.suspects else "no suspect probes any more")

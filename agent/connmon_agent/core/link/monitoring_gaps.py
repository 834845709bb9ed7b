"""A monitoring gap: nobody watched, because the agent did not run, the machine slept, or the process stood still.

What was not seen is neither uptime nor outage, and proves nothing: counters, holds and proofs of health begin anew.
"""

from __future__ import annotations

from ..draft import Draft
from ..events import MonitoringGapEnded
from ..plan import LinkPlan
from ..services.progress import forget_progress
from ..timestamps import Timestamp
from ..wording import in_words
from ..world import MonitoringGap, Outage
from .flapping import begin_counting
from .metering import METERED_INTERVAL, is_metered

GAP_CAUSE = "blind"  # the cause of an outage that is a monitoring gap
# Seconds. A shorter gap hides no outage: with the defaults a dead link is called OFFLINE after 3.9 s at worst.
GAP_AFTER = 5.0
# The last sign of life is as old as the last round, which is no gap yet; after so many rounds it is one.
SILENT_ROUNDS = 3


def is_monitoring_gap(event: MonitoringGapEnded) -> bool:
    """Whether somebody was blind, or may have been; otherwise the wall clock was merely set.

    A virtual machine that its host has paused knows nothing of it: its clocks stand still, and some time later its wall
    clock is set forward. That cannot be told from a mere correction. Setting it back is one for certain, for no time
    passes backwards; and a pause that is shorter than ``GAP_AFTER`` hides no outage.
    """
    return _gap(event.since, event.at) > 0 or event.at.wall - event.since.wall >= GAP_AFTER


def note_monitoring_gap(draft: Draft, event: MonitoringGapEnded) -> bool:
    """Record the monitoring gap; whether what was known before it is to be judged afresh. A clock that was set is
    told.
    """
    gap, known = _gap(event.since, event.at), draft.world.monitoring_gap
    if not is_monitoring_gap(event):
        draft.note("agent", event.cause)
        return False
    cause = event.cause if gap else f"{event.cause}, as after a suspended machine resumes"
    if known is not None and (known.until, known.cause) == (event.at, cause):
        return False  # the commit of it failed, and was durable all the same
    draft.note("agent", f"{'' if gap else 'possible '}monitoring gap: {cause}")
    _forget(draft, MonitoringGap(event.since, event.at, cause, known=gap > 0, doubtful=not gap))
    _shift_deadlines(draft, gap)
    return True


def note_boot(draft: Draft, boot_id: str) -> bool:
    """Remember the boot in which the agent runs now; whether it last ran in another one."""
    before = draft.world.boot
    draft.change(boot=boot_id)
    return before not in ("", boot_id)


def note_absence(draft: Draft, heartbeat: Timestamp, *, rebooted: bool) -> bool:
    """Record that no agent ran since ``heartbeat``; whether what was known is to be judged afresh.

    Deadlines stand: unlike in a sleep of the machine, the cluster had that time. After a reboot nobody can say how long
    it was: the wall clock may have stood still (without a clock chip) or have been saved an hour before.
    """
    known = draft.world.monitoring_gap
    if known is not None and known.until.steady > heartbeat.steady:
        heartbeat = known.until  # the agent was killed before its next round: that time is recorded
    gap = _gap(heartbeat, draft.at)
    if rebooted:
        by_clock = f"{in_words(round(gap))} by its clock" if gap >= 1 else "its clock does not show it"
        cause = f"the machine rebooted, downtime unknown ({by_clock})"
        _forget(draft, MonitoringGap(heartbeat, draft.at, cause, known=False))
        return True
    if gap <= longest_silence(draft.plan.link, metered=is_metered(draft.world)):
        _count(draft, heartbeat)
        return False
    _forget(draft, MonitoringGap(heartbeat, draft.at, f"the agent was not running for {in_words(gap)}"))
    return True


def longest_silence(plan: LinkPlan, *, metered: bool = False) -> float:
    """Seconds without a sign of life that are nothing unusual."""
    interval = max(plan.check_interval, METERED_INTERVAL) if metered else plan.check_interval
    return max(GAP_AFTER, SILENT_ROUNDS * interval)


def describe_monitoring_gap(monitoring_gap: MonitoringGap | None) -> str:
    """``monitoring gap: the machine slept for 2 h``, as the beginning of a sentence."""
    if monitoring_gap is None:
        return "monitoring gap"
    return f"{'possible ' if monitoring_gap.doubtful else ''}monitoring gap: {monitoring_gap.cause}"


def gap_outage(number: int, monitoring_gap: MonitoringGap) -> Outage:
    """The monitoring gap as an outage, of which nothing is known."""
    gap = _gap(monitoring_gap.since, monitoring_gap.until)
    return Outage(
        number, monitoring_gap.since, GAP_CAUSE, detail=describe_monitoring_gap(monitoring_gap), monitoring_gap=gap
    )


def _forget(draft: Draft, monitoring_gap: MonitoringGap) -> None:
    draft.change(monitoring_gap=monitoring_gap)
    _count(draft, monitoring_gap.since)
    counters = begin_counting(draft.link, draft.plan.link)
    draft.change_link_where_new(counters | {"confirmed": False, "first_failure": None, "measured_quality": None})
    for name in draft.world.names:
        if draft.service(name).healthy_since is not None:
            draft.change_service(name, healthy_since=None)
        forget_progress(draft, name)


def _count(draft: Draft, since: Timestamp) -> None:
    """Add what of the time from ``since`` on lies in the outage that is open, if one is."""
    outage = draft.outage
    if outage is None or outage.ended is not None:
        return
    seconds = draft.at.steady - max(since.steady, outage.started.steady)
    if seconds > 0:
        draft.change_outage(monitoring_gap=outage.monitoring_gap + seconds)


def _shift_deadlines(draft: Draft, seconds: float) -> None:
    """The cluster of a machine that slept slept too: a rollout has the time that it had left."""
    for name in draft.world.names:
        deadline = draft.service(name).deadline
        if deadline is not None:
            draft.change_service(name, deadline=deadline + seconds)


def _gap(since: Timestamp, until: Timestamp) -> float:
    return max(0.0, until.steady - since.steady)

"""The vocabulary of statecharts/link.yaml: what its guards ask, what its actions do, what its reasons may tell."""

from __future__ import annotations

from collections.abc import Callable

from ...charts.vocabulary import Action, Guard, Vocabulary
from ..draft import LinkContext
from ..plan import AfterGap
from ..services.recovery import all_settled, is_damped
from ..services.templates import forget_template
from ..wording import in_words
from ..world import Outage, ServiceState
from . import damping
from .flapping import describe_flapping, is_flapping, is_inconclusive
from .monitoring_gaps import describe_monitoring_gap, gap_outage
from .quality import explain_quality, is_poor

HOLD = "hold"
DAMPING = "damping"
ORDERED = "ordered"  # the cause of a recovery without an outage


def _rise_reached(context: LinkContext) -> bool:
    return context.draft.link.good >= context.draft.plan.link.rise


def _fall_reached(context: LinkContext) -> bool:
    """What the operating system rules out needs one round to confirm it, not several."""
    link = context.draft.link
    return link.bad >= context.draft.plan.link.fall or (link.bad > 0 and link.ruled_out)


def _flapping(context: LinkContext) -> bool:
    return is_flapping(context.draft.link, context.draft.plan.link)


def _inconclusive_reached(context: LinkContext) -> bool:
    return is_inconclusive(context.draft.link, context.draft.plan.link)


def _holding(context: LinkContext) -> bool:
    outage = context.draft.outage
    return outage is None or not outage.hold_over


def _link_good(context: LinkContext) -> bool:
    return context.draft.link.confirmed


def _quality_poor(context: LinkContext) -> bool:
    return is_poor(context.draft.link)


def _damped(context: LinkContext) -> bool:
    return is_damped(context.draft.world)


def _gap_is_outage(context: LinkContext) -> bool:
    """A clock that was set is no reason to restart anything, whatever else it may have meant."""
    monitoring_gap = context.draft.world.monitoring_gap
    return context.draft.plan.link.after_gap is AfterGap.RESTART and not (
        monitoring_gap is not None and monitoring_gap.doubtful
    )


def _after_boot(context: LinkContext) -> bool:
    """``after_gap: restart`` wants every time in which nobody watched to be an outage, this one, too."""
    return context.draft.link.booted == context.draft.at and not _gap_is_outage(context)


def _booting(context: LinkContext) -> bool:
    return bool(context.draft.link.lacks)


GUARDS = (
    Guard("link_good", "the newest round was good", _link_good),
    Guard("rise_reached", "`rise` good rounds in a row", _rise_reached),
    Guard("fall_reached", "`fall` bad rounds in a row, or one without carrier or default route", _fall_reached),
    Guard("flapping", "the link has been flapping for too long to wait for a run of good or bad rounds", _flapping),
    Guard("inconclusive_reached", "`fall` inconclusive rounds in a row", _inconclusive_reached),
    Guard("holding", "the link is back but has not stayed good for `hold` yet", _holding),
    Guard("quality_poor", "the link is slow or lossy", _quality_poor),
    Guard("damped", "restarts are held back because the link is flapping", _damped),
    Guard(
        "gap_is_outage",
        "`after_gap` treats a monitoring gap as an outage",
        _gap_is_outage,
        group="monitoring_gap",
    ),
    Guard("after_boot", "the machine rebooted, and `after_gap` is check", _after_boot, group="monitoring_gap"),
    Guard("booting", "this machine has no network yet, within `boot_grace` of its boot", _booting),
)


def _open_outage(context: LinkContext) -> None:
    """The outage began with the first bad round of the row, not with the verdict on it."""
    draft = context.draft
    number = draft.world.outages + 1
    started = draft.link.first_failure or draft.at
    draft.change(outages=number, outage=Outage(number, started, str(context.cause), detail=context.detail))


def _open_gap_outage(context: LinkContext) -> None:
    """All of it is a monitoring gap. It is not charged as a flap: nobody saw the link fall."""
    draft = context.draft
    assert draft.world.monitoring_gap is not None
    number = draft.world.outages + 1
    draft.change(outages=number, outage=gap_outage(number, draft.world.monitoring_gap))


def _mark_link_back(context: LinkContext) -> None:
    context.draft.change_outage(back=context.draft.at)


def _plan_recovery(context: LinkContext) -> None:
    for name in context.draft.world.names:
        forget_template(context.draft, name)
        context.draft.fire("service", name, "recovery_begins")
        _tell_of_given_up(context, name)


def _tell_of_given_up(context: LinkContext, name: str) -> None:
    """Nothing else would tell, in this outage, of a service that gave up in one before."""
    outage, service = context.draft.outage, context.draft.service(name)
    wanted = outage is None or outage.services is None or name in outage.services
    if wanted and service.state == ServiceState.GAVE_UP:
        context.draft.note(name, f"skipped: gave up before and needs `rearm {name}`: {service.reason}")


def _arm_hold(context: LinkContext) -> None:
    context.draft.arm(HOLD, context.draft.at.plus(context.draft.plan.link.hold))


def _cancel_hold(context: LinkContext) -> None:
    context.draft.disarm(HOLD)


def _end_hold(context: LinkContext) -> None:
    context.draft.change_outage(hold_over=True)


def _note_relapse(context: LinkContext) -> None:
    """The same outage goes on; an ordered recovery that meets a real outage becomes that outage."""
    draft, outage = context.draft, context.draft.outage
    assert outage is not None
    if outage.by_operator:
        draft.change_outage(ended=draft.at)
        _open_outage(context)
    else:
        draft.change_outage(back=None, hold_over=False, relapses=outage.relapses + 1)


def _charge_flap(context: LinkContext) -> None:
    """Add the penalty of one more outage. The quality of before says nothing of the link afterwards."""
    draft, plan = context.draft, context.draft.plan.link.damping
    penalty = damping.penalty_after_outage(draft.link, draft.at, plan)
    until = damping.damped_until(draft.link, penalty, draft.at, plan)
    draft.change_link(
        measured_quality=None,
        penalty=penalty,
        penalized=draft.at,
        damped_until=until,
        falls=damping.count_fall(draft.link.falls, draft.at),
    )
    if until is None:
        draft.disarm(DAMPING)
    else:
        draft.arm(DAMPING, until)
        draft.note("link", damping.describe_damping(draft.link, draft.at))


def _lift_damping(context: LinkContext) -> None:
    """For this recovery. The penalty stays: the next outage damps again."""
    context.draft.disarm(DAMPING)
    context.draft.change_link_where_new({"damped_until": None})


def _close_outage(context: LinkContext) -> None:
    context.draft.change_outage(ended=context.draft.at)


def _open_ordered_recovery(context: LinkContext) -> None:
    draft = context.draft
    number = draft.world.outages + 1
    ordered = draft.ordered or None
    outage = Outage(
        number,
        draft.at,
        ORDERED,
        detail=f"no outage: recovery requested by {draft.by}",
        by_operator=True,
        services=ordered,
        back=draft.at,
        hold_over=True,
    )
    draft.change(outages=number, outage=outage)


ACTIONS = (
    Action("open_outage", "open an outage, dated back to the first bad round", _open_outage),
    Action("open_gap_outage", "open an outage that spans the monitoring gap", _open_gap_outage),
    Action("mark_link_back", "record when the link came back", _mark_link_back),
    Action("plan_recovery", "begin the recovery of every service", _plan_recovery),
    Action("arm_hold", "start the hold timer", _arm_hold),
    Action("cancel_hold", "cancel the hold timer", _cancel_hold),
    Action("end_hold", "allow restarts", _end_hold),
    Action("note_relapse", "continue the same outage", _note_relapse),
    Action("charge_flap", "add the flap penalty; above `suppress`, hold restarts back", _charge_flap),
    Action("lift_damping", "stop holding restarts back for this recovery", _lift_damping),
    Action("close_outage", "close the outage", _close_outage),
    Action("open_ordered_recovery", "open a recovery without an outage", _open_ordered_recovery),
)


def _restarts(context: LinkContext) -> str:
    return damping.describe_damping(context.draft.link, context.draft.at) or "restarts may begin"


def _quality(context: LinkContext) -> str:
    measured_quality = context.draft.link.measured_quality
    return (
        "too few probes yet"
        if measured_quality is None
        else explain_quality(measured_quality, context.draft.plan.link.quality)
    )


def _calm(context: LinkContext) -> str:
    """How the uncertainty ended. After a monitoring gap it is not known whether there was an outage."""
    monitoring_gap, since = context.draft.world.monitoring_gap, context.draft.link.since
    interrupted = monitoring_gap is not None and monitoring_gap.until.steady >= since.steady
    return "outage not ruled out (monitoring gap)" if interrupted else "no outage"


def _result(context: LinkContext) -> str:
    services = [context.draft.service(name) for name in context.draft.world.names]
    ready = sum(service.state == ServiceState.READY for service in services)
    lost = [service.name for service in services if service.state == ServiceState.GAVE_UP]
    alone = [service.name for service in services if service.state not in (ServiceState.READY, ServiceState.GAVE_UP)]
    told = [f"; {what}: {', '.join(names)}" for what, names in (("gave up", lost), ("skipped", alone)) if names]
    return f"{ready}/{len(services)} services ready{''.join(told)}"


def _tell_bad_rounds(context: LinkContext) -> str:
    bad = context.draft.link.bad
    return "1 bad round" if bad == 1 else f"{bad} bad rounds in a row"


FIELDS: dict[str, Callable[[LinkContext], str]] = {
    "good": lambda context: str(context.draft.link.good),
    "bad_rounds": _tell_bad_rounds,
    "cause": lambda context: str(context.cause),
    "detail": lambda context: context.detail,
    "flapping": lambda context: describe_flapping(context.draft.plan.link),
    "monitoring_gap": lambda context: describe_monitoring_gap(context.draft.world.monitoring_gap),
    "calm": _calm,
    "lacks": lambda context: context.draft.link.lacks,
    "grace": lambda context: in_words(context.draft.plan.link.boot_grace),
    "hold": lambda context: in_words(context.draft.plan.link.hold),
    "quality": _quality,
    "restarts": _restarts,
    "operator": lambda context: context.draft.by,
    "result": _result,
}

VOCABULARY: Vocabulary[LinkContext] = Vocabulary(
    guards={guard.name: guard for guard in GUARDS},
    actions={action.name: action for action in ACTIONS},
    fields=frozenset(FIELDS),
)


def is_over(context: LinkContext) -> bool:
    """Whether a recovery whose hold is over has nothing left to do."""
    return not _holding(context) and all_settled(context.draft.world)

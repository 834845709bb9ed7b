"""The vocabulary of statecharts/link.yaml: what its guards ask, what its actions do, what its reasons may tell."""

from __future__ import annotations

from collections.abc import Callable

from . import damping
from .blindness import blind_outage, describe_blindness
from .doubts import describe_wavering, is_void, is_wavering
from .draft import LinkContext
from .plan import AfterBlind
from .quality import explain_quality, is_poor
from .recovery import all_settled, is_damped
from .templates import forget_template
from .vocabulary import Action, Guard, Vocabulary
from .wording import in_words
from .world import Outage, ServiceState

HOLD = "hold"
DAMPING = "damping"
ORDERED = "ordered"  # the cause of a recovery without an outage


def _rise_reached(context: LinkContext) -> bool:
    return context.draft.link.good >= context.draft.plan.link.rise


def _fall_reached(context: LinkContext) -> bool:
    """What the operating system rules out needs one round to confirm it, not several."""
    link = context.draft.link
    return link.bad >= context.draft.plan.link.fall or (link.bad > 0 and link.ruled_out)


def _wavering(context: LinkContext) -> bool:
    return is_wavering(context.draft.link, context.draft.plan.link)


def _void_reached(context: LinkContext) -> bool:
    return is_void(context.draft.link, context.draft.plan.link)


def _holding(context: LinkContext) -> bool:
    outage = context.draft.outage
    return outage is None or not outage.hold_over


def _link_good(context: LinkContext) -> bool:
    return context.draft.link.confirmed


def _quality_poor(context: LinkContext) -> bool:
    return is_poor(context.draft.link)


def _damped(context: LinkContext) -> bool:
    return is_damped(context.draft.world)


def _blind_restart(context: LinkContext) -> bool:
    """A clock that was set is no reason to restart anything, whatever else it may have meant."""
    blind = context.draft.world.blind
    return context.draft.plan.link.after_blind is AfterBlind.RESTART and not (blind is not None and blind.doubtful)


def _after_boot(context: LinkContext) -> bool:
    """``after_blind: restart`` wants every time in which nobody watched to be an outage, this one, too."""
    return context.draft.link.booted == context.draft.at and not _blind_restart(context)


def _booting(context: LinkContext) -> bool:
    return bool(context.draft.link.lacks)


GUARDS = (
    Guard("link_good", "the newest round was good", _link_good),
    Guard("rise_reached", "`rise` good rounds in a row", _rise_reached),
    Guard("fall_reached", "`fall` bad rounds in a row, or one without carrier or default route", _fall_reached),
    Guard("wavering", "the link has been flapping for too long to wait for a run of good or bad rounds", _wavering),
    Guard("void_reached", "`fall` inconclusive rounds in a row", _void_reached),
    Guard("holding", "the link is back but has not stayed good for `hold` yet", _holding),
    Guard("quality_poor", "the link is slow or lossy", _quality_poor),
    Guard("damped", "restarts are held back because the link is flapping", _damped),
    Guard(
        "blind_restart",
        "`after_blind` treats a monitoring gap as an outage",
        _blind_restart,
        group="blind",
    ),
    Guard("after_boot", "the machine rebooted, and `after_blind` is check", _after_boot, group="blind"),
    Guard("booting", "this machine has no network yet, within `boot_grace` of its boot", _booting),
)


def _open_outage(context: LinkContext) -> None:
    """The outage began with the first bad round of the row, not with the verdict on it."""
    draft = context.draft
    number = draft.world.outages + 1
    started = draft.link.first_failure or draft.at
    draft.change(outages=number, outage=Outage(number, started, str(context.cause), detail=context.detail))


def _open_blind_outage(context: LinkContext) -> None:
    """All of it is blind time. It is not charged as a flap: nobody saw the link fall."""
    draft = context.draft
    assert draft.world.blind is not None
    number = draft.world.outages + 1
    draft.change(outages=number, outage=blind_outage(number, draft.world.blind))


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
        sight=None,
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
    Action("open_blind_outage", "open an outage that spans the monitoring gap", _open_blind_outage),
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
    sight = context.draft.link.sight
    return "too few probes yet" if sight is None else explain_quality(sight, context.draft.plan.link.quality)


def _calm(context: LinkContext) -> str:
    """How the uncertainty ended. After a monitoring gap it is not known whether there was an outage."""
    blind, since = context.draft.world.blind, context.draft.link.since
    blinded = blind is not None and blind.until.steady >= since.steady
    return "outage not ruled out (monitoring gap)" if blinded else "no outage"


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
    "wavering": lambda context: describe_wavering(context.draft.plan.link),
    "blind": lambda context: describe_blindness(context.draft.world.blind),
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

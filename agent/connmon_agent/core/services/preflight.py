"""The last look before a restart: is it due, needless, or to be postponed, and why."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from ..observations import Observation, Pull, Reach, Unobserved
from ..plan import RecoveryPlan, When
from ..timestamps import Timestamp
from ..wording import clock_time, in_words, tell_reach
from ..world import Link, Obstacle, Outage, Service, World
from .progress import is_rolling, makes_progress, still_for
from .recovery import darkness, is_damped
from .restart_refusals import is_refused_for_good
from .templates import is_changed_since_return, is_ours

# What keeps the API from telling may pass by itself, and then waiting is all that can be done. Of the rest (a role that
# forbids it, an answer that is not Kubernetes') there is no end to wait for.
PASSING = frozenset({"unreachable", "timeout", "throttled", "server-error", "unauthorized", "credentials"})


class Ruling(StrEnum):
    DUE = "due"
    NEEDLESS = "needless"
    POSTPONED = "postponed"
    DENIED = "denied"  # it is due, and the cluster refuses it


class Verdict(Struct, frozen=True):
    """What is to be done with a waiting service, with the reason in words. ``obstacle``: None unless postponed."""

    ruling: Ruling
    reason: str
    obstacle: Obstacle | None = None


def judge(world: World, service: Service, seen: Observation | Unobserved, at: Timestamp) -> Verdict:
    """Whether the service is to be restarted now. The first rule that applies decides."""
    outage, recovery = world.outage, world.plan.recovery
    assert outage is not None
    if isinstance(seen, Unobserved):
        return _unobserved(service, seen, at, recovery)
    return (
        _cannot_be_restarted(seen)
        or _restarted_in_this_outage(service, seen, outage)
        or _rolling(service, seen, at, recovery)
        or _restarted_by_others(service, seen, outage)
        or _not_wanted(world, service, seen, at)
        or _held_by_damping(world, seen)
        or _disruption_forbidden(service, seen, at, recovery)
        or _cannot_be_pulled(service, seen, at, recovery)
        or _only_watched(recovery)
        or _refused_for_good(service, seen, outage, at, recovery)
        or Verdict(Ruling.DUE, _why_due(world, service, seen, at))
    )


def _unobserved(service: Service, seen: Unobserved, at: Timestamp, recovery: RecoveryPlan) -> Verdict:
    if seen.kind not in PASSING and _postponed_too_long(service, Obstacle.UNOBSERVED, at, recovery):
        limit = in_words(recovery.postpone_limit)
        return Verdict(Ruling.NEEDLESS, f"skipped: could not be checked for {limit}: {seen.reason}")
    return Verdict(Ruling.POSTPONED, f"postponed: cannot be checked: {seen.reason}", Obstacle.UNOBSERVED)


def _cannot_be_restarted(seen: Observation) -> Verdict | None:
    if not seen.exists:
        return Verdict(Ruling.NEEDLESS, f"skipped: {seen.progress or 'not found in the cluster'}")
    if seen.paused:
        return Verdict(Ruling.NEEDLESS, "skipped: its rollouts are paused (kubectl rollout resume allows a restart)")
    if seen.desired == 0:
        return Verdict(Ruling.NEEDLESS, "skipped: scaled to 0")
    if seen.restartable is not None:
        return Verdict(Ruling.NEEDLESS, f"skipped: {seen.restartable}")
    if seen.gated is not None:
        return Verdict(Ruling.NEEDLESS, f"skipped: {seen.gated}; a new pod would wait until it is removed")
    return None


def _restarted_in_this_outage(service: Service, seen: Observation, outage: Outage) -> Verdict | None:
    """A relapse, or an attempt that helped late: what is healthy after our restart is skipped."""
    ours = seen.token is not None and seen.token == service.token
    restarted = service.restarted is not None and service.restarted.steady >= outage.started.steady
    if ours and restarted and seen.healthy:
        return Verdict(Ruling.NEEDLESS, "skipped: already restarted in this outage, and available")
    return None


def _rolling(service: Service, seen: Observation, at: Timestamp, recovery: RecoveryPlan) -> Verdict | None:
    """A rollout that makes progress is waited for; one that failed or stands still is what a restart is for.

    It also ends the backoff of an image pull or of a crash loop, which may be 5 minutes long.
    """
    if not is_rolling(seen):
        return None
    if is_ours(service, seen):
        return _rolling_for_us(service, seen, at, recovery)
    if not makes_progress(service, seen, at, recovery):
        return None
    if _postponed_too_long(service, Obstacle.ROLLOUT, at, recovery):
        since = f"still rolling out after {in_words(recovery.postpone_limit)}"
        return Verdict(Ruling.NEEDLESS, f"skipped: {since}, with no sign that it is stuck: {seen.progress}")
    why = f"postponed: a rollout is in progress: {seen.trouble or seen.progress}"
    return Verdict(Ruling.POSTPONED, why, Obstacle.ROLLOUT)


def _rolling_for_us(service: Service, seen: Observation, at: Timestamp, recovery: RecoveryPlan) -> Verdict | None:
    """A restart of ours that arrived late has its time to get ready too."""
    restarted = service.restarted
    if restarted is None or at.steady - restarted.steady >= recovery.ready_timeout:
        return None
    return Verdict(Ruling.POSTPONED, f"postponed: our restart is rolling out: {seen.progress}", Obstacle.ROLLOUT)


def _restarted_by_others(service: Service, seen: Observation, outage: Outage) -> Verdict | None:
    """A restart by somebody else is accepted when it came after the outage. An order is given by who knows of it."""
    if outage.by_operator:
        return None
    if is_changed_since_return(service, seen) and seen.healthy and not is_ours(service, seen):
        by = seen.revised_by or "another client"
        return Verdict(Ruling.NEEDLESS, f"skipped: already restarted since the outage, by {by}")
    return None


def _not_wanted(world: World, service: Service, seen: Observation, at: Timestamp) -> Verdict | None:
    recovery, outage = world.plan.recovery, world.outage
    assert outage is not None
    if not outage.by_operator:
        if recovery.when is When.UNHEALTHY and seen.healthy:
            return Verdict(Ruling.NEEDLESS, "skipped: available (recovery.when: unhealthy)")
        dark = darkness(outage, at)
        if recovery.when is When.OUTAGE_LONGER_THAN and dark <= recovery.outage_longer_than:
            limit = in_words(recovery.outage_longer_than)
            return Verdict(Ruling.NEEDLESS, f"skipped: the outage lasted {in_words(dark)}, not longer than {limit}")
    if service.attempts >= recovery.max_restart_attempts and seen.healthy:
        used = f"{service.attempts}/{recovery.max_restart_attempts} restarts used"
        return Verdict(Ruling.NEEDLESS, f"skipped: {used}, and it is available")
    return None


def _held_by_damping(world: World, seen: Observation) -> Verdict | None:
    """Damping spares services that work the restarts of a link that flaps; one that is broken is worth its attempt."""
    if not is_damped(world) or not seen.healthy:
        return None
    reason = f"postponed {_end_of_damping(world.link)}: available, and the link is flapping (damping)"
    return Verdict(Ruling.POSTPONED, reason, Obstacle.DAMPING)


def _end_of_damping(link: Link) -> str:
    """``until 15:42:07 UTC``: what stays the same from look to look."""
    return "" if link.damped_until is None else f"until {clock_time(link.damped_until.wall, exactly=True)} UTC"


def _disruption_forbidden(service: Service, seen: Observation, at: Timestamp, recovery: RecoveryPlan) -> Verdict | None:
    """A PodDisruptionBudget protects pods that work; where none is available there is nothing to protect."""
    if seen.blocked_by is None or seen.available == 0:
        return None
    reason = f"PodDisruptionBudget {seen.blocked_by} allows no disruption"
    if _postponed_too_long(service, Obstacle.DISRUPTION, at, recovery):
        return Verdict(Ruling.NEEDLESS, f"skipped after {in_words(recovery.postpone_limit)}: {reason}")
    return Verdict(Ruling.POSTPONED, f"postponed: {reason}", Obstacle.DISRUPTION)


def _cannot_be_pulled(service: Service, seen: Observation, at: Timestamp, recovery: RecoveryPlan) -> Verdict | None:
    """A restart that ends working pods before the new ones have their images can only harm while none can be pulled.

    Where no pod is available there is nothing to lose. See kubernetes#111822 (Always, registry gone) and #103643
    (limits).
    """
    pull = find_forbidding(seen)
    if pull is None or pull.answer is None or seen.available == 0:
        return None
    reason = (
        f"registry {pull.registry} {tell_reach(pull.answer)}; a restart would end working pods before new ones can "
    )
    reason += f"pull {pull.image} ({pull.why})"
    if _postponed_too_long(service, Obstacle.REGISTRY, at, recovery):
        return Verdict(Ruling.NEEDLESS, f"skipped after {in_words(recovery.postpone_limit)}: {reason}")
    return Verdict(Ruling.POSTPONED, f"postponed: {reason}", Obstacle.REGISTRY)


def find_forbidding(seen: Observation) -> Pull | None:
    """The first of what must be pulled whose registry cannot be reached or limits requests; None: there is none."""
    out_of_reach = (Reach.UNREACHABLE, Reach.LIMITED)
    return next((pull for pull in seen.pulls if pull.answer is not None and pull.answer.reach in out_of_reach), None)


def _refused_for_good(
    service: Service, seen: Observation, outage: Outage, at: Timestamp, recovery: RecoveryPlan
) -> Verdict | None:
    """What is available is skipped; what is not has been given up, for only a person can change the answer."""
    if not is_refused_for_good(service, outage, at, recovery):
        return None
    ruling = Ruling.NEEDLESS if seen.healthy else Ruling.DENIED
    return Verdict(ruling, f"every restart refused for {in_words(recovery.postpone_limit)}: {service.refusal}")


def _only_watched(recovery: RecoveryPlan) -> Verdict | None:
    return None if recovery.act else Verdict(Ruling.NEEDLESS, "shadow mode: would be restarted now")


def _postponed_too_long(service: Service, obstacle: Obstacle, at: Timestamp, recovery: RecoveryPlan) -> bool:
    since = service.postponed_since
    if since is None or service.postponed_for != obstacle:
        return False
    return at.steady - since.steady >= recovery.postpone_limit


def _why_due(world: World, service: Service, seen: Observation, at: Timestamp) -> str:
    outage = world.outage
    if seen.healthy:
        return (
            "requested by an operator" if outage is not None and outage.by_operator else "restart due after the outage"
        )
    trouble = seen.trouble or seen.progress or f"{seen.available} of {seen.desired} available"
    if is_rolling(seen) and not seen.stalled and (still := still_for(service, seen, at)):
        trouble = f"rollout without progress for {in_words(still)}: {trouble}"
    if not is_damped(world):
        return trouble
    return f"{trouble}; not held back by damping {_end_of_damping(world.link)}: it is not available"

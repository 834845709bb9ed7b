"""What has to be looked at, and how often: a function of the world, so that observers decide nothing."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from .link.flapping import is_flapping, is_inconclusive
from .link.metering import METERED_INTERVAL, is_metered
from .link.monitoring_gaps import GAP_AFTER, SILENT_ROUNDS
from .link.quality import is_poor
from .services.recovery import is_held_by_damping, next_in_turn
from .services.templates import is_return_unobserved
from .timestamps import Timestamp
from .world import LinkState, Service, ServiceState, World

IDLE_INTERVAL = 30.0  # seconds between looks at a service that is well, even if damping holds it, or beyond help
UNKNOWN_INTERVAL = 5.0  # seconds between looks at a service of which nothing good is certain
BUSY_INTERVAL = 1.0  # seconds between looks while a restart is to be decided, verified or read back
POSTPONED_INTERVAL = 3.0  # seconds between looks at a service whose restart was put off
SHORTEST_ROUND_INTERVAL = 0.1  # seconds between the starts of two rounds, however fast a carrier flaps
NEW_GATEWAY = 10.0  # seconds for which a gateway that the operating system has just named is asked
# Seconds that a round waits for its targets while the operating system rules out that one can answer. Packets to an
# interface without a carrier are dropped in silence, so that the probes themselves would wait for their whole timeout.
HARD_PATIENCE = 0.25
CLOSE_LOOK_AFTER = 10.0  # seconds of a rollout after which its pods are looked at too, to tell what ails them;
CLOSE_LOOK_SHARE = 0.5  # and this share of `ready_timeout`, where that is sooner


@dataclass(frozen=True, slots=True)
class Demand:
    """Look at the service every ``interval`` seconds, not before ``earliest`` (steady seconds), ``closely`` or not.

    ``registries``: what a restart would have to pull from is asked as well.
    """

    interval: float
    earliest: float = 0.0
    closely: bool = False
    registries: bool = False


def find_silence(world: World, beat: Timestamp, now: float) -> float | None:
    """Seconds from an agent's heartbeat to ``now`` (Unix seconds), when they are too many for one that runs; None: not.

    It writes its heartbeat with every round. Without one for as long as would be a monitoring gap it stands still, the
    machine slept, or the disk refuses writing; rounds of a long outage are farther apart.
    """
    silence = now - beat.wall
    rounds = SILENT_ROUNDS * round_interval(world, beat.steady)
    return silence if silence > max(GAP_AFTER, rounds) else None


def round_interval(world: World, now: float) -> float:
    """Seconds between the starts of two rounds of probes: short while the verdict is not sure.

    In an outage the pause is as long as the outage has lasted, and so doubles, up to ``offline_interval``. News make it
    short again: those of the operating system, as a modem that is plugged in may need some rounds to be connected,
    and a target that begins to answer, after which it even begins with ``confirm_interval``.
    """
    plan, link = world.plan.link, world.link
    if not is_sure(world):
        return plan.confirm_interval
    if link.state == LinkState.OFFLINE:
        told = [timestamp.steady for timestamp in (link.since, link.evidence_since) if timestamp is not None]
        answered = link.answered_since.steady if link.answered_since is not None else -inf
        shortest = plan.check_interval if answered < max(told) else plan.confirm_interval
        return min(max(shortest, now - max(*told, answered)), plan.offline_interval)
    if is_metered(world) and link.good >= plan.rise and link.state in (LinkState.ONLINE, LinkState.DEGRADED):
        return max(METERED_INTERVAL, plan.check_interval)
    return plan.check_interval


def next_round(world: World, started: float, *, spread: float = 0.0) -> float:
    """The steady time at which the round after the one that began at ``started`` is due.

    ``spread`` is the share by which its interval is lengthened. News of the operating system since then call for a
    round at once: hard evidence is to be confirmed, and its end may be the end of the outage.
    """
    news = world.link.evidence_since
    if news is not None and news.steady > started:
        return started + SHORTEST_ROUND_INTERVAL
    return started + round_interval(world, started) * (1 + spread)


def round_patience(world: World) -> float | None:
    """For how many seconds a round waits for its targets; None: for their timeout.

    Once the verdict is there, nothing is in a hurry any more, and an answer over a long way would prove it wrong.
    """
    return HARD_PATIENCE if world.link.ruled_out and world.link.state != LinkState.OFFLINE else None


def gateway_to_ask(world: World, now: float) -> str | None:
    """The gateway that the operating system names, while its answer is wanted (None: it is not, or none is named).

    While all is well it costs no packet. It is asked while a bad round is to be explained, and when it is new: only
    the silence of a gateway that has once answered means anything.
    """
    link = world.link
    well = link.state in (LinkState.ONLINE, LinkState.RECOVERING) or (link.good > 0 and is_sure(world))
    told = link.evidence_since
    new = told is not None and now - told.steady < NEW_GATEWAY
    return link.evidence.gateway_address if new or link.bad > 0 or not well else None


def is_sure(world: World) -> bool:
    """Whether another round would most likely change nothing: there is a verdict, or no hurry brings one about."""
    link, plan = world.link, world.plan.link
    if is_flapping(link, plan) or is_inconclusive(link, plan):
        return True
    if link.state in (LinkState.ONLINE, LinkState.RECOVERING) or (link.state == LinkState.DEGRADED and is_poor(link)):
        return link.good > 0
    return link.state == LinkState.OFFLINE and link.good == 0 and link.bad > 0


def inspections(world: World, now: float) -> dict[str, Demand]:
    """Which services are to be looked at, and how. ``now`` is steady seconds."""
    turn = frozenset(next_in_turn(world))
    close_look_after = min(CLOSE_LOOK_AFTER, CLOSE_LOOK_SHARE * world.plan.recovery.ready_timeout)
    demands = {}
    for service in world.services.values():
        demand = _demand(
            service,
            now,
            in_turn=service.name in turn,
            held=is_held_by_damping(world, service),
            close_look_after=close_look_after,
        )
        if demand is not None:
            demands[service.name] = demand
    return demands


def _demand(service: Service, now: float, *, in_turn: bool, held: bool, close_look_after: float) -> Demand | None:
    earliest = service.next.steady if service.next is not None else 0.0
    if service.state == ServiceState.WAITING:
        interval = BUSY_INTERVAL if service.postponed_since is None else POSTPONED_INTERVAL
        interval = IDLE_INTERVAL if held else interval
        if in_turn:
            return Demand(interval, earliest, closely=True, registries=True)
        # Only a look at once tells what somebody restarts by hand before its turn comes.
        return Demand(POSTPONED_INTERVAL, earliest) if is_return_unobserved(service) else None
    if service.state == ServiceState.RESTARTING:
        doubt = service.intent is not None and service.intent.in_doubt
        return Demand(BUSY_INTERVAL, earliest) if doubt else None
    if service.state == ServiceState.VERIFYING:
        return Demand(BUSY_INTERVAL, closely=bool(service.undone) or now - service.since.steady >= close_look_after)
    if service.state == ServiceState.BACKOFF:
        return None
    if service.state == ServiceState.UNKNOWN:
        return Demand(UNKNOWN_INTERVAL, closely=True)
    return Demand(IDLE_INTERVAL, closely=service.state != ServiceState.READY)

"""The plan: all of the configuration that decides. It is part of the world, so that a step needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from .stored_names import stored_name


class Kind(StrEnum):
    """The workloads that can be restarted by their pod template."""

    DEPLOYMENT = "Deployment"
    STATEFUL_SET = "StatefulSet"
    DAEMON_SET = "DaemonSet"


class When(StrEnum):
    """Which services a recovery restarts."""

    ALWAYS = "always"
    UNHEALTHY = "unhealthy"
    OUTAGE_LONGER_THAN = "outage_longer_than"


class Reclaim(StrEnum):
    """When a service on an alternative port goes back to its primary one, once that is free."""

    IDLE = "idle"  # while no connection is open
    NEVER = "never"


class ForwardPlan(Struct, frozen=True):
    """The local ports on which a service may be reached, the best first.

    ``bind`` are the addresses to listen on. Of a pair of loopback addresses one may be missing on this machine; an
    address that stands alone, or is no loopback one, must be there.
    """

    port: int  # the primary one
    alternatives: tuple[int, ...] = ()
    bind: tuple[str, ...] = ("127.0.0.1", "::1")
    reclaim: Reclaim = Reclaim.IDLE

    @property
    def candidates(self) -> tuple[int, ...]:
        """All of its ports, the best first."""
        return (self.port, *self.alternatives)


class ServicePlan(Struct, frozen=True):
    """One service: what to restart, after which others, and where to reach it (``forward`` None: nowhere)."""

    name: str
    kind: Kind
    namespace: str
    workload: str  # the object's name
    depends_on: tuple[str, ...] = ()
    stage: int = 0  # 0: depends on nothing; else one more than the highest stage it depends on
    forward: ForwardPlan | None = None


class AfterGap(StrEnum):
    """What is done for the services after a time in which nobody watched."""

    CHECK = "check"  # look at them and tell what is seen; nothing is restarted for it
    RESTART = "restart"  # treat it as an outage, after which `recovery.when` decides what is restarted


class QualityPlan(Struct, frozen=True):
    """When a link that works is called lossy or slow, and when no longer. Separate thresholds keep it from flapping."""

    window: float = 60.0  # seconds; dpinger's and OPNsense's
    enter_loss: float = 0.2  # share of lost probes; OPNsense calls 20 % down, mwan3's default is 40 %
    leave_loss: float = 0.1  # OPNsense's and mwan3's
    enter_latency: float = 0.5  # seconds, the 95th percentile; OPNsense's 500 ms
    leave_latency: float = 0.2  # OPNsense's 200 ms
    least: int = 20  # probes in the window before it says anything


class DampingPlan(Struct, frozen=True):
    """Damping of restarts on a link that flaps, after RFC 2439 with the thresholds that RFC 7196 found harmless."""

    penalty: float = 1000.0  # an outage
    half_life: float = 900.0  # seconds
    suppress: float = 6000.0  # from here on restarts wait
    reuse: float = 750.0  # until the penalty has decayed to this
    ceiling: float = 12000.0  # the penalty never grows beyond it


class LinkPlan(Struct, frozen=True, rename=stored_name):
    """Thresholds of the verdict on the link. Durations in seconds."""

    quorum: int = 2  # targets that must answer in a good round
    fall: int = 3  # bad rounds in a row from the first doubt to OFFLINE, the first one included
    rise: int = 3  # good rounds in a row to believe in the link again
    hold: float = 10.0  # how long the link must stay good before the first restart
    check_interval: float = 2.0  # between rounds while the verdict is sure
    confirm_interval: float = 0.35  # between rounds while it is not
    # The longest between rounds of a long outage, so that a recovery is no later than that. NetworkManager doubles its
    # pauses from 1 s as well, up to 300 s.
    offline_interval: float = 15.0
    # How long an agent that starts with the machine waits for what the machine itself has not got yet. As long as
    # NetworkManager's own wait at boot (NetworkManager-wait-online, 60 s).
    boot_grace: float = 60.0
    after_gap: AfterGap = AfterGap.CHECK
    quality: QualityPlan = QualityPlan()
    damping: DampingPlan = DampingPlan()
    metered: bool | None = (
        None  # True: every byte is paid for, so that as few as possible are sent; None: as the OS says
    )


class RecoveryPlan(Struct, frozen=True):
    """What is done when the link is back. Durations in seconds."""

    act: bool = True  # False: shadow mode, every decision is recorded and nothing is restarted
    when: When = When.ALWAYS
    outage_longer_than: float = 0.0  # only with When.OUTAGE_LONGER_THAN
    max_restart_attempts: int = 3  # of one service, until `healthy_for` or an operator gives them back
    parallel: int = 8  # services whose restart is under way at once
    ready_timeout: float = 300.0  # a rollout that takes longer has failed
    healthy_for: float = 600.0  # availability without a break that gives the attempts back
    backoff_first: float = 10.0
    backoff_max: float = 300.0
    postpone_limit: float = 600.0  # how long a restart may be postponed before the service is left alone


class Plan(Struct, frozen=True):
    """The deciding part of the configuration."""

    link: LinkPlan = LinkPlan()
    recovery: RecoveryPlan = RecoveryPlan()
    services: tuple[ServicePlan, ...] = ()

    def service(self, name: str) -> ServicePlan:
        """The plan of the service ``name``. Raises KeyError."""
        for service in self.services:
            if service.name == name:
                return service
        raise KeyError(name)


def find_cycle(depends_on: dict[str, tuple[str, ...]]) -> list[str] | None:
    """One dependency cycle as a list that ends where it began, or None. Names that are no key are passed over."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str] | None:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done or name not in depends_on:
            return None
        for other in depends_on[name]:
            if cycle := visit(other, [*path, name]):
                return cycle
        done.add(name)
        return None

    for name in depends_on:
        if cycle := visit(name, []):
            return cycle
    return None


def with_stages(services: Iterable[ServicePlan]) -> tuple[ServicePlan, ...]:
    """The services with ``stage`` computed from ``depends_on``, which must name known services and hold no cycle."""
    by_name = {service.name: service for service in services}
    stages: dict[str, int] = {}

    def stage_of(name: str) -> int:
        if name not in stages:
            stages[name] = 1 + max((stage_of(other) for other in by_name[name].depends_on), default=-1)
        return stages[name]

    return tuple(replace(service, stage=stage_of(service.name)) for service in by_name.values())

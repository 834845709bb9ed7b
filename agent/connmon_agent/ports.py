"""The ports: all that the agent needs from outside, as protocols. Adapters implement them; so do the tests' fakes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from socket import socket
from typing import Protocol

from msgspec import UNSET, UnsetType

from .core.effects import Listen, Restart
from .core.events import Event, ForwardChecked, ListenAnswered, RestartAnswered
from .core.link.round_counts import RoundCounts
from .core.notices import Notice, SendAnswer
from .core.observations import (
    Evidence,
    InternalErrors,
    LineUsage,
    MeasuredQuality,
    Observation,
    ProbeResult,
    RegistryAnswer,
    Traffic,
    Unobserved,
)
from .core.plan import ServicePlan
from .core.steps import Step
from .core.timestamps import Timestamp
from .core.world import World


class Clock(Protocol):
    """Time. Only adapters read the machine's clocks."""

    def now(self) -> Timestamp:
        """This instant, steady and wall."""

    def awake(self) -> float:
        """Seconds that never jump and stand still while the machine sleeps, from an unknown beginning."""

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of steady time; at once when they are zero or fewer."""


class Prober(Protocol):
    """The link's targets."""

    async def probe_all(self, *, patience: float | None = None) -> tuple[ProbeResult, ...]:
        """Probe every target at once, each with its own deadline, and return one result a target, in their order.

        ``patience``: no target is waited for longer than so many seconds (None: each to its deadline).
        Never raises for a target's sake: a failure is a result.
        """

    async def probe_quietly(self, name: str, *, doubt: Callable[[], object]) -> tuple[ProbeResult, ...]:
        """Probe the target ``name`` alone and return its result; where it is no answer in the time that the target
        usually takes, call ``doubt``, probe the others as well, and return one result a target, in their order.

        Evidence that is asked beside the targets may follow. Never raises for a target's sake.
        """

    def watch_gateway(self, address: str | None) -> None:
        """Ask the gateway with this address (None: none) beside the rounds, which hardly wait for it."""

    def renew(self, kinds: Collection[str]) -> None:
        """Let go of all that the probes of these kinds keep from one round to the next, as if it were at fault."""

    async def close(self) -> None:
        """Let go of every socket and task."""


class LinkWatch(Protocol):
    """What the operating system says of the way out, told at once."""

    def read(self) -> Evidence:
        """What it says now. Never raises for its sake: what it does not tell is None."""

    async def changed(self) -> None:
        """Return when something may have changed: the first time at once, in a storm at most every 50 ms."""

    async def close(self) -> None:
        """Let go of the socket."""


class Cluster(Protocol):
    """The Kubernetes API. Every call ends within its timeout, whatever the API does."""

    async def inspect(self, service: ServicePlan, *, closely: bool) -> Observation | Unobserved:
        """Look at one workload. ``closely`` also asks what a decision to restart needs: its revision's age,
        PodDisruptionBudgets, what ails its pods. Never raises for the API's sake.
        """

    async def restart(self, restart: Restart, at: Timestamp) -> RestartAnswered:
        """Send one compare-and-set restart, once. Never raises for the API's sake; the answer's ``at`` is ``at``."""

    async def close(self) -> None:
        """Let go of every connection and thread."""


class Registries(Protocol):
    """The image registries that nodes pull from."""

    async def ask(self, registry: str) -> RegistryAnswer:
        """Whether ``registry`` (``ghcr.io``, ``registry.example:5000``) can be pulled from.

        Ends within seconds, whatever it does. Never raises for the registry's sake. Who asks for the same one at the
        same time, or soon after, gets the same answer.
        """

    async def close(self) -> None:
        """Let go of every socket and task."""


class LocalPorts(Protocol):
    """The TCP ports of this machine."""

    async def examine(self, ports: Mapping[int, tuple[str, ...]]) -> Mapping[int, str]:
        """Which of ``ports`` cannot be listened on, on the addresses that each is wanted on, and who holds them or what
        forbids it, in words. Changes nothing. Never raises for a port's sake.
        """


class ListenerStore(Protocol):
    """Keeps listening sockets beyond the death of this process, and gives the next process those of the one before.

    A place is an address, as the configuration writes it, and a port. Clients that connect while no process runs wait
    in the kernel's queue of the kept socket. No call raises, and none waits: where nothing can be kept, the ports are
    bound anew at each start.
    """

    def kept(self) -> frozenset[tuple[str, int]]:
        """The places whose sockets the process before left and nothing here uses yet. They are ours to use."""

    def find(self, address: str, port: int) -> socket | None:
        """The socket that was left for this place, which listens; None: there is none, or it is in use here."""

    def keep(self, address: str, port: int, listener: socket) -> None:
        """``listener`` is in use here from now on, and is to outlive this process."""

    def remove(self, address: str, port: int, listener: socket) -> None:
        """``listener`` is not to be kept any more, and listens no more. The caller closes it."""

    def release(self, wanted: Collection[tuple[str, int]]) -> None:
        """Close what the process before left at all places but ``wanted``."""


class Forwards(Protocol):
    """The local ports that lead to services of the cluster."""

    async def listen(self, order: Listen, at: Timestamp) -> ListenAnswered:
        """Listen where ``order`` says, then leave the port that the service had before. Connections that are open live
        on. Never raises for a port's sake; the answer's ``at`` is ``at``.
        """

    def retain(self, services: Collection[str]) -> None:
        """Leave the local ports of all services but these."""

    async def check(self, service: str, began: Timestamp) -> ForwardChecked:
        """Connect through the service's own local port as a client would, and see whether that reaches its end.

        Never raises for the cluster's sake; the answer's ``at`` and ``began`` are ``began``.
        """

    def traffic(self) -> tuple[Traffic, ...]:
        """What has gone through each port. The agent's own checks do not count."""

    async def worth_checking(self) -> str:
        """Return the name of a service, when a connection through its port has just failed, or succeeded where the one
        before had failed.
        """

    async def close(self) -> None:
        """Leave every port, and end every connection."""


class Journal(Protocol):
    """The one writer of the state file.

    Its calls are done in the order in which they were made, and wait for the disk; nothing else may.
    """

    @property
    def damage(self) -> str | None:
        """What ailed the file that was found at opening; None when it was sound."""

    @property
    def set_aside(self) -> Path | None:
        """Where that file is kept; None when it was sound."""

    def load(self) -> World:
        """The world as it was last committed; a fresh one where nothing was. Raises StoreError."""

    async def commit(self, event: Event, step: Step) -> int:
        """Make event, new world, transitions and intents durable in one transaction; returns the event's number.

        Raises CommitError: then nobody knows whether it is durable, and the journal must be reopened.
        """

    async def note_round(
        self,
        at: Timestamp,
        results: Sequence[ProbeResult],
        measured_quality: MeasuredQuality | None = None,
        usage: LineUsage | None = None,
        probed: Sequence[ProbeResult] = (),
        counts: RoundCounts | UnsetType = UNSET,
    ) -> None:
        """Remember the newest round, the quality up to it and what the rounds took on the line (None: not known), and
        the heartbeat, without waiting for the disk. ``results`` are what is known of all targets, ``probed`` what this
        round found, which is counted; ``counts`` is what rounds have changed in the link since the last event. Raises
        StoreError.
        """

    async def note_traffic(self, at: Timestamp, traffic: Sequence[Traffic]) -> None:
        """Remember what went through the local ports, without waiting for the disk. Raises StoreError."""

    async def note_errors(self, errors: InternalErrors) -> None:
        """Remember what failed in the agent itself, without waiting for the disk. Raises StoreError."""

    @property
    def unsent(self) -> tuple[Notice, ...]:
        """The notices that are still to be sent."""

    async def note_attempt(self, notice: Notice) -> bool:
        """Write how far the attempt to send ``notice`` is; False: it is not to be sent any more, as it was dropped or
        told in another one. How an attempt ended is durable on return. Raises StoreError.
        """

    async def last_sign_of_life(self) -> Timestamp | None:
        """When the agent that wrote last stopped in order, else when it last finished a round. None: none ever ran.

        Raises StoreError.
        """

    async def reopen(self) -> World:
        """Close, open and load again after a failed commit. Raises StoreError."""


class Messenger(Protocol):
    """Sends notices to people."""

    @property
    def channels(self) -> Mapping[str, bool]:
        """The names of the channels that are configured, each with whether it works without the internet."""

    async def send(self, notice: Notice) -> SendAnswer:
        """Make one attempt, which ends within about a minute. Never raises for the receiver's sake.

        Where the caller is cancelled, the attempt ends at once, and whether the message got out is not known.
        """


class Announcer(Protocol):
    """Whoever started the agent and waits for word of it: a service manager, or `start --mode background`.

    Calls are made on the event loop, except ``extend``, which may come from any thread. No call waits or raises.
    """

    @property
    def pulse(self) -> float | None:
        """Seconds between two calls of ``alive`` that the other end counts on; None: it does not watch for them."""

    def extend(self, seconds: float) -> None:
        """The start is under way and has made progress just now: allow ``seconds`` more from here."""

    def ready(self, status: str) -> None:
        """The agent watches: its start is durable, and it takes orders. ``status`` as in ``status``."""

    def status(self, line: str) -> None:
        """The state in one line, whenever that line has changed."""

    def alive(self) -> None:
        """The decision loop has just asked the journal and got an answer."""

    def reloading(self) -> None:
        """The configuration is being read again."""

    def reloaded(self, refusal: str | None) -> None:
        """It is in force (None), or was refused for this reason and the one before goes on."""

    def stopping(self) -> None:
        """The agent ends in order; its last commit follows."""

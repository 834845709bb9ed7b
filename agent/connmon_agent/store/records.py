"""What the store gives to readers: frozen rows, decoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec import Struct, field

from ..core.effects import Effect, Listen, Restart
from ..core.events import Event
from ..core.observations import LineUsage, MeasuredQuality, ProbeResult
from ..core.steps import Resolution, Transition
from ..core.timestamps import Timestamp


class Recorded(Struct, frozen=True):
    """One committed event with the step it caused.

    ``boottime`` is seconds since the machine booted, ``boot_id`` which boot that was; ``outage`` is the id of the
    outage that was open after the step (None: none was). ``refusal`` is why an operator's order was not carried out
    (None: it was, or there was none); ``charts`` maps the charts whose transitions were taken to their SHA-256.
    """

    seq: int
    at: Timestamp
    boottime: float
    boot_id: str
    event: Event
    transitions: tuple[Transition, ...]
    effects: tuple[Effect, ...]
    resolutions: tuple[Resolution, ...]
    notes: tuple[tuple[str, str], ...]
    outage: int | None
    refusal: str | None = None
    charts: Mapping[str, str] = field(default_factory=dict)
    listens: tuple[Listen, ...] = ()


@dataclass(frozen=True, slots=True)
class IntentRow:
    """A restart that was committed and whose outcome is not known yet.

    ``seq`` is the event that decided it; ``outage`` the id of the outage it belongs to (None: none was open).
    """

    token: str
    seq: int
    outage: int | None
    attempt: int
    restart: Restart


@dataclass(frozen=True, slots=True)
class AgentRow:
    """The agent that wrote last. ``stopped`` is None while it runs and after it was killed."""

    pid: int
    version: str
    started: Timestamp
    heartbeat: Timestamp
    stopped: Timestamp | None


@dataclass(frozen=True, slots=True)
class LatestRound:
    """The newest round of probes, whether or not it changed anything.

    ``loss`` is the share of unanswered probes (0 to 1) and ``latency_ms`` the mean of the answered ones (None: none).
    ``measured_quality`` is the quality over the window that ended with it (None: too little was seen), ``usage`` what
    the rounds took on the line (None: not known).
    """

    at: Timestamp
    results: tuple[ProbeResult, ...]
    loss: float
    latency_ms: float | None
    measured_quality: MeasuredQuality | None = None
    usage: LineUsage | None = None


@dataclass(frozen=True, slots=True)
class OutageRow:
    """One outage of the history.

    ``duration`` is seconds from start to ``ended`` (to ``back`` where it has not ended; None: still dark); ``cause`` is
    its name (core.link.causes.Cause, or ``ordered``), ``detail`` the evidence in words (empty: an older agent wrote it,
    and the cause is in words); ``restarts`` counts the restarts applied; ``result`` says how it ended: ``recovered``,
    ``gave up: a, b; skipped: c``, ``overtaken by outage 4``, ``recovering`` or ``offline``. ``monitoring_gap`` is
    seconds of it in which nobody watched, which no duration counts.
    """

    id: int
    started: Timestamp
    back: Timestamp | None
    ended: Timestamp | None
    cause: str
    by_operator: bool
    relapses: int
    restarts: int
    result: str
    detail: str = ""
    monitoring_gap: float = 0.0

    @property
    def duration(self) -> float | None:
        """Seconds without a working site, as far as it is known: those in which nobody watched are left out."""
        end = self.ended or self.back
        return None if end is None else max(0.0, end.steady - self.started.steady - self.monitoring_gap)

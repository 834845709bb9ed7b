"""The tracks of a Chrome trace: which there are, what is open on each, and the clock of all of them.

Format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU (Trace Event Format).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ...core.timestamps import Timestamp

PID = 1
LINK, AGENT, OPERATOR, EVENTS = ("link", ""), ("agent", ""), ("operator", ""), ("events", "")

SERVICE = "service"  # the tracks of this kind have a name, as have those of local ports

Track = tuple[str, str]  # what it shows, and of which service; empty: of none
TraceEvent = dict[str, Any]
Args = Mapping[str, Any]

# The ids of tracks, which viewers show from the top in this order: then the services, then their ports. 1 is the
# process's main thread.
_FIRST = {"link": 2, "agent": 3, "operator": 4, "events": 5}
_SERVICES, _PORTS = 1_000, 1_000_000
# Names of colours that the viewers know: catapult's tracing/tracing/base/color_scheme.html.
_COLORS = {
    "ONLINE": "good", "READY": "good", "OPEN": "good", "running": "good", "DEGRADED": "bad", "BACKOFF": "bad",
    "OFFLINE": "terrible", "GAVE_UP": "terrible", "CONFLICT": "terrible", "monitoring gap": "grey", "UNKNOWN": "grey",
    "STARTING": "grey", "CLOSED": "grey",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Slice:
    """A state that is open on a track, and what is said of it."""

    name: str
    args: Args


class Tracks:
    """Makes the events of a trace, whose slices are always closed in the order in which they were opened.

    Nothing is made before ``start``: until then it is only noted what is open.
    """

    def __init__(self) -> None:
        self.open: dict[Track, Slice] = {}
        self._described: dict[Track, int] = {}  # the id of each track that was used
        self._order: dict[str, int] = {}  # of the services, from the top
        self._begun: Timestamp | None = None
        self._now = 0
        self._flows = 0
        self._made: list[TraceEvent] = []

    def arrange(self, services: Iterable[str]) -> None:
        """Show tracks of services in this order; those that come later are below them."""
        for name in services:
            self._order.setdefault(name, len(self._order))

    def start(self, at: Timestamp) -> None:
        """From here on events are made; ``at`` is the zero of their clock."""
        self._begun = at
        for track, slice in self.open.items():
            self._begin(track, slice.name, {**slice.args, "began_before": True})

    @property
    def now(self) -> int:
        """Microseconds since the start."""
        return self._now

    def take(self) -> list[TraceEvent]:
        """The events that were made since the last time."""
        made, self._made = self._made, []
        return made

    def move(self, at: Timestamp) -> None:
        """Set the clock: microseconds of the steady clock since the start. It is never set back."""
        if self._begun is not None:
            self._now = max(self._now, round((at.steady - self._begun.steady) * 1e6))

    def enter(self, track: Track, name: str, args: Args) -> None:
        """Another state on this track; the one that is open ends."""
        self.leave(track)
        self.open[track] = Slice(name, args)
        self._begin(track, name, args)

    def leave(self, track: Track) -> None:
        """End what is open on this track."""
        if self.open.pop(track, None) is not None:
            self._end(track)

    def cut(self, since: Timestamp, until: Timestamp, args: Args) -> None:
        """Nobody watched: states end, and go on after it, as far as is known."""
        self.move(since)
        self.leave(AGENT)
        for track in self.open:
            self._end(track)
        self._begin(AGENT, "monitoring gap", args)
        self.move(until)
        self._end(AGENT)
        for track, slice in self.open.items():
            self._begin(track, slice.name, {**slice.args, "continued": True})

    def finish(self) -> None:
        """End all that is open."""
        for track in list(self.open):
            self.leave(track)

    def mark(self, track: Track, name: str, args: Args) -> None:
        """Something without a length."""
        self.make("i", name, args, tid=self._tid(track), s="t")

    def span(self, phase: str, track: Track, name: str, id: str, args: Args) -> None:
        """The beginning (``b``), a part (``n``) or the end (``e``) of something that overlaps with states."""
        # Perfetto shows a local id below its process, and a plain one elsewhere.
        self.make(phase, name, args, tid=self._tid(track), id2={"local": id}, cat="attempt")

    def count(self, name: str, values: Mapping[str, float]) -> None:
        """A counter has these values from now on."""
        self.make("C", name, values)

    def flow(self, track: Track, began: int, args: Args) -> None:
        """An arrow on ``track`` from the slice at ``began`` to the one that is open now."""
        tid = self._tid(track)
        self._flows += 1  # Perfetto takes only a number for the id of an arrow
        self.make("s", "answer", args, tid=tid, id=self._flows, cat="answer", ts=began)
        self.make("f", "answer", args, tid=tid, id=self._flows, cat="answer", bp="e")

    def make(self, phase: str, name: str, args: Args, **more: Any) -> None:
        """One event of this phase at the present time of the clock."""
        if self._begun is not None:
            self._made.append({"ph": phase, "pid": PID, "ts": self._now, "name": name, "args": args, **more})

    def _begin(self, track: Track, name: str, args: Args) -> None:
        color = {"cname": _COLORS[name]} if name in _COLORS else {}
        self.make("B", name, args, tid=self._tid(track), cat=track[0], **color)

    def _end(self, track: Track) -> None:
        if self._begun is not None:
            self._made.append({"ph": "E", "pid": PID, "tid": self._tid(track), "ts": self._now})

    def _tid(self, track: Track) -> int:
        """The id of the track, which is described when it is first needed."""
        known = self._described.get(track)
        if known is not None or self._begun is None:
            return known or 0
        what, service = track
        self.arrange([service])
        tid = _FIRST.get(what, (_PORTS if what == "forward" else _SERVICES) + self._order[service])
        self._described[track] = tid
        title = f"{service}: local port" if what == "forward" else service or what
        for name, args in (("thread_name", {"name": title}), ("thread_sort_index", {"sort_index": tid})):
            self._made.append({"ph": "M", "pid": PID, "tid": tid, "ts": 0, "name": name, "args": args})
        return tid

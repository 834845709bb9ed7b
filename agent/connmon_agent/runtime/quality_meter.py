"""The window over which the link's quality is measured. It lives in memory: a new agent begins an empty one."""

from __future__ import annotations

from collections.abc import Callable

from ..core.events import Event, QualityChanged
from ..core.link.causes import find_stranded
from ..core.link.metering import is_metered
from ..core.link.quality import Sample, measure, screen, slide
from ..core.observations import MeasuredQuality, ProbeResult, Quality
from ..core.timestamps import Timestamp
from ..core.world import LinkState, World


class QualityMeter:
    """Fed with each round; ``take`` receives an event whenever the quality enters another class."""

    def __init__(self, *, world: Callable[[], World], take: Callable[[Event], object]) -> None:
        self._world = world
        self._take = take
        self._window: tuple[Sample, ...] = ()

    def forget(self) -> None:
        """Begin an empty window: other targets are asked from now on."""
        self._window = ()

    def see(self, at: Timestamp, results: tuple[ProbeResult, ...]) -> MeasuredQuality | None:
        """The quality with the round that ended ``at``; None: too little is known.

        An outage begins the window anew, as does the wait for this machine's own network after a boot.
        """
        world = self._world()
        link, plan = world.link, world.plan.link
        if link.state == LinkState.OFFLINE or link.lacks:
            self.forget()
            return None
        stranded = find_stranded(results, link.evidence, link.heard)  # what cannot be asked here is no loss
        able = tuple(result for result in results if result not in stranded)
        self._window = slide(self._window, able, now=at.steady, plan=plan.quality, suspects=link.suspects)
        before = link.measured_quality.quality if link.measured_quality is not None else Quality.GOOD
        few = is_metered(world)
        measured_quality = measure(self._window, plan.quality, quorum=plan.quorum, previous=before, few_are_enough=few)
        if measured_quality is not None and measured_quality.quality is not before:
            self._take(QualityChanged(at, measured_quality))
        return measured_quality

    def screen(self) -> tuple[frozenset[str], bool]:
        """The targets that look slow or lossy by themselves, and whether all targets were asked about equally often."""
        return screen(self._window, self._world().plan.link.quality)

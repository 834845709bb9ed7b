"""The watch of the way out on Windows."""

from __future__ import annotations

from functools import partial

from ..probes.windows_routes import IpHelper, is_running, read_hops, read_table
from .kernel import FAR_AWAY
from .notified import NotifiedWatch, Subscribe
from .views import SystemView


def open_windows_watch(helper: IpHelper, subscribe: Subscribe) -> NotifiedWatch:
    """The watch over what ``helper`` tells, and ``subscribe`` calls for."""
    view = SystemView(
        read_routes=partial(read_table, helper),
        is_running=partial(is_running, helper),
        read_hops=partial(read_hops, helper, tuple(address for _, address in FAR_AWAY)),
        read_kind=lambda name: None,
        exists=lambda name: helper.find_luid(name) is not None,
    )
    return NotifiedWatch(subscribe, view.read)

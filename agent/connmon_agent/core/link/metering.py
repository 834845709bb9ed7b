"""A connection that is paid for by the byte."""

from __future__ import annotations

from ..world import World

# Seconds between rounds on a metered connection while nothing is in doubt: a dead link is found within 30 s.
METERED_INTERVAL = 25.0


def is_metered(world: World) -> bool:
    """Whether the connection is paid for by the byte: as it is configured, else as the operating system says."""
    configured = world.plan.link.metered
    return bool(world.link.metered) if configured is None else configured

"""How many files this process may have open at once."""

from __future__ import annotations

import contextlib

RESERVED = 128  # for all else that the agent has open
EACH = 2  # a connection: its client's socket, and the way to the pod
ENOUGH = 65536  # where the system sets no limit


def raise_limit() -> int:
    """Have as many as this user may, and return how many connections that allows."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return ENOUGH
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # macOS has a smaller one of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return ENOUGH if soft == resource.RLIM_INFINITY else max((soft - RESERVED) // EACH, 1)

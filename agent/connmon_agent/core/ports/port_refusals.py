"""Ports that were refused when they were asked for: what a look finds free is not asked for again and again.

A look only binds, and a mistake of ours may refuse what nobody holds. Without a memory of its own the refusal would be
forgotten at the next look, and the port asked for as fast as the disk can write.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ..draft import Draft
from ..world import RefusedPort

FIRST_BACKOFF = 5.0  # seconds for which a refused port is let be, doubling with each refusal
LONGEST_BACKOFF = 300.0  # seconds


def note_refusal(draft: Draft, port: int, why: str) -> None:
    """``port`` was just refused: it counts as taken until it has had its rest."""
    times = next((known.times for known in draft.world.refused if known.port == port), 0) + 1
    rest = min(LONGEST_BACKOFF, FIRST_BACKOFF * 2.0 ** min(times - 1, 10))
    refused = (*_without(draft.world.refused, [port]), RefusedPort(port, why, draft.at.steady + rest, times))
    taken = (*(entry for entry in draft.world.taken if entry[0] != port), (port, why))
    draft.change(taken=taken, refused=refused)


def note_taken(draft: Draft, seen: tuple[tuple[int, str], ...]) -> None:
    """Remember which ports a look found taken. One that it found so has explained its refusal; the others that were
    refused stay taken while they rest.
    """
    forget_refusals(draft, [port for port, _ in seen])
    resting = [(known.port, known.why) for known in draft.world.refused if draft.at.steady < known.until]
    taken = tuple(sorted((*seen, *resting)))
    if draft.world.taken != taken:
        draft.change(taken=taken)


def forget_refusals(draft: Draft, ports: Collection[int] | None = None) -> None:
    """Forget that these ports were refused. None: all, so that each is tried at once."""
    kept = () if ports is None else _without(draft.world.refused, ports)
    if len(kept) < len(draft.world.refused):
        draft.change(refused=kept)


def _without(refused: Iterable[RefusedPort], ports: Collection[int]) -> tuple[RefusedPort, ...]:
    return tuple(known for known in refused if known.port not in ports)

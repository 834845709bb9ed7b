"""Arithmetic of the recovery: the ladder of pauses, and restart tokens."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple

from ..plan import RecoveryPlan

# The spread of a jittered pause, as a share of it: services that failed together shall not come back together.
JITTER = 0.25

_TOKEN = re.compile(r"(.+)-([0-9]{1,9})-([0-9]{1,9})-([0-9]{1,9})")


def pause_after(attempt: int, *, recovery: RecoveryPlan, seed: str) -> float:
    """Seconds to wait after failed attempt number ``attempt`` (from 1): doubling from first to max, then jittered.

    The ladder is Kubernetes' own for crashing containers (10 s doubling to 5 min, KEP-4603). The jitter is derived
    from ``seed``, so that the core needs no randomness: the same restart always waits the same time.
    """
    doublings = min(attempt - 1, 64)  # more would overflow, and no pause is that long
    pause = min(recovery.backoff_first * 2.0**doublings, recovery.backoff_max)
    fraction = int.from_bytes(sha256(seed.encode()).digest()[:4], "big") / 2**32
    return pause * (1 - JITTER / 2 + JITTER * fraction)


def make_token(*, store: str, outage: int, attempt: int, number: int) -> str:
    """A restart token that no other restart ever has: ``number`` only grows, and ``store`` names the database."""
    return f"{store}-{outage}-{attempt}-{number}"


class Token(NamedTuple):
    """The parts of a restart token, as ``make_token`` joins them."""

    store: str
    outage: int
    attempt: int
    number: int


def parse_token(text: str | None) -> Token | None:
    """The parts of a token of any connmon-agent; None when it is not one. Anybody may write into an annotation."""
    match = _TOKEN.fullmatch(text or "")
    return None if match is None else Token(match[1], int(match[2]), int(match[3]), int(match[4]))

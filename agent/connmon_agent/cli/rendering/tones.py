"""Colours by meaning. Text is whole without them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from ...core.world import ForwardState, LinkState, ServiceState


class Tone(StrEnum):
    """What a colour stands for."""

    GOOD = "green"
    UNSURE = "yellow"
    BAD = "red"
    QUIET = "bright_black"
    PLAIN = ""


Paint = Callable[[str, Tone], str]

LINK_TONES = {
    LinkState.STARTING: Tone.UNSURE,
    LinkState.ONLINE: Tone.GOOD,
    LinkState.DEGRADED: Tone.UNSURE,
    LinkState.OFFLINE: Tone.BAD,
    LinkState.RECOVERING: Tone.UNSURE,
}

SERVICE_TONES = {
    ServiceState.UNKNOWN: Tone.UNSURE,
    ServiceState.READY: Tone.PLAIN,
    ServiceState.WAITING: Tone.UNSURE,
    ServiceState.RESTARTING: Tone.UNSURE,
    ServiceState.VERIFYING: Tone.UNSURE,
    ServiceState.BACKOFF: Tone.UNSURE,
    ServiceState.GAVE_UP: Tone.BAD,
}


FORWARD_TONES = {
    ForwardState.CLOSED: Tone.UNSURE,
    ForwardState.LISTENING: Tone.UNSURE,
    ForwardState.OPEN: Tone.PLAIN,
    ForwardState.CONFLICT: Tone.BAD,
}


def paint_nothing(text: str, tone: Tone) -> str:
    """The text without colour, for pipes, files and terminals that want none."""
    return text

"""Durations, times and evidence in words, for reasons that people read."""

from __future__ import annotations

from .observations import Evidence, Reach, RegistryAnswer


def counted(number: int, noun: str) -> str:
    """``1 service``, ``7 services``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def in_words(seconds: float) -> str:
    """``seconds`` as a person says them: ``0.5 s``, ``10 s``, ``5 min``, ``1 h 30 min``, ``2 d 4 h``."""
    if seconds < 59.95:  # what is above would be rounded to 60 s
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 10 and rest:
        return f"{minutes} min {rest} s"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def left_in_words(seconds: float) -> str:
    """A time that is left, as clocks tell it: to a tenth of a second."""
    return in_words(round(seconds, 1)) if seconds >= 0.1 else "less than 0.1 s"


def tell_obstacle(port: int, words: str) -> str:
    """``8080 is in use by nginx (pid 99)``, ``80 needs privileges``: a port and why it is not available.

    Older agents recorded "held by nginx (pid 99)".
    """
    if words.startswith(("in use by ", "held by ")):
        return f"{port} is in use by {words.partition(' by ')[2]}"
    plain = words.startswith(("is ", "needs ", "cannot "))
    return f"{port} {words}" if plain else f"{port} is not available: {words}"


def tell_reach(answer: RegistryAnswer) -> str:
    """``is unreachable: connection refused``, ``limits requests: HTTP 429``: what follows a registry's name."""
    told = {
        Reach.REACHABLE: "is reachable",
        Reach.LIMITED: "limits requests",
        Reach.UNREACHABLE: "is unreachable",
        Reach.UNKNOWN: "cannot be checked from this machine",
    }[answer.reach]
    return f"{told}: {answer.reason}"


def clock_time(wall: float, *, exactly: bool = False) -> str:
    """The time of day in UTC, ``15:42``, or ``15:42:07``, of Unix seconds: a decision must not depend on where it is
    made.
    """
    minutes = int(wall // 60) % (24 * 60)
    seconds = f":{int(wall % 60):02}" if exactly else ""
    return f"{minutes // 60:02}:{minutes % 60:02}{seconds}"


def tell_evidence(evidence: Evidence) -> str:
    """The default route as the operating system reports it, as one sentence without its full stop."""
    if evidence.default_route is False:
        lost = f"; {evidence.interface}, which had it, has no carrier" if evidence.carrier is False else ""
        return f"no default route{lost if evidence.interface else ''}"
    if evidence.carrier is False:
        return f"{evidence.interface} has no carrier" if evidence.interface else "no interface has a carrier"
    if evidence.interface is None:
        return "default route: present" if evidence.default_route else "default route: not reported by the system"
    by = f" via {evidence.gateway}" if evidence.gateway is not None else ""
    dark = f"; {evidence.dark} has no carrier" if evidence.dark is not None else ""
    return f"default route: {evidence.interface}{by}{dark}"


def tell_metered(metered: bool | None, source: str) -> str:
    """``metered connection: yes (NetworkManager)``, ``metered connection: unknown (NetworkManager)``."""
    return f"metered connection: {'unknown' if metered is None else 'yes' if metered else 'no'} ({source})"

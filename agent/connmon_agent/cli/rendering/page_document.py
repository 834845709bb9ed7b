"""What the page shows of one instant: the document of `status --json`, and the same in words for one glance."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ... import __version__
from ...explain.facts import advise
from ...presence import LOCK_FILE
from ...wall_times import in_utc
from ..wording import say_duration, write_instant
from .snapshots import Snapshot
from .status_document import PULSE, status_document, without_pulse
from .status_text import judge, list_remedies
from .tones import Tone

_TONES = {Tone.GOOD: "good", Tone.UNSURE: "unsure", Tone.BAD: "bad"}
_WATCHED = ("live", "starting")
_SELF = ("now", "seq")  # what is told of the server and not of the site


def page_document(snapshot: Snapshot, *, seq: int, orders: bool) -> dict[str, Any]:
    """The state as JSON values; see docs/web.md. ``seq`` is the newest event, ``orders``: the page may give some."""
    document = status_document(snapshot)
    since = {plan.name: write_instant(service.since) for plan, service in snapshot.services()}
    return {
        **document,
        "services": [{**one, "since": since[one["name"]]} for one in document["services"]],
        "headline": _headline(snapshot),
        "watch": _watch(snapshot),
        "file": _file(snapshot),
        "site": {"host": socket.gethostname(), "version": __version__},
        "orders": orders,
        "seq": seq,
        "now": in_utc(snapshot.now).isoformat(timespec="microseconds"),
    }


def quiet_part(document: dict[str, Any]) -> dict[str, Any]:
    """What is equal in two documents between which nothing happened but rounds of probes."""
    quiet = without_pulse({key: value for key, value in document.items() if key not in _SELF})
    live = document["watch"]["state"] in _WATCHED
    return {**quiet, "watch": {**document["watch"], "since": None, "text": None}} if live else quiet


def pulse_document(document: dict[str, Any]) -> dict[str, Any]:
    """What every round of probes changes."""
    link = document["link"]
    return {
        "now": document["now"],
        "heartbeat_at": document["agent"]["heartbeat_at"],
        **{key: link[key] for key in PULSE},
        "probes": link["probes"],
    }


def _headline(snapshot: Snapshot) -> dict[str, Any]:
    link = snapshot.world.link
    word, tone, rest = judge(snapshot)
    watched = snapshot.watched
    why = link.reason if watched else rest.removeprefix(": ")
    cause = None if link.cause is None or f"{link.cause}: {link.detail}" in why else f"{link.cause}: {link.detail}"
    return {
        "word": word,
        "tone": _TONES[tone],
        "since": write_instant(link.since) if watched else _watch(snapshot)["since"],
        "why": why,
        "cause": cause if watched else None,
        "todo": list(_list_todo(snapshot)),
        "notes": list(_list_notes(snapshot)),
    }


def _list_todo(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.watched and (advice := advise(snapshot.world.link.cause)):
        yield advice
    yield from list_remedies(snapshot)


def _list_notes(snapshot: Snapshot) -> Iterator[str]:
    if snapshot.world.paused:
        yield "PAUSED: nothing is restarted until `connmon-agent resume`"
    if not snapshot.world.plan.recovery.act:
        yield "SHADOW MODE (recovery.act: false): nothing is restarted"


def _watch(snapshot: Snapshot) -> dict[str, Any]:
    """Whether an agent watches, and since when none does."""
    agent = snapshot.agent
    if agent is None or snapshot.fresh:
        if snapshot.running:
            return _watching("starting", None, "The agent is starting.")
        return _watching("never", None, "No agent has run here yet.")
    beat, ago = write_instant(agent.heartbeat), say_duration(snapshot.now - agent.heartbeat.wall)
    if snapshot.running and snapshot.silent_for is not None:
        return _watching("silent", beat, f"The agent (pid {snapshot.pid}) has not responded for {ago}.")
    if snapshot.running:
        return _watching("live", None, f"The agent is running (pid {snapshot.pid}, version {agent.version}).")
    if agent.stopped is not None:
        ago = say_duration(snapshot.now - agent.stopped.wall)
        text = f"No agent is running: it shut down cleanly {ago} ago. Nothing has been monitored since."
        return _watching("stopped", write_instant(agent.stopped), text)
    text = f"No agent is running: it was killed or the machine went down {ago} ago. Nothing has been monitored since."
    return _watching("dead", beat, text)


def _watching(state: str, since: str | None, text: str) -> dict[str, Any]:
    return {"state": state, "since": since, "text": text}


def _file(snapshot: Snapshot) -> dict[str, Any]:
    """The state file. An agent leaves its lock file beside it for ever: where there is none, this is a copy."""
    path = Path(snapshot.path)
    if not path.exists():
        return {"path": str(path), "kind": "missing", "read_only": False, "text": f"There is no {path}."}
    copied = snapshot.agent is not None and not (path.parent / LOCK_FILE).exists()
    read_only = not os.access(path.parent, os.W_OK) or not os.access(path, os.W_OK)
    texts = ["This is a copy of a state file: it does not change."] if copied else []
    if read_only and not snapshot.running:
        texts.append("It is read-only here.")
    return {
        "path": str(path),
        "kind": "copy" if copied else "original",
        "read_only": read_only,
        "text": " ".join(texts) or None,
    }

"""Reads Chrome traces: what is wrong with one, what its tracks show, and the journal's events as they are in it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Event = dict[str, Any]

KEYS = {
    "M": {"ph", "pid", "tid", "ts", "name", "args"},
    "B": {"ph", "pid", "tid", "ts", "name", "args", "cat"},
    "E": {"ph", "pid", "tid", "ts"},
    "b": {"ph", "pid", "tid", "ts", "name", "args", "cat", "id2"},
    "n": {"ph", "pid", "tid", "ts", "name", "args", "cat", "id2"},
    "e": {"ph", "pid", "tid", "ts", "name", "args", "cat", "id2"},
    "s": {"ph", "pid", "tid", "ts", "name", "args", "cat", "id"},
    "f": {"ph", "pid", "tid", "ts", "name", "args", "cat", "id", "bp"},
    "C": {"ph", "pid", "ts", "name", "args"},
    "i": {"ph", "pid", "tid", "ts", "name", "args", "s"},
}
COLORS = {"good", "bad", "terrible", "grey"}
GAP = "monitoring gap"


def load(text: str) -> dict[str, Any]:
    """The trace as strict JSON: NaN and Infinity are none."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    document: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return document


def find_faults(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with the trace, in words."""
    events: list[Event] = document["traceEvents"]
    faults = [f"members {list(document)}"] if list(document) != ["displayTimeUnit", "otherData", "traceEvents"] else []
    faults += [fault for event in events for fault in _misshapen(event)]
    return [*faults, *_misplaced(events), *_unbalanced(events), *_torn(events), *_pointless(events), *_watched(events)]


def _misshapen(event: Event) -> Iterator[str]:
    keys = set(event) - ({"cname"} if event["ph"] == "B" else set())
    if keys != KEYS[event["ph"]]:
        yield f"keys of {event}"
    if type(event["ts"]) is not int or event["ts"] < 0 or event["pid"] != 1:
        yield f"place of {event}"
    if event["ph"] in "sf" and type(event["id"]) is not int:
        yield f"an arrow that Perfetto cannot draw: {event}"
    if event.get("cname", "good") not in COLORS:
        yield f"colour of {event}"
    if event["ph"] == "C" and not all(math.isfinite(value) and value >= 0 for value in event["args"].values()):
        yield f"values of {event}"


def _misplaced(events: Iterable[Event]) -> Iterator[str]:
    """Every track is named once, before it is used, and its events are in the order of time."""
    named: set[int] = set()
    latest = 0
    for event in events:
        if event["ph"] == "M":
            if event["name"] == "thread_name":
                if event["tid"] in named:
                    yield f"named twice: {event}"
                named.add(event["tid"])
            continue
        if event["ph"] != "C" and event["tid"] not in named:
            yield f"on no track: {event}"
        if event["ph"] != "s":
            if event["ts"] < latest:
                yield f"back in time: {event}"
            latest = event["ts"]


def _unbalanced(events: Iterable[Event]) -> Iterator[str]:
    """One state at a time on each track, and each of them ends."""
    depth: dict[int, int] = {}
    for event in events:
        if event["ph"] in "BE":
            depth[event["tid"]] = depth.get(event["tid"], 0) + (1 if event["ph"] == "B" else -1)
            if depth[event["tid"]] not in (0, 1):
                yield f"depth {depth[event['tid']]} after {event}"
    yield from (f"track {tid} is left open" for tid, left in depth.items() if left)


def _torn(events: Iterable[Event]) -> Iterator[str]:
    """Every attempt begins once, ends once, and has its parts between."""
    phases: dict[str, str] = {}
    for event in events:
        if event["ph"] in "bne":
            id = event["id2"]["local"]
            phases[id] = phases.get(id, "") + event["ph"]
    yield from (f"attempt {id}: {told}" for id, told in phases.items() if not re.fullmatch("bn*e", told))


def _pointless(events: list[Event]) -> Iterator[str]:
    """Every arrow has two ends, of which each is in a state of its track."""
    flows: dict[int, list[Event]] = {}
    for event in events:
        if event["ph"] in "sf":
            flows.setdefault(event["id"], []).append(event)
    states = [(tid, *rest) for tid, *rest in slices(events)]
    for id, ends in flows.items():
        if [end["ph"] for end in ends] != ["s", "f"] or ends[0]["ts"] > ends[1]["ts"] or ends[1]["bp"] != "e":
            yield f"arrow {id}: {ends}"
        for end in ends:
            if not any(tid == end["tid"] and begun <= end["ts"] <= ended for tid, _, begun, ended in states):
                yield f"arrow {id} from nowhere: {end}"


def _watched(events: list[Event]) -> Iterator[str]:
    """In a monitoring gap no track says anything."""
    states = list(slices(events))
    gaps = [(begun, ended) for _, name, begun, ended in states if name == GAP]
    for _, name, begun, ended in states:
        if name != GAP and any(begun < end and ended > since and ended > begun for since, end in gaps):
            yield f"{name} from {begun} to {ended} reaches into a gap"


def slices(events: Iterable[Event]) -> Iterator[tuple[int, str, int, int]]:
    """Track, name, begin and end of each state."""
    begun: dict[int, Event] = {}
    for event in events:
        if event["ph"] == "B":
            begun[event["tid"]] = event
        elif event["ph"] == "E" and event["tid"] in begun:
            first = begun.pop(event["tid"])
            yield event["tid"], first["name"], first["ts"], event["ts"]


def titles(events: Iterable[Event]) -> dict[int, str]:
    """The title of each track."""
    return {one["tid"]: one["args"]["name"] for one in events if one["ph"] == "M" and one["name"] == "thread_name"}


def read_back(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The journal's events as `replay --json` has them, made of nothing but the trace."""
    found: dict[int, dict[str, Any]] = {}
    names = titles(document["traceEvents"])
    for event in document["traceEvents"]:
        args = dict(event.get("args", {}))
        if event["ph"] == "M" or event["ph"] == "C" or "continued" in args or "began_before" in args:
            continue
        if names.get(event["tid"]) == "events":
            empty: dict[str, list[Any]] = {"transitions": [], "restarts": [], "listens": [], "resolutions": []}
            found[args["seq"]] = {**args, "event": event["name"], **empty}
        elif (part := _part_of(event, args)) is not None:
            found[args.pop("seq")][part].append(args)
    return list(found.values())


def _part_of(event: Event, args: Mapping[str, Any]) -> str | None:
    if "trigger" in args:
        return "transitions"
    if "again" in args:
        return "restarts"
    if "outcome" in args:
        return "resolutions"
    return "listens" if event.get("name") == "listen" else None


def states_after(document: Mapping[str, Any]) -> dict[int, dict[str, str]]:
    """After each event of the journal but the last, by its number: the state that each track shows, by its title."""
    names = titles(document["traceEvents"])
    shown: dict[str, str] = {}
    found: dict[int, dict[str, str]] = {}
    seq = 0
    for event in document["traceEvents"]:
        if event["ph"] == "B":
            shown[names[event["tid"]]] = event["name"]
        elif event["ph"] == "E":
            shown.pop(names[event["tid"]])
        elif event["ph"] == "i" and names[event["tid"]] == "events":
            found[seq] = dict(shown)
            seq = event["args"]["seq"]
    return found

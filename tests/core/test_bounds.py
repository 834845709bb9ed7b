"""No reason of others fills the journal: what an event says in words is bounded, what it names is left whole."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from tests.fakes.values import events

from connmon_agent.core.bounds import Longest, bound_words
from connmon_agent.core.events import Configured, Event, Inspected, PortsSeen, RoundFinished
from connmon_agent.core.observations import ProbeResult, Traffic, Unobserved
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.texts import LONGEST_MESSAGE, LONGEST_REASON, shorten

NOW = Timestamp(10.0, 1_795_000_000.0)
GIANT = "x" * 3_000_000

# What names something, of every class that an event may hold: cut, it would name something else.
NAMES = {
    ("AgentStarted", "version"),
    ("AgentStarted", "boot_id"),
    ("ProbeResult", "name"),
    ("ProbeResult", "kind"),
    ("ProbeResult", "family"),
    ("ProbeResult", "proxy"),
    ("Evidence", "interface"),
    ("Evidence", "gateway"),
    ("Evidence", "dark"),
    ("Evidence", "versions"),
    ("Inspected", "service"),
    ("Observation", "uid"),
    ("Observation", "progress_mark"),
    ("Observation", "token"),
    ("Observation", "template"),
    ("Observation", "pods"),
    ("Unobserved", "kind"),
    ("RestartAnswered", "service"),
    ("RestartAnswered", "token"),
    ("RestartAnswered", "kind"),
    ("RestartAnswered", "template"),
    ("TimerDue", "timer"),
    ("PortsSeen", "busy"),
    ("ListenAnswered", "service"),
    ("ListenAnswered", "token"),
    ("ForwardChecked", "service"),
    ("MeteredSeen", "source"),
    ("Ordered", "services"),
    ("Traffic", "service"),
    # What an event found in the link: another text would not be what it was decided with.
    ("RoundCounts", "cause"),
    ("RoundCounts", "detail"),
    ("RoundCounts", "answering"),
}


def texts_of(cls: Any) -> Iterator[tuple[str, str, bool]]:
    """Class, field and whether it is bounded, of every text that a value of ``cls`` holds."""
    if cls is Configured:
        return  # the configuration bounds itself, and its names are compared
    for name, hint in get_type_hints(cls, include_extras=True).items():
        for leaf in leaves_of(hint):
            if isinstance(leaf, type) and issubclass(leaf, Struct):
                yield from texts_of(leaf)
            elif leaf is str or get_origin(leaf) is Annotated:
                yield cls.__name__, name, any(isinstance(mark, Longest) for mark in get_args(leaf))


def leaves_of(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, UnionType, tuple):
        for inner in get_args(hint):
            yield from leaves_of(inner)
    else:
        yield hint


KINDS = [*get_args(Event), Traffic]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.__name__))
def test_every_text_of_every_event_is_bounded_or_a_name(kind: type) -> None:
    unbounded = {(cls, name) for cls, name, bounded in texts_of(kind) if not bounded}
    assert unbounded <= NAMES, "mark it as Words, or name it here"


def test_every_name_is_one() -> None:
    assert {(cls, name) for kind in KINDS for cls, name, bounded in texts_of(kind) if not bounded} == NAMES


def swell(value: Any, text: str = GIANT) -> Any:
    """``value`` with every text that is none of ``NAMES`` replaced by ``text``."""
    if isinstance(value, tuple):
        return tuple(swell(item, text) for item in value)
    if type(value) is str:
        return text
    if not isinstance(value, Struct) or isinstance(value, Configured):
        return value
    fields = [name for name in value.__struct_fields__ if (type(value).__name__, name) not in NAMES]
    return replace(value, **{name: swell(getattr(value, name), text) for name in fields})


def texts_in(value: Any) -> list[str]:
    """Every text in ``value`` but names."""
    if isinstance(value, tuple):
        return [text for item in value for text in texts_in(item)]
    if not isinstance(value, Struct) or isinstance(value, Configured):
        return [value] if type(value) is str else []
    names = [name for name in value.__struct_fields__ if (type(value).__name__, name) not in NAMES]
    return [text for name in names for text in texts_in(getattr(value, name))]


@given(events)
def test_whatever_an_event_says_it_is_bounded(event: Event) -> None:
    assert all(len(text) <= LONGEST_MESSAGE for text in texts_in(bound_words(swell(event))))


@given(events)
def test_what_is_safe_already_is_the_same_object(event: Event) -> None:
    safe = bound_words(event)
    assert bound_words(safe) is safe


PLANTED = "the plugin said \x1b[2J\u202e\0: Authorization: Bearer hunter2S3cr3t at https://u:hunter2S3cr3t@h/"


@given(events)
def test_no_event_brings_a_credential_or_a_command_for_the_terminal(event: Event) -> None:
    told = texts_in(bound_words(swell(event, PLANTED)))
    assert not any("hunter2S3cr3t" in text or not text.isprintable() for text in told)
    assert PLANTED not in told


@given(events)
def test_no_name_brings_what_utf_8_cannot_hold(event: Event) -> None:
    """Half a surrogate pair comes from a broken answer, and stays visible."""
    bounded = bound_words(break_names(event))
    msgspec.json.encode(bounded)
    assert "half \\\\udc80" in repr(bounded) or repr(bounded) == repr(event)


def break_names(value: Any) -> Any:
    """``value`` with half a surrogate pair in every text."""
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return tuple(map(break_names, value))
    if type(value) is str:
        return "half \udc80"
    if not isinstance(value, Struct) or isinstance(value, Configured):
        return value
    return replace(value, **{name: break_names(getattr(value, name)) for name in value.__struct_fields__})


def test_what_is_not_too_long_is_left_beside_what_is() -> None:
    good, bad = ProbeResult("a", "tcp", True), ProbeResult("b", "tcp", False, reason=GIANT)
    bounded = bound_words(RoundFinished(NOW, (good, bad)))
    assert bounded.results[0] is good
    assert bounded.results[1] == replace(bad, reason=shorten(GIANT))


def test_what_is_seen_of_ports_and_workloads_is_bounded_where_it_is_nested() -> None:
    assert bound_words(PortsSeen(NOW, ((8080, GIANT), (80, "held")))).taken == ((8080, shorten(GIANT)), (80, "held"))
    assert bound_words(Inspected(NOW, "web", Unobserved("timeout", GIANT))).seen == Unobserved(
        "timeout", shorten(GIANT)
    )
    assert bound_words((Traffic("web", error=GIANT),)) == (Traffic("web", error=shorten(GIANT)),)


def test_the_cut_is_marked_with_the_length_and_keeps_both_ends() -> None:
    text = shorten("the plugin failed: " + GIANT + ": no such host")
    assert text.startswith("the plugin failed: xxx")
    assert text.endswith("xxx: no such host")
    assert " … (3000033 characters in all) … " in text
    assert len(text) == LONGEST_REASON


@given(st.text(max_size=200), st.integers(60, 120))
def test_a_shortened_text_is_never_longer_than_asked_for_and_a_short_one_is_itself(text: str, most: int) -> None:
    short = shorten(text, most)
    assert len(short) <= most
    assert short == text or len(text) > most
    assert shorten(short, most) == short

"""Core values become canonical JSON and come back as they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from tests.fakes import values

from connmon_agent.core.codec import codec_for
from connmon_agent.core.effects import Restart
from connmon_agent.core.events import AgentStopped, Event, Inspected, RoundFinished, TimerDue
from connmon_agent.core.moments import Moment
from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.core.sightings import ProbeResult, Sighting, Unseen
from connmon_agent.core.world import Service, ServiceState, World


@dataclass(frozen=True, slots=True)
class Berry:
    color: str
    grams: float = 1.0


@dataclass(frozen=True, slots=True)
class Nut:
    hard: bool


@dataclass(frozen=True, slots=True)
class Basket:
    fruits: tuple[Berry | Nut, ...] = ()
    best: Berry | None = None
    prices: Mapping[str, int] = field(default_factory=dict)
    owner: tuple[str, int] | None = None


@given(values.worlds)
def test_a_world_comes_back_as_it_was(world: World) -> None:
    codec = codec_for(World)
    assert codec.from_text(codec.to_text(world)) == world


@given(values.events)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    codec = codec_for(Event)
    decoded = codec.from_text(codec.to_text(event))
    assert (type(decoded), decoded) == (type(event), event)


@given(values.restarts)
def test_an_effect_comes_back_as_it_was(restart: Restart) -> None:
    codec = codec_for(Restart)
    assert codec.from_text(codec.to_text(restart)) == restart


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        pytest.param(Moment, Moment(1.5, 2.0), "[1.5,2.0]", id="a moment is [steady,wall]"),
        pytest.param(Kind, Kind.STATEFUL_SET, '"StatefulSet"', id="an enum is its value"),
        pytest.param(str | None, None, "null", id="nothing is null"),
        pytest.param(Berry, Berry("red", 2.5), '{"color":"red","grams":2.5}', id="a dataclass is an object"),
        pytest.param(tuple[str, bool], ("a", True), '["a",true]', id="a tuple is an array"),
        pytest.param(dict[str, int], {"b": 1, "a": 2}, '{"a":2,"b":1}', id="keys are sorted"),
        pytest.param(str, "größe \udc80", '"gr\\u00f6\\u00dfe \\udc80"', id="the text is ASCII, whatever the string"),
        pytest.param(Berry | Nut, Nut(True), '{"hard":true,"is":"Nut"}', id="one of a union names its class"),
        pytest.param(Event, TimerDue(Moment(1, 2), "round"), '{"at":[1.0,2.0],"is":"TimerDue","timer":"round"}'),
        pytest.param(
            Basket,
            Basket((Berry("red"), Nut(False)), None, {"nut": 3}, ("me", 7)),
            '{"best":null,"fruits":[{"color":"red","grams":1.0,"is":"Berry"},{"hard":false,"is":"Nut"}],'
            '"owner":["me",7],"prices":{"nut":3}}',
            id="all of them nested",
        ),
    ],
)
def test_the_forms(hint: Any, value: object, text: str) -> None:
    codec = codec_for(hint)
    assert codec.to_text(value) == text
    assert codec.from_text(text) == value


@pytest.mark.parametrize(
    ("hint", "one", "other"),
    [
        pytest.param(Moment, Moment(1, 2), Moment(1.0, 2.0), id="a whole number where a fraction may be"),
        pytest.param(float, 0.0, -0.0, id="negative zero"),
        pytest.param(dict[str, int], {"a": 1, "b": 2}, {"b": 2, "a": 1}, id="the order of keys"),
        pytest.param(
            Service, Service("a", ServiceState.READY), Service("a", "READY"), id="a state as a member and as a string"
        ),
    ],
)
def test_equal_values_give_equal_text(hint: Any, one: object, other: object) -> None:
    assert one == other
    assert codec_for(hint).to_text(one) == codec_for(hint).to_text(other)


def test_what_an_older_version_did_not_write_takes_its_default() -> None:
    assert codec_for(Basket).from_text('{"fruits":[{"is":"Berry","color":"blue"}]}') == Basket((Berry("blue"),))


def test_what_a_newer_version_wrote_besides_is_passed_over() -> None:
    assert codec_for(Berry).from_text('{"color":"red","grams":2.0,"taste":{"sweet":true}}') == Berry("red", 2.0)


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (World, "[]", "expected an object, got []"),
        (World, '{"paused":false}', "store: is missing"),
        (World, '{"store":"x","paused":1}', "paused: expected true or false, got 1"),
        (World, '{"store":"x","tokens":true}', "tokens: expected a whole number, got True"),
        (World, '{"store":"x","tokens":1.0}', "tokens: expected a whole number, got 1.0"),
        (World, '{"store":"x","link":{"since":[1]}}', "link.since: expected an array of 2, got [1]"),
        (World, '{"store":"x","link":{"since":[1,"b"]}}', "link.since.1: expected a number, got 'b'"),
        (World, '{"store":"x","timers":[]}', "timers: expected an object, got []"),
        (
            World,
            '{"store":"x","services":{"web":{"name":"web","intent":{"token":1}}}}',
            "services.web.intent.previous_token: is missing",
        ),
        (
            ServicePlan,
            '{"name":"a","kind":"Job","namespace":"n","workload":"w"}',
            "kind: expected one of Deployment, StatefulSet, DaemonSet, got 'Job'",
        ),
        (
            RoundFinished,
            '{"at":[1,2],"results":[{"name":"a","kind":"tcp","ok":null}]}',
            "results.0.ok: expected true or false, got None",
        ),
        (RoundFinished, '{"at":[1,2],"results":{}}', "results: expected an array, got {}"),
        (Berry | Nut, '{"hard":true}', "is: expected one of Berry, Nut, got None"),
        (Berry | Nut, '{"is":"Stone"}', "is: expected one of Berry, Nut, got 'Stone'"),
        (Berry | Nut, '{"is":["Nut"],"hard":true}', "is: expected one of Berry, Nut, got ['Nut']"),
        (float, "NaN", "NaN is no JSON number"),
        (str, '"', "Unterminated string starting at: line 1 column 1 (char 0)"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(hint: Any, text: str, message: str) -> None:
    with pytest.raises(ValueError) as failure:
        codec_for(hint).from_text(text)
    assert str(failure.value) == message


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (AgentStopped, AgentStopped(Moment(1, 2), None), "reason: expected a string, got None"),
        (Inspected, Inspected(Moment(1, 2), "a", None), "seen: expected one of Sighting, Unseen, got None"),
        (Inspected, Inspected(Moment(1, 2), "a", Sighting(rollout="complete")), "seen.rollout: expected Rollout"),
        (Inspected, Inspected(Moment(1, "2"), "a", Unseen("t", "r")), "at.1: expected a number, got '2'"),
        (World, World("x", services={"a": Service("a", attempts="1")}), "services.a.attempts: expected a whole number"),
        (ProbeResult, "tcp", "expected ProbeResult, got 'tcp'"),
        (tuple[str, ...], ["a"], "expected an array, got ['a']"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(hint: Any, value: object, message: str) -> None:
    with pytest.raises(ValueError) as failure:
        codec_for(hint).to_text(value)
    assert str(failure.value).startswith(message)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_does_not_know_are_refused(value: float) -> None:
    with pytest.raises(ValueError):
        codec_for(Moment).to_text(Moment(value, 1.0))


@pytest.mark.parametrize("hint", [object, bytes, list[str], dict[int, str], str | int])
def test_a_hint_without_a_form_is_a_mistake_of_ours(hint: Any) -> None:
    with pytest.raises(TypeError, match="no JSON form is known"):
        codec_for(hint).to_text(None)
    with pytest.raises(TypeError, match="no JSON form is known"):
        codec_for(hint).from_text("null")


def test_a_long_value_is_cut_in_the_message() -> None:
    with pytest.raises(ValueError) as failure:
        codec_for(int).decode("x" * 1000)
    assert len(str(failure.value)) < 100


def test_changing_a_decoded_world_gives_another_text() -> None:
    codec = codec_for(World)
    world = codec.from_text(codec.to_text(World("abcdefgh")))
    assert codec.to_text(replace(world, paused=True)) != codec.to_text(world)

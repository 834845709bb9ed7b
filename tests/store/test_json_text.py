"""Values become canonical JSON text, and come back as they were."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct, field
from msgspec.structs import replace
from tests.fakes import values

from connmon_agent.core.effects import Restart
from connmon_agent.core.events import AgentStopped, Event, Inspected, Ordered, TimerDue
from connmon_agent.core.observations import Observation, ProbeResult, Traffic, Unobserved
from connmon_agent.core.plan import Kind, ServicePlan
from connmon_agent.core.stored_names import stored_name
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import Service, ServiceState, World
from connmon_agent.store.json_text import JsonText
from connmon_agent.store.layout import EVENTS, RESTARTS, TRAFFIC, WORLDS

NAN, INFINITE = float("nan"), float("inf")


class Berry(Struct, frozen=True, tag_field="is", tag=True):
    color: str
    grams: float = 1.0


class Nut(Struct, frozen=True, tag_field="is", tag=True):
    hard: bool


class Basket(Struct, frozen=True):
    fruits: tuple[Berry | Nut, ...] = ()
    best: Nut | None = None
    prices: Mapping[str, int] = field(default_factory=dict)
    owner: tuple[str, int] | None = None


@given(values.worlds)
def test_a_world_comes_back_as_it_was(world: World) -> None:
    assert WORLDS.from_text(WORLDS.to_text(world)) == world


@given(values.events)
def test_an_event_comes_back_as_it_was(event: Event) -> None:
    decoded = EVENTS.from_text(EVENTS.to_text(event))
    assert (type(decoded), decoded) == (type(event), event)


@given(values.restarts)
def test_an_effect_comes_back_as_it_was(restart: Restart) -> None:
    assert RESTARTS.from_text(RESTARTS.to_text(restart)) == restart


def test_what_two_results_are_not_compared_by_comes_back_too() -> None:
    result = ProbeResult("a", "tcp", True, bytes=120, at=17.5)
    read = JsonText[ProbeResult](ProbeResult).from_text(JsonText[ProbeResult](ProbeResult).to_text(result))
    assert result == replace(result, bytes=1, at=None)
    assert (read.bytes, read.at) == (120, 17.5)


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        pytest.param(Timestamp, Timestamp(1.5, 2.0), "[1.5,2.0]", id="a moment is [steady,wall]"),
        pytest.param(Kind, Kind.STATEFUL_SET, '"StatefulSet"', id="an enum is its value"),
        pytest.param(str | None, None, "null", id="nothing is null"),
        pytest.param(ServicePlan, ServicePlan("a", Kind.DEPLOYMENT, "n", "w"), None, id="a class is an object"),
        pytest.param(tuple[str, bool], ("a", True), '["a",true]', id="a tuple is an array"),
        pytest.param(dict[str, int], {"b": 1, "a": 2}, '{"a":2,"b":1}', id="keys are sorted"),
        pytest.param(str, "größe\n\0", '"größe\\n\\u0000"', id="the text has no raw newline, whatever the string"),
        pytest.param(Berry | Nut, Nut(True), '{"hard":true,"is":"Nut"}', id="one of a union names its class"),
        pytest.param(Event, TimerDue(Timestamp(1, 2), "round"), '{"at":[1.0,2.0],"is":"TimerDue","timer":"round"}'),
        pytest.param(
            Basket,
            Basket((Berry("red"), Nut(False)), None, {"nut": 3}, ("me", 7)),
            '{"best":null,"fruits":[{"color":"red","grams":1.0,"is":"Berry"},{"hard":false,"is":"Nut"}],'
            '"owner":["me",7],"prices":{"nut":3}}',
            id="all of them nested",
        ),
    ],
)
def test_the_forms(hint: Any, value: object, text: str | None) -> None:
    form = JsonText[Any](hint)
    assert text is None or form.to_text(value) == text
    assert form.from_text(form.to_text(value)) == value


@pytest.mark.parametrize(
    ("hint", "one", "other"),
    [
        pytest.param(Timestamp, Timestamp(1, 2), Timestamp(1.0, 2.0), id="a whole number where a fraction may be"),
        pytest.param(float, 0.0, -0.0, id="negative zero"),
        pytest.param(dict[str, int], {"a": 1, "b": 2}, {"b": 2, "a": 1}, id="the order of keys"),
        pytest.param(
            Service, Service("a", ServiceState.READY), Service("a", "READY"), id="a state as a member and as a string"
        ),
    ],
)
def test_equal_values_give_equal_text(hint: Any, one: object, other: object) -> None:
    assert one == other
    assert JsonText[Any](hint).to_text(one) == JsonText[Any](hint).to_text(other)


def turn(value: Any) -> Any:
    """An equal value that was put together otherwise: mappings backwards, whole numbers as such, zeros negative."""
    if isinstance(value, Struct):
        return replace(value, **{name: turn(getattr(value, name)) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return {name: turn(value[name]) for name in reversed(value)}
    if isinstance(value, tuple):
        turned = map(turn, value)
        return type(value)(*turned) if hasattr(value, "_fields") else tuple(turned)
    if type(value) is float:
        return -0.0 if value == 0.0 else int(value) if value.is_integer() and abs(value) < 2**53 else value
    return value


@given(values.worlds)
def test_the_same_world_gives_the_same_bytes_in_whatever_order_it_was_made(world: World) -> None:
    assert turn(world) == world
    assert WORLDS.to_text(turn(world)) == WORLDS.to_text(world)


_PRINT = """
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.stored_names import stored_name
from connmon_agent.core.world import Service, World
from connmon_agent.store.layout import WORLDS
names = {"frontend", "grafana", "jaeger", "größe", "api"}
services, timers = {name: Service(name) for name in names}, {name: Timestamp(1, 2) for name in names}
print(ascii(WORLDS.to_text(World("x", services=services, timers=timers))))
"""


def test_the_same_world_gives_the_same_bytes_in_every_process() -> None:
    """Sets of names have another order in each of them."""
    texts = {
        subprocess.run(
            [sys.executable, "-c", _PRINT],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(texts) == 1


def test_what_an_older_version_did_not_write_takes_its_default() -> None:
    form = JsonText[Basket](Basket)
    assert form.from_text('{"fruits":[{"is":"Berry","color":"blue"}]}') == Basket((Berry("blue"),))


def test_what_a_newer_version_wrote_besides_is_passed_over() -> None:
    form = JsonText[Berry](Berry)
    assert form.from_text('{"color":"red","grams":2.0,"taste":{"sweet":true}}') == Berry("red", 2.0)


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (World, "[]", "Expected `object`, got `array`"),
        (World, '{"paused":false}', "Object missing required field `store`"),
        (World, '{"store":"x","paused":1}', "Expected `bool`, got `int` - at `$.paused`"),
        (World, '{"store":"x","tokens":true}', "Expected `int`, got `bool` - at `$.tokens`"),
        (World, '{"store":"x","link":{"since":[1]}}', "Expected `array` of length 2 - at `$.link.since`"),
        (World, '{"store":"x","link":{"since":[1,"b"]}}', "Expected `float`, got `str` - at `$.link.since[1]`"),
        (World, '{"store":"x","timers":[]}', "Expected `object`, got `array` - at `$.timers`"),
        (
            World,
            '{"store":"x","services":{"web":{"name":"web","intent":{"token":"1"}}}}',
            "Object missing required field `previous_token` - at `$.services[...].intent`",
        ),
        (
            ServicePlan,
            '{"name":"a","kind":"Job","namespace":"n","workload":"w"}',
            "Invalid enum value 'Job' - at `$.kind`",
        ),
        (Berry | Nut, '{"hard":true}', "Object missing required field `is`"),
        (Berry | Nut, '{"is":"Stone"}', "Invalid value 'Stone' - at `$.is`"),
        (float, "NaN", "JSON is malformed"),
        (str, '"', "Input data was truncated"),
        (str, '"\\udc8"', "Invalid \\uXXXX escape"),
        (Timestamp, '[NaN,"\\udc80"]', "Expected `float`, got `null` - at `$[0]`"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(hint: Any, text: str, message: str) -> None:
    with pytest.raises(ValueError) as failure:
        JsonText[Any](hint).from_text(text)
    assert str(failure.value).startswith(message)


@pytest.mark.parametrize(
    ("hint", "value", "message"),
    [
        (AgentStopped, AgentStopped(Timestamp(1, 2), None), "Expected `str`, got `null` - at `$.reason`"),
        (Ordered, Ordered(Timestamp(1, 2), "stop", (), "root"), "Invalid enum value 'stop' - at `$.order`"),
        (Inspected, Inspected(Timestamp(1, 2), "a", None), "Expected `object`, got `null` - at `$.seen`"),
        (
            Inspected,
            Inspected(Timestamp(1, "2"), "a", Unobserved("t", "r")),
            "Expected `float`, got `str` - at `$.at[1]`",
        ),
        (World, World("x", services={"a": Service("a", attempts="1")}), "Expected `int`, got `str` - at `$.services"),
        (ProbeResult, "tcp", "Expected `object`, got `str`"),
        (ProbeResult, object(), "Encoding objects of type object is unsupported"),
        (tuple[str, ...], ["a"], "the value would be read back otherwise"),
        (Basket, Basket(({"is": "Nut", "hard": True},)), "fruits.0 would be read back otherwise"),
        (str, "\udc80", "'utf-8' codec can't encode"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(hint: Any, value: object, message: str) -> None:
    with pytest.raises(ValueError) as failure:
        JsonText[Any](hint).to_text(value)
    assert str(failure.value).startswith(message)


def put_in_each_number(value: Any, number: float) -> Iterator[Any]:
    """Every value that differs from ``value`` in one of its numbers with a fraction, which is ``number`` there."""
    if type(value) is float:
        yield number
    elif isinstance(value, Struct):
        for name in value.__struct_fields__:
            if (type(value), name) != (ProbeResult, "at"):  # it is not compared: it would be read as not known
                yield from (replace(value, **{name: one}) for one in put_in_each_number(getattr(value, name), number))
    elif isinstance(value, dict):
        yield from ({**value, name: one} for name in value for one in put_in_each_number(value[name], number))
    elif isinstance(value, tuple):
        make = type(value)._make if hasattr(value, "_fields") else tuple
        for place, item in enumerate(value):
            for one in put_in_each_number(item, number):
                yield make((*value[:place], one, *value[place + 1 :]))


@given(values.worlds, st.sampled_from([NAN, INFINITE, -INFINITE]))
def test_a_number_that_json_does_not_know_is_refused_wherever_it_is_in_a_world(world: World, number: float) -> None:
    for broken in put_in_each_number(world, number):
        with pytest.raises(ValueError):
            WORLDS.to_text(broken)


@given(values.events, st.sampled_from([NAN, INFINITE, -INFINITE]))
def test_a_number_that_json_does_not_know_is_refused_wherever_it_is_in_an_event(event: Event, number: float) -> None:
    for broken in put_in_each_number(event, number):
        with pytest.raises(ValueError):
            EVENTS.to_text(broken)


def test_such_a_number_is_named_with_its_path_where_it_could_be_nothing() -> None:
    seen = Inspected(Timestamp(1, 2), "web", Unobserved("forbidden", "no", retry_after=NAN))
    with pytest.raises(ValueError, match=r"^seen\.retry_after would be read back otherwise$"):
        EVENTS.to_text(seen)
    with pytest.raises(ValueError, match=r"^1\.error_at would be read back otherwise$"):
        TRAFFIC.to_text((Traffic("a"), Traffic("b", error_at=INFINITE)))


@pytest.mark.parametrize("text", ["-0.0", ",-0.0,", '[-0.0]"'])
def test_a_text_that_looks_like_a_number_stays_as_it_is(text: str) -> None:
    world = World("x", timers={text: Timestamp(-0.0, 1.0)})
    assert WORLDS.from_text(WORLDS.to_text(world)).timers == {text: Timestamp(0.0, 1.0)}
    assert "-0.0,1.0" not in WORLDS.to_text(world)


def test_half_a_surrogate_pair_that_an_older_version_wrote_is_read_and_visible() -> None:
    text = '{"at":[1,2.5],"is":"Inspected","seen":{"is":"Sighting","uid":"gr\\u00f6\\u00dfe \\udc80"},"service":"a"}'
    event = EVENTS.from_text(text)
    assert event == Inspected(Timestamp(1, 2.5), "a", Observation(uid="größe \\udc80"))
    assert EVENTS.from_text(EVENTS.to_text(event)) == event


def test_every_event_names_its_class() -> None:
    for kind in get_args(Event):
        assert (kind.__struct_config__.tag_field, kind.__struct_config__.tag) == ("is", stored_name(kind.__name__))

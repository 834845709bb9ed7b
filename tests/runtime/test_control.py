"""Orders over the control channel: a real one, of this platform, for a real folder."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from connmon_agent.core.events import Order
from connmon_agent.errors import ConnmonError, NotRunning, Refused, StoreError
from connmon_agent.runtime.control import ControlServer, Handler, ask_agent, parse_request, send_order
from connmon_agent.runtime.control_transports import LONGEST_REQUEST, name_sender
from connmon_agent.runtime.control_transports import exchange as exchange_lines
from connmon_agent.runtime.control_transports.unix_socket import short_path

Orders = list[tuple[Order, tuple[str, ...], str]]


def serve(
    folder: Path,
    client: Callable[[], Awaitable[object]],
    *,
    refusal: str | None = None,
    handlers: Mapping[str, Handler] | None = None,
) -> Orders:
    """Run ``client`` beside a server; returns the orders that were obeyed."""
    orders: Orders = []

    async def obey(order: Order, services: tuple[str, ...], by: str, *, lapsed: Callable[[], bool]) -> str | None:
        if lapsed():
            raise ConnmonError("the order expired before the agent accepted it")
        if refusal == "disk full":
            raise StoreError("disk full")
        orders.append((order, services, by))
        return refusal

    async def run() -> None:
        server = ControlServer(folder, obey, handlers)
        await server.start()
        try:
            await client()
        finally:
            await server.stop()

    asyncio.run(run())
    return orders


def give(folder: Path, order: Order, *services: str) -> Callable[[], Awaitable[object]]:
    return lambda: asyncio.to_thread(send_order, folder, order, services)


def ask(folder: Path, order: str) -> Callable[[], Awaitable[object]]:
    return lambda: asyncio.to_thread(ask_agent, folder, order)


def exchange(folder: Path, line: bytes, answers: list[bytes]) -> Callable[[], Awaitable[object]]:
    async def talk() -> None:
        answers.append(await asyncio.to_thread(exchange_lines, folder, line, 30.0))

    return talk


def break_off(folder: Path, line: bytes) -> Callable[[], Awaitable[object]]:
    """Say ``line``, which has no end, and go."""
    return lambda: asyncio.to_thread(_say_and_go, folder, line)


def _say_and_go(folder: Path, line: bytes) -> None:
    if sys.platform == "win32":
        from connmon_agent.runtime.control_transports.named_pipe import name_channel

        with suppress(OSError), open(name_channel(folder), "r+b", buffering=0) as pipe:
            pipe.write(line)
        return
    with socket.socket(socket.AF_UNIX) as connection, short_path(folder) as path:
        connection.connect(path)
        with suppress(OSError):
            connection.sendall(line)


@pytest.mark.parametrize(
    ("order", "services"), [(Order.PAUSE, ()), (Order.RECOVER, ("web", "größe")), (Order.REARM, ("web",))]
)
def test_an_order_reaches_the_agent_with_its_operator(tmp_path: Path, order: Order, services: tuple[str, ...]) -> None:
    me = name_sender()
    assert serve(tmp_path, give(tmp_path, order, *services)) == [(order, services, me)]


def test_a_request_to_the_process_reaches_its_handler_and_brings_its_answer(tmp_path: Path) -> None:
    me = name_sender()
    asked: list[tuple[object, str]] = []

    async def handle(arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        asked.append((arguments["again"], by))
        return {"pid": 7}

    answers: list[dict[str, object]] = []

    async def client() -> None:
        answers.append(await asyncio.to_thread(ask_agent, tmp_path, "stop", {"again": True}))

    assert serve(tmp_path, client, handlers={"stop": handle}) == []
    assert asked == [(True, me)]
    assert answers == [{"pid": 7, "done": True}]


def test_a_request_to_the_process_may_be_refused_or_fail(tmp_path: Path) -> None:
    async def refuse(arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        raise ConnmonError("not today", hint="Come back tomorrow")

    async def fail(arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        raise RuntimeError("boom")

    for order, reason in (("refuse", "not today. Come back tomorrow"), ("fail", "internal error")):
        with pytest.raises(Refused) as caught:
            serve(tmp_path, ask(tmp_path, order), handlers={"refuse": refuse, "fail": fail})
        assert caught.value.message.startswith(reason)


def test_a_request_to_the_process_that_came_too_late_is_not_handled(tmp_path: Path) -> None:
    asked: list[str] = []

    async def handle(arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        asked.append(by)
        return {}

    answers: list[bytes] = []
    serve(tmp_path, exchange(tmp_path, b'{"order": "stop", "until": 0.0}\n', answers), handlers={"stop": handle})
    assert asked == []
    assert "expired" in json.loads(answers[0])["reason"]


@pytest.mark.parametrize("refusal", ["the link is OFFLINE", "disk full"])
def test_a_refusal_is_told_in_the_agents_words(tmp_path: Path, refusal: str) -> None:
    with pytest.raises(ConnmonError) as caught:
        serve(tmp_path, give(tmp_path, Order.RECOVER), refusal=refusal)
    assert caught.value.message == refusal


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"\n", id="an empty line"),
        pytest.param(b"hello\n", id="no JSON"),
        pytest.param(b"[]\n", id="no object"),
        pytest.param(b"{}\n", id="no order"),
        pytest.param(b'{"order": "dance"}\n', id="an unknown order"),
        pytest.param(b'{"order": "pause", "services": "web"}\n', id="services that are no list"),
        pytest.param(b'{"order": "pause", "until": "soon"}\n', id="a time that is none"),
        pytest.param(b"\xff\xfe\n", id="no UTF-8"),
        pytest.param(b"[" * 20_000 + b"\n", id="too deep"),
    ],
)
def test_a_malformed_request_is_refused_and_obeyed_by_nobody(tmp_path: Path, line: bytes) -> None:
    answers: list[bytes] = []
    assert serve(tmp_path, exchange(tmp_path, line, answers)) == []
    answer = json.loads(answers[0])
    assert (answer["done"], answer["reason"] != "") == (False, True)


@pytest.mark.parametrize("line", [b"", b'{"order": "pau', b"x" * (LONGEST_REQUEST + 1)])
def test_a_request_without_end_does_not_harm_the_server(tmp_path: Path, line: bytes) -> None:
    async def client() -> None:
        await break_off(tmp_path, line)()
        await give(tmp_path, Order.RESUME)()

    assert [order for order, _, _ in serve(tmp_path, client)] == [Order.RESUME]


def test_an_order_that_came_too_late_has_lapsed(tmp_path: Path) -> None:
    answers: list[bytes] = []
    assert serve(tmp_path, exchange(tmp_path, b'{"order": "pause", "until": 0.0}\n', answers)) == []
    assert "expired" in json.loads(answers[0])["reason"]


def test_without_an_agent_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        send_order(tmp_path, Order.PAUSE, ())


def test_a_request_is_read_whole() -> None:
    request = parse_request(b'{"order": "recover", "services": ["web", 7], "until": 5}')
    assert (request.order, request.services, request.until) == (Order.RECOVER, ("web", "7"), 5)


def test_many_give_orders_at_once(tmp_path: Path) -> None:
    async def client() -> None:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(20) as clients:  # the default one is the agent's
            give_one = partial(send_order, tmp_path, Order.PAUSE)
            await asyncio.gather(*(loop.run_in_executor(clients, give_one, (str(number),)) for number in range(20)))

    names = sorted(services for _, services, _ in serve(tmp_path, client))
    assert names == sorted((str(number),) for number in range(20))


def test_an_agent_that_hangs_is_waited_for_no_longer_than_was_wanted(tmp_path: Path) -> None:
    ended = asyncio.Event()

    async def hang(arguments: Mapping[str, object], by: str) -> Mapping[str, object]:
        await ended.wait()
        return {}

    async def client() -> None:
        with pytest.raises(ConnmonError, match="did not answer within 2 s"):
            await asyncio.to_thread(partial(ask_agent, tmp_path, "hang", patience=2.0))
        ended.set()

    serve(tmp_path, client, handlers={"hang": hang})

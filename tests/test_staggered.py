"""Attempts that begin one after another: who is silent gets company, and nothing that came too late is left open."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_agent.staggered import Start, connect_host, race, run_staggered

SILENT = 1e6  # seconds


class Place:
    """Attempts with a number and what becomes of them; ``begun`` tells when."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, float]] = []
        self.dropped: list[int] = []

    async def attempt(self, number: int, seconds: float, failure: Exception | None = None) -> int:
        self.begun.append((number, asyncio.get_running_loop().time()))
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if number == 9:  # it succeeds in the very moment in which it is given up
                return number
            raise
        if failure is not None:
            raise failure
        return number

    def after(self) -> list[tuple[int, float]]:
        return [(number, round(at - self.begun[0][1], 3)) for number, at in self.begun]


def run(story: Callable[[Place], Awaitable[int]]) -> tuple[int | Exception, Place]:
    async def live() -> tuple[int | Exception, Place]:
        place = Place()
        try:
            return await story(place), place
        except Exception as error:
            return error, place
        finally:
            assert asyncio.all_tasks() == {asyncio.current_task()}

    return run_virtually(live())


REFUSED, RESET = ConnectionRefusedError(1), ConnectionResetError(2)


@pytest.mark.parametrize(
    ("attempts", "eager", "result", "begun"),
    [
        ([(0.1, None), (0.1, None)], True, 0, [(0, 0.0)]),
        ([(SILENT, None), (0.1, None)], True, 1, [(0, 0.0), (1, 0.25)]),
        ([(0.3, None), (SILENT, None)], True, 0, [(0, 0.0), (1, 0.25)]),
        ([(0.1, REFUSED), (0.1, None)], True, 1, [(0, 0.0), (1, 0.1)]),
        ([(0.1, REFUSED), (0.1, RESET)], True, REFUSED, [(0, 0.0), (1, 0.1)]),
        ([(0.1, REFUSED), (0.1, None)], False, REFUSED, [(0, 0.0)]),
        ([(0.3, REFUSED), (0.1, RESET)], True, REFUSED, [(0, 0.0), (1, 0.25)]),
        ([(0.1, KeyError("web")), (0.1, None)], True, KeyError, [(0, 0.0)]),
    ],
    ids=[
        "the first answers",
        "the first is silent",
        "the first is slow",
        "a failure gives the next its turn at once",
        "what failed first is told",
        "a failure is an answer",
        "both fail",
        "what is not expected",
    ],
)
def test_who_begins_when_and_what_comes_of_it(
    attempts: list[tuple[float, Exception | None]], eager: bool, result: object, begun: list[tuple[int, float]]
) -> None:
    def starts(place: Place) -> list[Start[int]]:
        return [partial(place.attempt, number, *one) for number, one in enumerate(attempts)]

    found, place = run(lambda place: run_staggered(starts(place), delay=0.25, eager=eager))
    assert found == result or type(found) is result or found is result
    assert place.after() == begun


def test_what_came_too_late_is_let_go_of() -> None:
    async def story(place: Place) -> int:
        starts: list[Start[int]] = [partial(place.attempt, 9, SILENT), partial(place.attempt, 1, 0.1)]
        return await run_staggered(starts, delay=0.25, drop=place.dropped.append)

    found, place = run(story)
    assert (found, place.dropped) == (1, [9])


def test_who_is_cancelled_while_it_lets_go_still_lets_go() -> None:
    async def story(place: Place) -> int:
        starts: list[Start[int]] = [partial(place.attempt, 9, SILENT)]
        trying = asyncio.create_task(run_staggered(starts, delay=0.25, drop=place.dropped.append))
        await asyncio.sleep(0.1)
        trying.cancel()
        await asyncio.sleep(0)
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
        return int(trying.cancelled())

    found, place = run(story)
    assert (found, place.dropped) == (1, [9])


def test_when_there_is_nothing_to_try_that_is_the_failure() -> None:
    class Nothing:
        def begin(self, running: int, failed: int) -> None:
            return None

        def patience(self, running: int) -> None:
            return None

    async def story(place: Place) -> int:
        return await race(Nothing(), choose=lambda failures: RESET)

    assert run(story)[0] is RESET


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a\0b", "b\u00fccher" + "x" * 80])
def test_what_is_no_name_cannot_be_resolved(host: str) -> None:
    with pytest.raises(socket.gaierror):
        asyncio.run(connect_host(host, 1))

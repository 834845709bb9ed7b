"""Attempts that begin one after another until one succeeds: one rule for probes, the API server and port-forwards.

An attempt that is silent gets company after a while, so that a broken IP version, a lost packet or a dead backend costs
a fraction of a second and not a timeout. (Happy Eyeballs, RFC 8305.)
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
Address = tuple[socket.AddressFamily, tuple[Any, ...]]  # the family and the address as sockets take it
Start = Callable[[], Coroutine[Any, Any, T]]

# RFC 8305, section 5: the next address gets its turn when the one before has been silent for 250 ms.
ATTEMPT_DELAY = 0.25


class Attempts(Protocol[T_co]):
    """What is to be tried, asked whenever an attempt ends or has been silent for its time."""

    def begin(self, running: int, failed: int) -> Start[T_co] | None:
        """The next attempt, while so many run and so many have failed; None: none now."""

    def patience(self, running: int) -> float | None:
        """Seconds until ``begin`` is asked again, unless an attempt ends before; None: not before."""


async def race(
    attempts: Attempts[T],
    *,
    expected: tuple[type[Exception], ...] = (OSError,),
    drop: Callable[[T], Awaitable[object] | None] = lambda result: None,
    choose: Callable[[Sequence[Exception]], Exception] = lambda failures: failures[0],
) -> T:
    """The result of whichever attempt is first to have one.

    Where all that were begun have failed with one of ``expected``, and none is begun any more, the failure that
    ``choose`` picks is raised; any other error at once. ``drop`` lets go of a result that came too late.
    """
    running: set[asyncio.Task[T]] = set()
    failures: list[Exception] = []
    try:
        while True:
            start = attempts.begin(len(running), len(failures))
            if start is not None:
                running.add(asyncio.create_task(start()))
            if not running:
                raise choose(failures)
            patience = attempts.patience(len(running))
            done, _ = await asyncio.wait(running, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            for attempt in done:
                running.discard(attempt)
                try:
                    return attempt.result()
                except expected as failure:
                    failures.append(failure)
    finally:
        await _drop_all(running, drop)


async def run_staggered(
    starts: Iterable[Start[T]],
    *,
    delay: float,
    expected: tuple[type[Exception], ...] = (OSError,),
    drop: Callable[[T], Awaitable[object] | None] = lambda result: None,
    eager: bool = True,
) -> T:
    """The result of whichever of these attempts is first to have one, begun ``delay`` seconds after one another.

    ``eager``: an attempt that fails gives the next its turn at once; otherwise there is no next one when all that were
    begun have failed. Raises what the first one to fail did.
    """
    return await race(_Listed(starts, delay, eager), expected=expected, drop=drop)


class _Listed(Generic[T]):
    """One attempt after another, as they are listed."""

    def __init__(self, starts: Iterable[Start[T]], delay: float, eager: bool) -> None:
        self._waiting = list(starts)
        self._delay = delay
        self._eager = eager

    def begin(self, running: int, failed: int) -> Start[T] | None:
        over = not self._waiting or (not running and failed and not self._eager)
        return None if over else self._waiting.pop(0)

    def patience(self, running: int) -> float | None:
        return self._delay if self._waiting else None


async def _drop_all(attempts: Iterable[asyncio.Task[T]], drop: Callable[[T], Awaitable[object] | None]) -> None:
    attempts, interruption = list(attempts), None
    for attempt in attempts:
        attempt.cancel()
    while not all(attempt.done() for attempt in attempts):
        try:
            await asyncio.wait(attempts)
        except asyncio.CancelledError as error:  # what came too late is to be let go of all the same
            interruption = error
    for attempt in attempts:
        if not attempt.cancelled() and attempt.exception() is None:
            dropped = drop(attempt.result())
            if dropped is not None:
                await dropped
    if interruption is not None:
        raise interruption


def interleave_families(addresses: Iterable[Address]) -> list[Address]:
    """IPv6 and IPv4 by turns, the preferred family first (RFC 8305, section 4): a broken family costs one delay."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    return [address for turn in zip_longest(*families.values()) for address in turn if address is not None]


def parse_literal(host: str | bytes, port: int) -> Address | None:
    """The address that ``host`` spells out, an IPv6 zone included; None when it is a name. Never waits."""
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except socket.gaierror:
        return None
    return found[0][0], found[0][4]


async def connect_host(host: str, port: int) -> socket.socket:
    """A new TCP connection to this name or address, the caller's to close. Raises OSError, for the name gaierror."""
    try:
        literal = parse_literal(host, port)
        if literal is not None:
            return await connect_address(literal)
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except ValueError as error:  # a label of 64 letters, a NUL: no name server could know it
        raise socket.gaierror(socket.EAI_NONAME, str(error)) from error
    return await connect_first(interleave_families((family, place) for family, _, _, _, place in found))


async def connect_first(
    addresses: Sequence[Address],
    *,
    delay: float = ATTEMPT_DELAY,
    prepare: Callable[[socket.socket], object] = lambda made: None,
) -> socket.socket:
    """Connect to whichever address accepts first, ``delay`` seconds after one another.

    Raises the OSError of the one that failed first when all of them do.
    """
    if len(addresses) == 1:
        return await connect_address(addresses[0], prepare=prepare)
    starts = [partial(connect_address, address, prepare=prepare) for address in addresses]
    return await run_staggered(starts, delay=delay, drop=socket.socket.close)


async def connect_address(
    address: Address, *, prepare: Callable[[socket.socket], object] = lambda made: None
) -> socket.socket:
    """A new TCP connection to this address, the caller's to close. Raises OSError.

    ``prepare`` sets options of the socket before it connects.
    """
    family, place = address
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        prepare(made)
        await asyncio.get_running_loop().sock_connect(made, place)
    except BaseException:
        made.close()
        raise
    return made

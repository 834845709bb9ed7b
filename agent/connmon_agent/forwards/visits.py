"""One connection of a client, from its arrival to its end."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from ..kube.backends import Backend
from ..kube.pod_failures import PodBroke
from .clients import reset, set_options
from .connecting import Connected, Connector
from .intakes import Intake
from .relays import ClientLeft, Relay, Upload
from .seeking import Astray
from .spares import Spares
from .tallies import Tally

RETRY_PAUSE = 0.2  # seconds before a connection that a pod refused is tried again


@dataclass(eq=False, slots=True)
class Visit:
    """A client's connection. ``checked``: it is the agent's own, which counts for nothing and makes no spare."""

    local: socket.socket
    checked: bool = False
    intake: Intake = field(init=False)
    upload: Upload = field(default_factory=Upload)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    end: Backend | None = None  # where it was led last; None: nowhere yet
    trouble: Astray | None = None  # why it failed, or a pod that it went to before did; None: nothing has failed

    def __post_init__(self) -> None:
        self.intake = Intake(self.local)


@dataclass(frozen=True, slots=True)
class Host:
    """What visits need of the port they come through. ``noted`` is told what a backend said."""

    connector: Connector
    spares: Spares
    noted: Callable[[str], None]


async def lead(visit: Visit, host: Host, tally: Tally, *, patience: float) -> None:
    """Lead one client to a backend and stay until the end. ``patience`` (seconds) is how long it waits for one.

    The socket is closed at the end: reset where the client did not get everything. Raises Astray: it got no backend, or
    lost it.
    """
    set_options(visit.local)
    try:
        try:
            await _lead(visit, host, tally, asyncio.get_running_loop().time() + patience)
        finally:
            await visit.intake.close()
    except BaseException as error:
        reset(visit.local)
        if isinstance(error, ClientLeft):
            return
        raise
    visit.local.close()


async def _lead(visit: Visit, host: Host, tally: Tally, deadline: float) -> None:
    while True:
        connected = await _connect(visit, host, deadline)
        try:
            return await _relay(visit, connected, host, tally)
        except PodBroke as error:
            host.connector.shun(connected.end, error)
            host.noted(str(error))
            visit.trouble = Astray(str(error))
            if not visit.upload.may_go_elsewhere(error) or asyncio.get_running_loop().time() > deadline:
                raise visit.trouble from error
        visit.connected.clear()
        await asyncio.sleep(RETRY_PAUSE)


async def _connect(visit: Visit, host: Host, deadline: float) -> Connected:
    spare = None if visit.checked else await host.spares.take()
    if spare is not None:
        host.spares.note_use()
        return spare
    connected = await host.connector.connect(deadline, visit.intake.is_waiting)
    if not visit.checked and not connected.stream.cheap:
        host.spares.note_use()
    return connected


async def _relay(visit: Visit, connected: Connected, host: Host, tally: Tally) -> None:
    stream, visit.end = connected.stream, connected.end
    visit.upload.written = False
    visit.connected.set()
    try:
        answered = functools.partial(host.connector.trust, connected.end)
        await Relay(visit.local, visit.intake, stream, visit.upload, tally, answered).run()
    except ClientLeft:
        await _part(visit, connected, host)
        raise
    except BaseException:
        await stream.abort()
        raise
    host.connector.trust(connected.end)
    await _part(visit, connected, host)


async def _part(visit: Visit, connected: Connected, host: Host) -> None:
    """The visit has ended in order: the next client may have its way to the backend."""
    kept = connected.stream.renewable and not visit.checked and host.spares.take_back(connected)
    if not kept:
        await connected.stream.close()

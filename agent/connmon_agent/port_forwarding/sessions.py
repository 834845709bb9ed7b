"""One connection of a client, from its arrival to its end."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from ..kube.backends import Backend
from .clients import reset, set_options
from .connecting import Connected, Connector
from .intakes import Intake
from .pod_failures import PodBroke
from .pool import Pool
from .relays import ClientLeft, Relay, Upload
from .resolver import NoConnection
from .traffic_counters import TrafficCounters

RETRY_PAUSE = 0.2  # seconds before a connection that a pod refused is tried again


@dataclass(eq=False, slots=True)
class Session:
    """A client's connection. ``checked``: it is the agent's own, which counts for nothing and makes no spare."""

    local: socket.socket
    checked: bool = False
    intake: Intake = field(init=False)
    upload: Upload = field(default_factory=Upload)
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    end: Backend | None = None  # where it was led last; None: nowhere yet
    trouble: NoConnection | None = None  # why it failed, or a pod that it went to before did; None: nothing has failed

    def __post_init__(self) -> None:
        self.intake = Intake(self.local)


@dataclass(frozen=True, slots=True)
class Host:
    """What sessions need of the port they come through. ``noted`` is told what a backend said."""

    connector: Connector
    pool: Pool
    noted: Callable[[str], None]


async def lead(session: Session, host: Host, counters: TrafficCounters, *, patience: float) -> None:
    """Lead one client to a backend and stay until the end. ``patience`` (seconds) is how long it waits for one.

    The socket is closed at the end: reset where the client did not get everything. Raises NoConnection: it got no
    backend, or lost it.
    """
    set_options(session.local)
    try:
        try:
            await _lead(session, host, counters, asyncio.get_running_loop().time() + patience)
        finally:
            await session.intake.close()
    except BaseException as error:
        reset(session.local)
        if isinstance(error, ClientLeft):
            return
        raise
    session.local.close()


async def _lead(session: Session, host: Host, counters: TrafficCounters, deadline: float) -> None:
    while True:
        connected = await _connect(session, host, deadline)
        try:
            return await _relay(session, connected, host, counters)
        except PodBroke as error:
            host.connector.shun(connected.end, error)
            host.noted(str(error))
            session.trouble = NoConnection(str(error))
            if not session.upload.may_go_elsewhere(error) or asyncio.get_running_loop().time() > deadline:
                raise session.trouble from error
        session.connected.clear()
        await asyncio.sleep(RETRY_PAUSE)


async def _connect(session: Session, host: Host, deadline: float) -> Connected:
    pooled = None if session.checked else await host.pool.take()
    if pooled is not None:
        host.pool.note_use()
        return pooled
    connected = await host.connector.connect(deadline, session.intake.is_waiting)
    if not session.checked and not connected.stream.cheap:
        host.pool.note_use()
    return connected


async def _relay(session: Session, connected: Connected, host: Host, counters: TrafficCounters) -> None:
    stream, session.end = connected.stream, connected.end
    session.upload.written = False
    session.connected.set()
    try:
        answered = functools.partial(host.connector.trust, connected.end)
        await Relay(session.local, session.intake, stream, session.upload, counters, answered).run()
    except ClientLeft:
        await _part(session, connected, host)
        raise
    except BaseException:
        await stream.abort()
        raise
    host.connector.trust(connected.end)
    await _part(session, connected, host)


async def _part(session: Session, connected: Connected, host: Host) -> None:
    """The session has ended in order: the next client may have its way to the backend."""
    kept = connected.stream.renewable and not session.checked and host.pool.take_back(connected)
    if not kept:
        await connected.stream.close()

"""The control socket: how a command reaches the running agent.

One request a connection, one line of JSON each way::

    {"order": "recover", "services": ["frontend"], "until": 5021.7}
    ->  {"done": true}  |  {"done": false, "reason": "..."}

``until`` is a time since boot after which the order lapses (none: it never does). Whoever gave it is told soon after
that the agent does not answer; an agent that was stopped must not restart services when it goes on an hour later.

The socket lies in the state directory and belongs to the agent's user alone. On systems without Unix sockets there is
none yet; the commands say so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..core.events import Order
from ..errors import ConnmonError, NotRunning
from ..presence import name_owner
from ..supervision import report
from .clocks import boottime

FILE_NAME = "control.sock"
LONGEST_REQUEST = 64 * 1024  # bytes
ANSWER_TIMEOUT = 30.0  # seconds; an order is one commit, but disks can be slow, and busy machines stand still
TAKEN_WITHIN = 2 / 3  # of it; an order lapses well before the one who gave it stops waiting
REQUEST_TIMEOUT = 30.0  # seconds for a client to say what it wants


@dataclass(frozen=True, slots=True)
class Request:
    """An operator's order as it comes over the socket."""

    order: Order
    services: tuple[str, ...]
    until: float = math.inf  # time since boot


class Obey(Protocol):
    """Carries an order out, or returns why it was refused. ``lapsed``: whoever gave it does not wait any more."""

    async def __call__(
        self, order: Order, services: tuple[str, ...], by: str, *, lapsed: Callable[[], bool]
    ) -> str | None: ...


@contextmanager
def short_path(folder: Path) -> Iterator[str]:
    """A path to the socket that fits the 108 bytes of a Unix address, however deep the state directory lies."""
    path = str(folder / FILE_NAME)
    if len(os.fsencode(path)) < 100 or not Path("/proc/self/fd").is_dir():
        yield path
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}/{FILE_NAME}"
    finally:
        os.close(descriptor)


class ControlServer:
    """Serves orders while the agent runs. ``obey`` carries one out, or returns why it was refused."""

    def __init__(self, folder: Path, obey: Obey) -> None:
        self._folder = folder
        self._obey = obey
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket left behind by a killed agent is replaced. Raises ConnmonError."""
        if not hasattr(socket, "AF_UNIX"):
            return
        (self._folder / FILE_NAME).unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with short_path(self._folder) as path:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=LONGEST_REQUEST)
        except OSError as error:
            raise ConnmonError(
                f"the control socket cannot be made in {self._folder}: {error.strerror or error}",
                hint="Choose a state directory on a local file system with --state-dir",
            ) from error
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and take the socket away."""
        if self._server is not None:
            self._server.close()
            (self._folder / FILE_NAME).unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError):  # a client that breaks off, keeps silent or talks without end
            async with asyncio.timeout(REQUEST_TIMEOUT):
                line = await reader.readline()
            answer = await self._answer(line, await _name_peer(writer))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    async def _answer(self, line: bytes, by: str) -> dict[str, object]:
        try:
            request = parse_request(line)
            refusal = await self._obey(request.order, request.services, by, lapsed=lambda: boottime() > request.until)
        except (ValueError, RecursionError, ConnmonError) as error:
            return {"done": False, "reason": str(error)}
        except Exception as error:  # a mistake of ours: whoever gave the order must not take silence for success
            report("carry out an order", error)
            return {"done": False, "reason": f"internal error ({error!r}): please report it with the agent's log"}
        return {"done": True} if refusal is None else {"done": False, "reason": refusal}


def parse_request(line: bytes) -> Request:
    """One request line. Raises ValueError when it is none."""
    data = json.loads(line)
    if not isinstance(data, dict) or not isinstance(data.get("services", []), list):
        raise ValueError("a request is an object with an order and a list of services")
    until = data.get("until", math.inf)
    if not isinstance(until, int | float):
        raise ValueError("until is a number of seconds since boot")
    return Request(Order(str(data.get("order"))), tuple(str(name) for name in data.get("services", [])), until)


async def _name_peer(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("socket")
    if not hasattr(socket, "SO_PEERCRED"):
        return "an operator"
    pid, uid, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return await asyncio.to_thread(name_operator, uid, pid)  # a directory of users may be asked over the network


def name_operator(uid: int, pid: int) -> str:
    """Who gave an order: ``root (pid 4711)``."""
    try:
        import pwd

        return f"{pwd.getpwuid(uid).pw_name} (pid {pid})"
    except (ImportError, KeyError):
        return f"user {uid} (pid {pid})"


def send_order(folder: Path, order: Order, services: tuple[str, ...], *, patience: float = ANSWER_TIMEOUT) -> None:
    """Give the running agent an order; it is durable on return. ``patience`` is in seconds.

    Raises NotRunning when no agent listens, ConnmonError with the agent's reason when it refused.
    """
    request = {"order": order.value, "services": list(services), "until": boottime() + patience * TAKEN_WITHIN}
    line = json.dumps(request).encode() + b"\n"
    try:
        answer = json.loads(_exchange(folder, line, patience))
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NotRunning(
            f"the agent in {folder} does not listen", hint="It starts or ends just now: try again in a moment"
        ) from error
    except PermissionError as error:
        raise ConnmonError(
            f"the agent's control socket in {folder} may not be used by this user",
            hint=f"Run this as the agent's user, {name_owner(folder / FILE_NAME)}",
        ) from error
    except TimeoutError as error:
        raise ConnmonError(
            f"the agent did not answer within {patience:g} s; an order that it has not taken by now has lapsed",
            hint="Is its process stopped, or does its disk hang? `connmon-agent status` shows what it has taken",
        ) from error
    except (OSError, ValueError) as error:
        raise ConnmonError(
            "the agent ended before it answered",
            hint="Give the order again once `connmon-agent status` shows that it was not taken",
        ) from error
    if not answer.get("done"):
        raise ConnmonError(str(answer.get("reason", "the agent refused")))


def _exchange(folder: Path, line: bytes, patience: float) -> bytes:
    if not hasattr(socket, "AF_UNIX"):
        raise FileNotFoundError
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_path(folder) as path:
        connection.settimeout(patience)
        connection.connect(path)
        connection.sendall(line)
        with connection.makefile("rb") as answer:
            return answer.readline(LONGEST_REQUEST)

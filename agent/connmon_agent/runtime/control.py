"""The control socket: how a command reaches the running agent.

One request a connection, one line of JSON each way::

    {"order": "recover", "services": ["frontend"], "until": 5021.7}
    {"order": "reload", "until": 5021.7}
    ->  {"done": true, ...}  |  {"done": false, "reason": "..."}

An order is one of the operator's (``core.events.Order``), which is decided on and recorded, or a request to the process
itself (stop, reload and the like), which a ``Handler`` answers; its own arguments stand beside "order".

``until`` is a time since boot after which the order expires (none: it never does). The sender gives up soon after it;
an agent that was suspended must not restart services when it is resumed an hour later.

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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..core.events import Order
from ..errors import ConnmonError, NotRunning, Refused
from ..presence import find_agent, name_owner
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

    order: str
    services: tuple[str, ...]
    until: float = math.inf  # time since boot
    arguments: Mapping[str, object] = field(default_factory=dict)  # the whole line, for a ``Handler``


class Obey(Protocol):
    """Carries an order out, or returns why it was refused. ``lapsed``: the sender has stopped waiting."""

    async def __call__(
        self, order: Order, services: tuple[str, ...], by: str, *, lapsed: Callable[[], bool]
    ) -> str | None: ...


class Handler(Protocol):
    """Does what a request asks of the process itself, and returns what the answer holds beside "done".

    ``arguments`` is the request as it came, unchecked; ``by`` names the sender. Raises ConnmonError to refuse it.
    """

    async def __call__(self, arguments: Mapping[str, object], by: str) -> Mapping[str, object]: ...


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
    """Serves orders while the agent runs. ``obey`` carries one out; ``handlers`` are for all others, by their names."""

    def __init__(self, folder: Path, obey: Obey, handlers: Mapping[str, Handler] | None = None) -> None:
        self._folder = folder
        self._obey = obey
        self._handlers = {} if handlers is None else handlers  # an empty one may be filled later
        self._server: asyncio.Server | None = None
        self._socket: os.stat_result | None = None

    async def start(self) -> None:
        """Listen; a socket left behind by a killed agent is replaced. Raises ConnmonError."""
        if not hasattr(socket, "AF_UNIX"):
            return
        (self._folder / FILE_NAME).unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            with short_path(self._folder) as path:
                self._server = await asyncio.start_unix_server(self._serve, path, limit=LONGEST_REQUEST)
            self._socket = os.stat(self._folder / FILE_NAME)
        except OSError as error:
            raise ConnmonError(
                f"the control socket cannot be made in {self._folder}: {error.strerror or error}",
                hint="Choose a state directory on a local file system with --state-dir",
            ) from error
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and take the socket away, unless it is another agent's, in a directory that was replaced."""
        if self._server is None or self._socket is None:
            return
        self._server.close()
        path = self._folder / FILE_NAME
        with contextlib.suppress(OSError):
            if os.path.samestat(self._socket, os.stat(path)):
                path.unlink()

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
            if request.order in self._handlers:
                return {**await self._handle(request, by), "done": True}
            refusal = await self._obey(
                Order(request.order), request.services, by, lapsed=lambda: boottime() > request.until
            )
        except (ValueError, RecursionError, ConnmonError) as error:
            return {"done": False, "reason": str(error)}
        except Exception as error:  # a mistake of ours: whoever gave the order must not take silence for success
            report("carry out an order", error)
            return {"done": False, "reason": f"internal error ({error!r}): please report it with the agent's log"}
        return {"done": True} if refusal is None else {"done": False, "reason": refusal}

    async def _handle(self, request: Request, by: str) -> Mapping[str, object]:
        if boottime() > request.until:
            raise ConnmonError("the order expired before the agent accepted it")
        return await self._handlers[request.order](request.arguments, by)


def parse_request(line: bytes) -> Request:
    """One request line. Raises ValueError where it is malformed; whether the order is known is not looked at."""
    data = json.loads(line)
    if not isinstance(data, dict) or not isinstance(data.get("services", []), list):
        raise ValueError("a request is an object with an order and a list of services")
    until = data.get("until", math.inf)
    if not isinstance(until, int | float):
        raise ValueError("until is a number of seconds since boot")
    return Request(str(data.get("order")), tuple(str(name) for name in data.get("services", [])), until, data)


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
    ask_agent(folder, order.value, {"services": list(services)}, patience=patience)


def ask_agent(
    folder: Path, order: str, arguments: Mapping[str, object] | None = None, *, patience: float = ANSWER_TIMEOUT
) -> dict[str, object]:
    """Ask the running agent something, and return its answer. ``patience`` is in seconds.

    Raises NotRunning when no agent listens, Refused with the agent's reason, and ConnmonError for no answer.
    """
    request = {**(arguments or {}), "order": order, "until": boottime() + patience * TAKEN_WITHIN}
    answer = _ask(folder, json.dumps(request).encode() + b"\n", patience)
    if not answer.get("done"):
        raise Refused(str(answer.get("reason", "the agent refused")))
    return answer


def _ask(folder: Path, line: bytes, patience: float) -> dict[str, object]:
    try:
        answer = json.loads(_exchange(folder, line, patience))
        if not isinstance(answer, dict):
            raise ValueError("the answer is no object")
        return answer
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _not_listening(folder) from error
    except PermissionError as error:
        raise ConnmonError(
            f"the agent's control socket in {folder} may not be used by this user",
            hint=f"Run this as the agent's user, {name_owner(folder / FILE_NAME)}",
        ) from error
    except TimeoutError as error:
        raise ConnmonError(
            f"the agent did not answer within {patience:g} s; if it has not accepted the order by now, it expired",
            hint="Check for a suspended process or a hanging disk. `connmon-agent status` shows what it accepted",
        ) from error
    except (OSError, ValueError) as error:
        raise ConnmonError(
            "the agent ended before it answered",
            hint="Check with `connmon-agent status` whether it was accepted; if not, give the order again",
        ) from error


def _not_listening(folder: Path) -> NotRunning:
    """Tell an agent that is starting or stopping from none at all."""
    if find_agent(folder) is None:
        return not_running(folder)
    hint = "The agent is starting or stopping. Retry in a few seconds"
    return NotRunning(f"the agent in {folder} does not listen", hint=hint)


def not_running(folder: Path) -> NotRunning:
    """What a command says that needs an agent on the state directory ``folder``, where there is none."""
    return NotRunning(
        f"no agent is running on the state directory {folder}",
        hint="Start one with `connmon-agent start`, or check --config and --state-dir",
    )


def _exchange(folder: Path, line: bytes, patience: float) -> bytes:
    if not hasattr(socket, "AF_UNIX"):
        raise FileNotFoundError
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, short_path(folder) as path:
        connection.settimeout(patience)
        connection.connect(path)
        connection.sendall(line)
        with connection.makefile("rb") as answer:
            return answer.readline(LONGEST_REQUEST)

"""The control channel: how a command reaches the running agent.

One request a connection, one line of JSON each way::

    {"order": "recover", "services": ["frontend"], "until": 5021.7}
    {"order": "reload", "until": 5021.7}
    ->  {"done": true, ...}  |  {"done": false, "reason": "..."}

An order is one of the operator's (``core.events.Order``), which is decided on and recorded, or a request to the process
itself (stop, reload and the like), which a ``Handler`` answers; its own arguments stand beside "order".

``until`` is a time since boot after which the order expires (none: it never does). The sender gives up soon after it;
an agent that was suspended must not restart services when it is resumed an hour later.

What carries the lines, a Unix socket or Windows' named pipe, is in ``control_transports``: only the agent's own user,
and whoever may do everything on the machine, can use it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..core.events import Order
from ..errors import ConnmonError, NotRunning, Refused
from ..presence import LOCK_FILE, advise_on_user, find_agent
from ..supervision import report
from .clocks import boottime
from .control_transports import NOUN, Conversation, Listener, exchange, listen

ANSWER_TIMEOUT = 30.0  # seconds; an order is one commit, but disks can be slow, and busy machines stand still
TAKEN_WITHIN = 2 / 3  # of it; an order lapses well before the one who gave it stops waiting
REQUEST_TIMEOUT = 30.0  # seconds for a client to say what it wants


@dataclass(frozen=True, slots=True)
class ControlRequest:
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


class ControlServer:
    """Serves orders while the agent runs. ``obey`` carries one out; ``handlers`` are for all others, by their names."""

    def __init__(self, folder: Path, obey: Obey, handlers: Mapping[str, Handler] | None = None) -> None:
        self._folder = folder
        self._obey = obey
        self._handlers = {} if handlers is None else handlers  # an empty one may be filled later
        self._listener: Listener | None = None

    async def start(self) -> None:
        """Listen; what a killed agent left behind is replaced. Raises ConnmonError."""
        try:
            self._listener = await listen(self._folder, self._serve)
        except OSError as error:
            raise ConnmonError(
                f"the {NOUN} cannot be made in {self._folder}: {error.strerror or error}",
                hint="Choose a state directory on a local file system with --state-dir",
            ) from error

    async def stop(self) -> None:
        """Stop listening and take the channel away."""
        if self._listener is not None:
            listener, self._listener = self._listener, None
            await listener.close()

    async def _serve(self, client: Conversation) -> None:
        with contextlib.suppress(OSError, ValueError):  # a client that breaks off, keeps silent or talks without end
            async with asyncio.timeout(REQUEST_TIMEOUT):
                line = await client.read_line()
            answer = await self._answer(line, await client.name_peer())
            await client.write(json.dumps(answer).encode() + b"\n")

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
            return {"done": False, "reason": f"internal error ({error!r}); report it with the agent's log"}
        return {"done": True} if refusal is None else {"done": False, "reason": refusal}

    async def _handle(self, request: ControlRequest, by: str) -> Mapping[str, object]:
        if boottime() > request.until:
            raise ConnmonError("the order expired before the agent accepted it")
        return await self._handlers[request.order](request.arguments, by)


def parse_request(line: bytes) -> ControlRequest:
    """One request line. Raises ValueError where it is malformed; whether the order is known is not looked at."""
    data = json.loads(line)
    if not isinstance(data, dict) or not isinstance(data.get("services", []), list):
        raise ValueError("the request must be an object with an order and a list of services")
    until = data.get("until", math.inf)
    if not isinstance(until, int | float):
        raise ValueError("until must be a number of seconds since boot")
    return ControlRequest(str(data.get("order")), tuple(str(name) for name in data.get("services", [])), until, data)


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
        answer = json.loads(exchange(folder, line, patience))
        if not isinstance(answer, dict):
            raise ValueError("the answer is not an object")
        return answer
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise _not_listening(folder) from error
    except PermissionError as error:
        raise ConnmonError(
            f"the agent's {NOUN} in {folder} is not open to this user",
            hint=advise_on_user(folder / LOCK_FILE),
        ) from error
    except TimeoutError as error:
        raise ConnmonError(
            f"the agent did not answer within {patience:g} s; if it has not accepted the order by now, it expired",
            hint="Check for a suspended process or a hanging disk, then run `connmon-agent status` to see whether it "
            "accepted the order",
        ) from error
    except (OSError, ValueError) as error:
        raise ConnmonError(
            "the agent stopped before it answered",
            hint="Run `connmon-agent status` to see whether the order was accepted; if not, repeat it",
        ) from error


def _not_listening(folder: Path) -> NotRunning:
    """Tell an agent that is starting or stopping from none at all."""
    if find_agent(folder) is None:
        return not_running(folder)
    hint = "The agent is starting or stopping. Retry in a few seconds"
    return NotRunning(f"the agent in {folder} is not accepting orders", hint=hint)


def not_running(folder: Path) -> NotRunning:
    """What a command says that needs an agent on the state directory ``folder``, where there is none."""
    return NotRunning(
        f"no agent is running on the state directory {folder}",
        hint="Start one with `connmon-agent start`, or check --config and --state-dir",
    )

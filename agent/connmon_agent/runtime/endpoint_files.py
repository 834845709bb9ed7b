"""``endpoints.json`` and ``endpoints.env`` in the state directory: where each service is reached now, for scripts.

They are a view of the world, written anew after each decision that changes it. Each is replaced as a whole, so that a
script never reads half of one. An agent that ends in order leaves both empty of services.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..core.ports.urls import host_of, url_of, variable_of
from ..core.world import World
from ..presence import LOCK_FILE
from ..private_files import copy_access, open_private
from ..replacing import replace_file

JSON_FILE = "endpoints.json"
ENV_FILE = "endpoints.env"


class EndpointFiles:
    """Writes both files into ``folder``. ``complain`` is told once that it failed, and again when it fails anew."""

    def __init__(self, folder: Path, *, complain: Callable[[str], None]) -> None:
        self._folder = folder
        self._complain = complain
        self._failed = False

    def publish(self, world: World) -> None:
        """Write where each service of ``world`` is reached. Never raises."""
        entries = dict(list_endpoints(world))
        try:
            _replace(
                {
                    self._folder / JSON_FILE: describe_as_json(entries),
                    self._folder / ENV_FILE: describe_as_env(entries),
                }
            )
        except OSError as error:
            if not self._failed:
                self._complain(f"{JSON_FILE} and {ENV_FILE} cannot be written: {error.strerror or error}")
            self._failed = True
        else:
            self._failed = False


def list_endpoints(world: World) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each service whose local port is listened on, with what scripts need of it."""
    for plan in world.plan.services:
        forward = world.forwards.get(plan.name)
        if plan.forward is not None and forward is not None and forward.port is not None:
            bind, port = plan.forward.bind, forward.port
            yield (
                plan.name,
                {
                    "state": forward.state,
                    "url": url_of(bind, port),
                    "host": host_of(bind),
                    "port": port,
                    "primary": plan.forward.port,
                },
            )


def describe_as_json(entries: dict[str, dict[str, Any]]) -> str:
    """One JSON document. ``pid`` is the agent's: where that process is gone, so are the ports."""
    return json.dumps({"schema": 1, "pid": os.getpid(), "services": entries}, indent=2, ensure_ascii=False) + "\n"


def describe_as_env(entries: dict[str, dict[str, Any]]) -> str:
    """Lines for a shell to source: FRONTEND_CUSTOM_URL, _HOST and _PORT of the service frontend-custom."""
    lines = [
        "# Local URLs of the services, written by connmon-agent. A service without a port is not listed.",
        "# The ports are open only while the process with this id runs.",
        f"CONNMON_AGENT_PID={os.getpid()}",
    ]
    for name, entry in entries.items():
        prefix = variable_of(name)
        lines += [f"{prefix}_{key.upper()}={entry[key]}" for key in ("url", "host", "port")]
    return "\n".join(lines) + "\n"


def _replace(texts: dict[Path, str]) -> None:
    """Write beside each file and rename: readers see the old or the new one, never a part, and all or none are new."""
    besides = {path.with_name(f".{path.name}.new"): path for path in texts}
    for beside, path in besides.items():
        with open(open_private(beside, os.O_WRONLY | os.O_TRUNC), "w", encoding="utf-8", newline="\n") as stream:
            stream.write(texts[path])
        with suppress(FileNotFoundError):  # no agent holds this folder
            copy_access(path.with_name(LOCK_FILE), beside)
    for beside, path in besides.items():
        replace_file(beside, path)

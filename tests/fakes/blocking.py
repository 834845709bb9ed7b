"""What waits for a disk, a name server or a program, noticed where an event loop's thread does it.

Python tells audit hooks of each of these calls, in the thread that makes it: so nothing is timed, and a call that is
fast on this machine is found all the same.
"""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from types import FrameType
from typing import Any

BLOCKING = frozenset(
    {
        "open",
        "os.listdir",
        "os.scandir",
        "os.mkdir",
        "os.rename",
        "os.remove",
        "os.truncate",
        "shutil.rmtree",
        "fcntl.flock",
        "fcntl.lockf",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "sqlite3.connect",
        "subprocess.Popen",
    }
)
# The kernel answers for these at once.
KERNEL = ("/proc/", "/sys/", "/dev/null", "/dev/urandom")

_found: list[str] | None = None  # None: nobody asks
_installed = False


@contextmanager
def watched_loop() -> Iterator[list[str]]:
    """Within, the list gets each blocking call that is made in a thread whose event loop runs, and where."""
    global _found, _installed
    if not _installed:
        sys.addaudithook(_audit)  # for good: there is no way to take a hook away
        _installed = True
    _found = found = []
    try:
        yield found
    finally:
        _found = None


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if _found is None or event not in BLOCKING or asyncio._get_running_loop() is None:
        return
    frame = sys._getframe(1)
    if not _is_harmless(event, args, frame):
        _found.append(f"{event} {args[:1]!r} in {' < '.join(islice(_places(frame), 8))}")


def _is_harmless(event: str, args: tuple[Any, ...], frame: FrameType) -> bool:
    if event == "open" and (str(args[0]).startswith(KERNEL) or not isinstance(args[0], str | bytes)):
        return True  # an int is a descriptor that is open already
    if event == "socket.getaddrinfo":
        # An address asks no name server, nor does parse_literal, by a flag that the hook is not told of.
        return _is_address(args[0]) or (frame.f_back is not None and frame.f_back.f_code.co_name == "parse_literal")
    # Our own code: what is imported, and the lines of it in a traceback.
    return any(place.startswith("<frozen importlib") or "/linecache.py:" in place for place in _places(frame))


def _is_address(host: Any) -> bool:
    with suppress(ValueError):
        ipaddress.ip_address((host.decode() if isinstance(host, bytes) else host or "::").partition("%")[0])
        return True
    return False


def _places(frame: FrameType | None) -> Iterator[str]:
    while frame is not None:
        yield f"{frame.f_code.co_filename}:{frame.f_lineno}"
        frame = frame.f_back

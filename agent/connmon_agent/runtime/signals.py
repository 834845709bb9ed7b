"""What of the operating system ends or reloads the agent: signals on Unix; the console and the session on Windows."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable


def listen_to_signals(end: Callable[[str], None], reload: Callable[[], None]) -> None:
    """Call ``end`` with what asks for the end, and ``reload`` at SIGHUP, both on the loop that runs."""
    if sys.platform == "win32":
        _listen_on_windows(end)
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number.name)
    loop.add_signal_handler(signal.SIGHUP, reload)


def calling(do: Callable[..., object]) -> Callable[..., None]:
    """What calls ``do`` on the loop that runs now, from any thread, and does nothing once that loop is closed."""
    loop = asyncio.get_running_loop()

    def call(*arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # it has ended, and the process is about to
            loop.call_soon_threadsafe(do, *arguments)

    return call


if sys.platform == "win32":

    def _listen_on_windows(end: Callable[[str], None]) -> None:
        from ..windows_api.endings import listen_to_console, listen_to_session  # Windows alone has it

        ask = calling(end)
        # Nobody else can send it: what ends another process by its id on Windows kills it.
        signal.signal(signal.SIGTERM, lambda number, _: ask(signal.Signals(number).name))
        listen_to_console(ask)
        listen_to_session(ask)

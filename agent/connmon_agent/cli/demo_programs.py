"""The programs beside the agent in the demo: the one that serves the live page, and one that has a service's port."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..processes import own_program

ENDS_WITHIN = 5.0  # seconds; then it is killed
IDLE = "1h"  # without a viewer; a demo that was killed leaves no page behind for longer
_HOLD = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(); sys.stdin.read()"


class LivePage:
    """``connmon-agent web`` on this state directory, in a process of its own, on a free port."""

    def __init__(self, folder: Path) -> None:
        arguments = ["--state-dir", str(folder), "web", "--listen", "127.0.0.1:0", "--idle-timeout", IDLE]
        self._program = subprocess.Popen(
            [*own_program(), *arguments],
            env=_without_settings(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def address(self) -> str | None:
        """Its address, once it is served; None: it ended, and has said why on standard error."""
        assert self._program.stdout is not None
        return self._program.stdout.readline().strip() or None

    def close(self) -> None:
        """End it."""
        _end(self._program)


@contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Within the block, what ends a program ends it in order: otherwise these programs would outlive it."""
    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP, and `nohup` ignores it
    numbers = [getattr(signal, name) for name in names if hasattr(signal, name)]
    taken = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
    for number in taken:
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


@contextmanager
def live_page(folder: Path) -> Iterator[LivePage]:
    """The page of this state directory, until the end of the block."""
    page = LivePage(folder)
    try:
        yield page
    finally:
        page.close()


@contextmanager
def port_in_use(port: int) -> Iterator[bool]:
    """A program that listens on ``port`` of 127.0.0.1 until the end of the block; whether it could, as others may."""
    program = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert program.stdout is not None
        yield program.stdout.readline() != b""
    finally:
        _end(program)


def _end(program: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # it has ended
        program.terminate()
    try:
        program.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()
    for stream in (program.stdin, program.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The demo has its own: those of a real agent on this machine say nothing of it."""
    return {name: value for name, value in environment.items() if not name.upper().startswith("CONNMON_")}

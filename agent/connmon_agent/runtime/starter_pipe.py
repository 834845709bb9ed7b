"""The pipe between `start --mode background` and the agent that it starts: progress, then ready or a reason.

The pipe is the agent's stdout and stderr until it is ready. A line that begins with ``MARK`` is an announcement, one
JSON object; every other line is for people, and is the reason where the agent ends before it is ready.
"""

from __future__ import annotations

import json
import locale
import os
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from .announcing import NoAnnouncer
from .logs import LAUNCHER_LOG, MAIN_LOG

MARK = b"\x1e"  # ASCII's record separator, as in RFC 7464: no message for people begins with it
PATIENCE = 60.0  # seconds without ready or a call of `extend` after which a start counts as hung
LONGEST_LINE = 8 * 1024  # bytes
MOST_WORDS = 64 * 1024  # bytes that are kept of what the agent writes before it is ready
LAST_WORDS = 0.5  # seconds for what an agent that has ended had written before
GLANCE = 0.1  # seconds between two looks whether the process lives


class StarterPipe(NoAnnouncer):
    """``ports.Announcer`` of an agent that runs in the background: it has the pipe until it is ready.

    ``logs`` is the folder of the log files (None: there are none). The starter names the main one to the person who
    waits; what the interpreter itself writes when it crashes goes to the launcher's.
    """

    def __init__(self, logs: Path | None) -> None:
        self._log = None if logs is None else logs / MAIN_LOG
        self._crashes = None if logs is None else logs / LAUNCHER_LOG
        # From here on nothing that writes to stdout can be taken for an announcement, and no child has the pipe.
        self._descriptor: int | None = os.dup(1)
        _point_to(1, os.devnull)
        if logs is not None:
            self._write({"logs": str(logs)})

    def extend(self, seconds: float) -> None:
        self._write({"extend": seconds})

    def ready(self, status: str) -> None:
        self._write({"ready": status, "pid": os.getpid(), "log": None if self._log is None else str(self._log)})
        self._let_go()

    def _write(self, announcement: dict[str, object]) -> None:
        if self._descriptor is not None:
            with suppress(OSError):  # the starter may be gone
                os.write(self._descriptor, MARK + json.dumps(announcement).encode() + b"\n")

    def _let_go(self) -> None:
        """Nothing of the starter's is open any more."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        _point_to(2, os.devnull if self._crashes is None else str(self._crashes))


def _point_to(descriptor: int, path: str) -> None:
    """Make ``descriptor`` one of ``path``, else of the null device."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    try:
        other = os.open(path, flags, 0o644)
    except OSError:
        other = os.open(os.devnull, os.O_WRONLY)
    os.dup2(other, descriptor)
    os.close(other)


@dataclass(frozen=True, slots=True)
class Started:
    """The agent is ready. ``status`` is its state in one line, ``log`` its log file (None: it has none)."""

    pid: int
    status: str
    log: str | None


@dataclass(frozen=True, slots=True)
class Failed:
    """The agent is not ready. ``code`` is its exit code, negative for a signal (None: it hung, and was killed),
    ``words`` what it said, and ``logs`` the folder of its log files (None: it has none, or had not begun).
    """

    code: int | None
    words: str
    logs: str | None = None


def wait_for_start(process: subprocess.Popen[bytes], *, patience: float = PATIENCE) -> Started | Failed:
    """Wait until the agent ``process`` is ready, or has ended, or has been silent for ``patience`` seconds.

    One that was silent for too long is killed: nothing may begin after it was said that nothing began.
    """
    lines: SimpleQueue[bytes] = SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), name="starter", daemon=True)
    reader.start()
    try:
        return _follow(process, lines, reader, patience)
    finally:
        reader.join(LAST_WORDS)  # it has closed the pipe then, unless something else holds the other end


def _follow(
    process: subprocess.Popen[bytes], lines: SimpleQueue[bytes], reader: threading.Thread, patience: float
) -> Started | Failed:
    words, until, logs = bytearray(), time.monotonic() + patience, None
    while True:
        try:
            line = lines.get(timeout=GLANCE)
        except Empty:
            if process.poll() is not None:
                reader.join(LAST_WORDS)  # not for ever: a child that it left behind may hold the pipe
                if lines.empty():
                    return Failed(process.returncode, _decode(words), logs)
            elif time.monotonic() >= until:
                process.kill()
                process.wait()
                return Failed(None, _decode(words), logs)
            continue
        if line.startswith(MARK):
            announcement = json.loads(line[1:])
            if "ready" in announcement:
                return Started(announcement["pid"], announcement["ready"], announcement["log"])
            logs = announcement.get("logs", logs)
            until = max(until, time.monotonic() + announcement.get("extend", 0.0))
        elif len(words) < MOST_WORDS:
            words += line


def _read(process: subprocess.Popen[bytes], lines: SimpleQueue[bytes]) -> None:
    assert process.stdout is not None
    with process.stdout, suppress(OSError, ValueError):
        while line := process.stdout.readline(LONGEST_LINE):
            lines.put(line)


def _decode(words: bytearray) -> str:
    """What an agent wrote whose Python may write in the machine's own encoding, as on Windows."""
    try:
        return words.decode().strip()
    except UnicodeDecodeError:
        return words.decode(locale.getencoding(), errors="replace").strip()

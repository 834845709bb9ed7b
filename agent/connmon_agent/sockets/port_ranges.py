"""Ports that the system sets aside: those of outgoing connections, and the ranges that Windows lets nobody listen on.

Hyper-V and WinNAT (WSL, Docker, Windows' sandbox) reserve ranges, other ones after each boot, and no process owns them:
``netsh`` is asked, as an administrator would. It speaks the system's language, so only the numbers are read.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

LINUX_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
WINDOWS_DEFAULT = (49152, 65535)  # since Vista, where nobody set another one
SHOW_EXCLUDED = "netsh interface ipv4 show excludedportrange protocol=tcp"
SHOW_DYNAMIC = "netsh interface ipv4 show dynamicport protocol=tcp"
PATIENCE = 5.0  # seconds for netsh, which takes a tenth of one
KEPT = 300.0  # seconds for which the ranges are not read again
_HIGHEST = 65535
_ROW = re.compile(r"^\s*(\d{1,5})\s+(\d{1,5})\s*(\*?)\s*$", re.MULTILINE)
_LAST_NUMBER = re.compile(r"(\d{1,5})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ReservedRange:
    """Ports from ``first`` to ``last``. ``administered``: somebody has reserved them by netsh, for good."""

    first: int
    last: int
    administered: bool = False

    def __str__(self) -> str:
        """What follows a port's number in a sentence."""
        ports = f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"
        if self.administered:
            return f"is reserved by an administrator ({ports} in {SHOW_EXCLUDED})"
        return f"is reserved by Windows for Hyper-V, WSL or Docker ({ports} in {SHOW_EXCLUDED})"


class ReservedRanges:
    """The ranges of this machine, read when they are first asked for and again after ``KEPT`` seconds."""

    def __init__(self, ask: Callable[[str], str] | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask or ask_netsh
        self._now = now
        self._ranges: tuple[ReservedRange, ...] = ()
        self._until: float | None = None

    def find(self, port: int) -> ReservedRange | None:
        """The range with this port; None: it is in none, or nobody tells. Blocks for a tenth of a second at times."""
        now = self._now()
        if self._until is None or now >= self._until:
            self._ranges, self._until = parse_excluded(self._ask(SHOW_EXCLUDED)), now + KEPT
        return next((each for each in self._ranges if each.first <= port <= each.last), None)


def parse_excluded(text: str) -> tuple[ReservedRange, ...]:
    """The ranges in a table of ``netsh``, in whatever language its words are: rows of two ports, and a star or none."""
    rows = ((int(first), int(last), star == "*") for first, last, star in _ROW.findall(text))
    return tuple(ReservedRange(*row) for row in rows if 0 < row[0] <= row[1] <= _HIGHEST)


def parse_dynamic(text: str) -> tuple[int, int] | None:
    """The first and the last port of what ``netsh`` tells: two lines, which end with the first one and how many."""
    numbers = [int(number) for number in _LAST_NUMBER.findall(text)]
    if len(numbers) != 2 or not 0 < numbers[0] <= sum(numbers) - 1 <= _HIGHEST:
        return None
    return numbers[0], sum(numbers) - 1


def read_ephemeral_range(
    platform: str = sys.platform, *, table: Path = LINUX_RANGE, ask: Callable[[str], str] | None = None
) -> tuple[int, int] | None:
    """The first and the last port that the system gives to outgoing connections; None: it does not tell."""
    if platform == "win32":
        return parse_dynamic((ask or ask_netsh)(SHOW_DYNAMIC)) or WINDOWS_DEFAULT
    try:
        low, high = map(int, table.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return None
    return low, high


def ask_netsh(command: str) -> str:
    """What Windows' own ``netsh`` answers, without the letters that are not ASCII. Empty where it fails."""
    if sys.platform != "win32":
        return ""
    program = os.path.join(os.environ.get("SYSTEMROOT", r"C:\Windows"), "System32", "netsh.exe")
    try:
        answer = subprocess.run(
            [program, *command.split()[1:]],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=PATIENCE,
            creationflags=subprocess.CREATE_NO_WINDOW,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return answer.stdout.decode("ascii", errors="ignore")


RESERVED = ReservedRanges()

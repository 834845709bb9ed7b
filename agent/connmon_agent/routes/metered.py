"""Whether the connection is metered: what NetworkManager says, asked by ``busctl``, which comes with systemd.

A D-Bus library would cost some megabytes for one number every five minutes. Systems without NetworkManager, Windows and
macOS among them, give no answer.
"""

from __future__ import annotations

import asyncio
import subprocess
import threading
from collections.abc import Sequence

SOURCE = "NetworkManager"
TIMEOUT = 1.0  # seconds
LONGEST_ANSWER = 64  # bytes; the answer is "u 4"
# Without --auto-start=no the question would start a NetworkManager that the administrator has stopped.
_NAME, _PATH = "org.freedesktop.NetworkManager", "/org/freedesktop/NetworkManager"
QUESTION = (
    "busctl",
    "--system",
    "--auto-start=no",
    f"--timeout={TIMEOUT:g}",
    "get-property",
    _NAME,
    _PATH,
    _NAME,
    "Metered",
)
# NMMetered: yes, no, and guesses by the kind of the device and by DHCP; 0 is unknown. libnm's documentation: "Most
# applications probably should treat the runtime state GUESS_YES like YES, and all other states as not metered".
_ANSWERS = {1: True, 2: False, 3: True, 4: False}


async def ask_network_manager(question: Sequence[str] = QUESTION, *, timeout: float = TIMEOUT) -> bool | None:
    """Whether the connection of the default route is metered; None: nobody says so. Never raises for the system's sake.

    The program that is asked with is ended after ``timeout`` seconds, whatever it does. A thread waits for it.
    """
    return parse_answer(await asyncio.to_thread(_ask, question, timeout))


def _ask(question: Sequence[str], timeout: float) -> bytes:
    """The beginning of what the program prints; nothing where it fails, or cannot be run."""
    try:
        process = subprocess.Popen(
            question, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:  # it is not installed, no descriptor or process is left, or a sandbox forbids it
        return b""
    ending = threading.Timer(timeout, process.kill)
    ending.start()
    try:
        with process:  # closes the pipe, so that one that prints on and on is ended by that, and waits
            answer = process.stdout.read(LONGEST_ANSWER) if process.stdout else b""
    finally:
        ending.cancel()
    return answer if process.returncode == 0 else b""


def parse_answer(answer: bytes) -> bool | None:
    """``u 1`` is True, ``u 4`` False; None for what is unknown, or no answer at all."""
    kind, _, number = answer.decode("ascii", errors="replace").strip().partition(" ")
    return _ANSWERS.get(int(number)) if kind == "u" and number.isdecimal() else None

"""Our own commands, run by the page: what takes much memory or time is done in a process of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ..errors import ConnmonError, StoreError
from ..processes import own_program

PATIENCE = 60.0  # seconds: a small machine that does much besides needs half of them


def run_command(folder: Path, *words: str) -> bytes:
    """What `connmon-agent WORDS` writes about the state directory ``folder``.

    Raises ConnmonError with what it fails with, StoreError where it does not answer.
    """
    command = [*own_program(), "--state-dir", str(folder), *words]
    try:
        ran = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"`connmon-agent {words[0]}` did not answer: {error}", hint="Try again") from error
    except ValueError as error:  # a NUL, or a letter that this system's encoding lacks
        raise ConnmonError(f"`connmon-agent {words[0]}` cannot be asked about {words[-1][:100]!r}: {error}") from error
    if ran.returncode != 0:
        message, _, hint = ran.stderr.decode("utf-8", "replace").strip().partition("\n")
        raise ConnmonError(message.removeprefix("Error: "), hint=hint.strip().removesuffix(".") or None)
    return ran.stdout

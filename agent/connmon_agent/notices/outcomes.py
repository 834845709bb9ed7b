"""How an attempt to send a notice fails: for good, or for now."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

from ..core.notices import SendResult
from ..files import read_file
from ..kube.handed_files import find_handed

MOST_OF_A_FILE = 64 * 1024  # bytes of a file with one secret


class NotSentError(Exception):
    """``result`` is REFUSED or FAILED; ``detail`` says why in words, with what to do where there is something to do.

    ``retry_after``: seconds that the receiver asked to wait (None: it did not).
    """

    def __init__(self, result: SendResult, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.result = result
        self.detail = detail
        self.retry_after = retry_after


def refuse(detail: str) -> NoReturn:
    """The same notice would be refused again. Raises NotSentError."""
    raise NotSentError(SendResult.REFUSED, detail)


def fail(detail: str, *, retry_after: float | None = None) -> NoReturn:
    """It may get through later. Raises NotSentError."""
    raise NotSentError(SendResult.FAILED, detail, retry_after)


def read_secret(path: Path, key: str) -> str:
    """The first line of the file that the configuration names at ``key``, or of systemd's copy. Raises NotSentError.

    An administrator who mends the file is to get what was queued meanwhile, so that the failure is one for now.
    """
    remedy = "Create it with one line, readable by the agent's user"
    try:
        text = read_file(find_handed(path, os.environ), MOST_OF_A_FILE).decode("utf-8-sig")
    except UnicodeDecodeError:
        fail(f"{key}: {path} is not UTF-8 text. {remedy}")
    except (OSError, ValueError) as error:
        fail(f"{key}: {path} cannot be read: {getattr(error, 'strerror', None) or error}. {remedy}")
    line = text.strip().partition("\n")[0].strip()
    if not line:
        fail(f"{key}: {path} is empty. {remedy}")
    if not line.isprintable():
        fail(f"{key}: {path} contains a character that cannot be printed. {remedy}")
    return line

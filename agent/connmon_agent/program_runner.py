"""Running another program, so that it ends in time with all that it has started."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import IO

MOST_OUTPUT = 1_000_000  # bytes of output that are read; what a program answers takes some thousands
REAPING = 1.0  # seconds for a killed program to be gone: only a disk that hangs holds it longer


# On Windows it opens no console window of its own, and Ctrl+C in the agent's is not its.
if sys.platform == "win32":
    _NO_WINDOW = subprocess.CREATE_NO_WINDOW
else:
    _NO_WINDOW = 0


class ProgramRunner:
    """Runs one program at a time, as the leader of a process group of its own.

    A program is often a script whose real work is done by a child of it. To kill the script alone leaves that child
    behind, and with it the pipe, for whose end the reader waits.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None
        self._ended = False

    def run(
        self, command: Sequence[str] | str, *, environment: Mapping[str, str], timeout: float, given: bytes = b""
    ) -> subprocess.CompletedProcess[str]:
        """Run the command (on Windows a line) to its end, at most ``timeout`` seconds: then it is killed with all that
        it has started. ``given`` is what it reads on its standard input.

        A program that ends in order may leave another one behind, as an agent that keeps a login; that one may hold the
        output open, so that it goes into files, whose first MOST_OUTPUT bytes are read. Raises OSError where it cannot
        be run, subprocess.TimeoutExpired.
        """
        if self._ended:
            raise ProcessLookupError(0, "the agent is stopping")
        with _hold(given) as source, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                command,
                env=environment,
                stdin=source,
                stdout=output,
                stderr=errors,
                start_new_session=True,
                creationflags=_NO_WINDOW,
            )
            self._await(process, timeout)
            return subprocess.CompletedProcess(command, process.returncode, _read(output), _read(errors))

    def _await(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        with self._guard:  # not around the start of the program, which its disk may hold up
            self._running = process
            if self._ended:
                _kill_group(process)
        try:
            process.wait(timeout)
        except BaseException:
            _end(process)
            raise
        finally:
            with self._guard:
                self._running = None

    def end(self) -> None:
        """End what runs, and run nothing any more. Never waits."""
        with self._guard:
            self._ended = True
            if self._running is not None:
                _kill_group(self._running)


@contextlib.contextmanager
def _hold(given: bytes) -> Iterator[IO[bytes] | int]:
    """What it is to read, without anybody who has to write while it reads."""
    if not given:
        yield subprocess.DEVNULL
        return
    with tempfile.TemporaryFile() as file:
        file.write(given)
        file.seek(0)
        yield file


def _end(process: subprocess.Popen[bytes]) -> None:
    _kill_group(process)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(REAPING)


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Of a leader that was not waited for: until then its number is nobody else's."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if sys.platform != "win32":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            _kill_family(process)


def _kill_family(process: subprocess.Popen[bytes]) -> None:
    """Windows has no process groups to end: what was started by whom is looked up while the leader lives."""
    import psutil  # costs memory, and only an end on Windows needs it

    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error, OSError):
        family = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    for one in family:
        with contextlib.suppress(psutil.Error, OSError):
            one.kill()


def _read(file: IO[bytes]) -> str:
    """What was written; what is no UTF-8 may stand in words that nobody needs. Windows' programs write their words in
    the code page of consoles.
    """
    file.seek(0)
    written = file.read(MOST_OUTPUT)
    if sys.platform == "win32":
        with contextlib.suppress(UnicodeDecodeError):
            return written.decode("utf-8")
        return written.decode("oem", "replace")
    return written.decode("utf-8", "replace")

"""The child that sends one notice: ``python -m connmon_agent.notices``, a job on stdin, an answer on stdout."""

from __future__ import annotations

import os
import sys
import threading
from typing import BinaryIO

from ..core.notices import SendAnswer, SendResult
from .jobs import OWN_LIMIT, decode_job, encode_answer
from .sending import deliver

MOST_READ = 1_000_000  # bytes of a job


def main() -> None:
    """Answer once, within ``OWN_LIMIT`` seconds, whatever a receiver does."""
    answering = _Answering(_take_stdout())
    alarm = threading.Timer(OWN_LIMIT, answering.give_up)
    alarm.daemon = True
    alarm.start()
    try:
        job = decode_job(sys.stdin.buffer.read(MOST_READ))
    except ValueError as error:
        answering.end(SendAnswer(SendResult.FAILED, f"internal error: no job: {error}"))
    else:
        answering.end(deliver(job, environment=os.environ))


def _take_stdout() -> BinaryIO:
    """The standard output for the answer alone: what a library prints goes to the standard error."""
    kept = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return os.fdopen(kept, "wb")


class _Answering:
    """Writes one answer and ends the process, even where a thread of a library still waits for somebody."""

    def __init__(self, to: BinaryIO) -> None:
        self._to = to
        self._guard = threading.Lock()

    def end(self, answer: SendAnswer) -> None:
        self._guard.acquire()  # for good: there is one answer
        try:
            self._to.write(encode_answer(answer))
            self._to.flush()
        finally:  # where the agent is gone, there is no one to answer
            os._exit(0)

    def give_up(self) -> None:
        self.end(SendAnswer(SendResult.FAILED, f"not sent within {OWN_LIMIT:g} s: the receiver is too slow"))


if __name__ == "__main__":
    main()

"""Errors of Windows' overlapped operations, which have numbers of their own and EINVAL for an errno."""

from __future__ import annotations

import errno

import pytest

from connmon_agent.core.observations import Failure
from connmon_agent.probes.failures import classify_error, explain_error


class WindowsError(OSError):
    """As Python makes it there of a number that it does not know."""

    def __init__(self, number: int) -> None:
        super().__init__(errno.EINVAL, "The text of the system")
        self.winerror = number


@pytest.mark.parametrize(
    ("number", "failure", "words"),
    [
        (64, Failure.REFUSED, "connection reset"),
        (121, Failure.SILENT, "no answer: connection timed out"),
        (1225, Failure.REFUSED, "connection refused"),
        (1231, Failure.UNREACHABLE, "network is unreachable"),
        (1232, Failure.UNREACHABLE, "no route to the host"),
        (1234, Failure.REFUSED, "connection refused"),
        (1236, Failure.REFUSED, "connection reset"),
        (5, Failure.BROKEN, "the text of the system"),
    ],
)
def test_they_mean_what_sockets_mean(number: int, failure: Failure, words: str) -> None:
    assert (classify_error(WindowsError(number)), explain_error(WindowsError(number))) == (failure, words)

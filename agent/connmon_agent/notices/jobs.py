"""What the agent and the child that sends one notice say to each other: a job on stdin, an answer on stdout, as JSON.

The child is killed after ``LIMIT`` seconds. It gives up by itself before that, and says what it was waiting for.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from ..core.notices import SendAnswer
from ..settings import ChannelSettings

LIMIT = 60.0  # seconds after which the child is killed
OWN_LIMIT = 55.0  # seconds after which it gives up
LONGEST_ANSWER = 16_384  # bytes of what the child writes
LONGEST_RETRY_AFTER = 3600.0  # seconds; a server's longer wish is cut to this
MODULE = "connmon_agent.notices"


class Notice(msgspec.Struct, frozen=True):
    """Which notice: ``kind`` is digest, offline, gave-up, relapses or test, ``outage`` the number of the outage.

    ``number`` counts the notices of the state file, ``part`` those of one kind about one outage. ``from_seq`` and
    ``until_seq`` are the first and the last event that it is about (None: those of the outage).
    """

    kind: str
    channel: str
    outage: int | None = None
    number: int = 0
    part: int = 1
    from_seq: int | None = None
    until_seq: int | None = None


class Job(msgspec.Struct, frozen=True):
    """One notice to send through one channel. ``site`` None: this host's name."""

    state_file: str
    notice: Notice
    channel: ChannelSettings
    site: str | None = None


def command() -> list[str]:
    """The command of the child. -P: no module of the working directory is taken for one of ours."""
    return [sys.executable, *(["-X", "utf8"] if sys.platform == "win32" else []), "-P", "-m", MODULE]


def encode_job(job: Job) -> bytes:
    """``job`` as one line of JSON."""
    return msgspec.json.encode(job, enc_hook=str) + b"\n"


def decode_job(data: bytes) -> Job:
    """What ``encode_job`` made. Raises ValueError."""
    return msgspec.json.decode(data, type=Job, dec_hook=_decode_path)


def encode_answer(answer: SendAnswer) -> bytes:
    """``answer`` as one line of JSON."""
    return msgspec.json.encode(answer) + b"\n"


def decode_answer(data: bytes) -> SendAnswer:
    """What a child said, which may be anything that a broken one writes. Raises ValueError."""
    if len(data) > LONGEST_ANSWER:
        raise ValueError("it wrote more than an answer")
    return msgspec.json.decode(data, type=SendAnswer)


def _decode_path(wanted: type, value: object) -> object:
    if wanted is Path and isinstance(value, str):
        return Path(value)
    raise ValueError(f"no {wanted.__name__}")

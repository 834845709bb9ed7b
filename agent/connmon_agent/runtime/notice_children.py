"""Sends each notice in a child process, which ends with it: what composing and sending take in memory is not kept.

The child ``python -m connmon_agent.notices`` reads one job as JSON on stdin and prints one answer as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from ..core.notices import Notice, SendAnswer, SendResult
from ..program_runner import ProgramRunner
from ..settings import ChannelSettings, NotifySettings
from ..texts import make_safe

LIMIT = 60.0  # seconds of one attempt, after which the child is killed with all that it has started
_UTF8 = ("-X", "utf8") if sys.platform == "win32" else ()
CHILD = (sys.executable, *_UTF8, "-P", "-m", f"{__package__.partition('.')[0]}.notices")

_ANSWERS = msgspec.json.Decoder(SendAnswer)


class ChildMessenger:
    """The port Messenger. ``store`` is the name of the state file, ``site`` what this host is called in messages."""

    def __init__(
        self,
        settings: NotifySettings,
        *,
        state_file: Path,
        store: str,
        site: str,
        command: Sequence[str] = CHILD,
        limit: float = LIMIT,
    ) -> None:
        self._state_file, self._store, self._site = state_file, store, site
        self._command, self._limit = command, limit
        self._settings = settings

    @property
    def channels(self) -> Mapping[str, bool]:
        return works_offline(self._settings)

    def follow(self, settings: NotifySettings) -> None:
        """Send as ``settings`` say from the next attempt on."""
        self._settings = settings

    async def send(self, notice: Notice) -> SendAnswer:
        channel = self._settings.channels.get(notice.channel)
        if channel is None:
            return SendAnswer(SendResult.FAILED, "the channel is not configured")
        runner, job = ProgramRunner(), self._write_job(notice, channel)
        try:
            return await asyncio.to_thread(self._run, runner, job)
        finally:
            runner.end()

    def _write_job(self, notice: Notice, channel: ChannelSettings) -> bytes:
        """Its names are those of docs/notices.md."""
        job = {
            "state_file": str(self._state_file),
            "store": self._store,
            "site": self._settings.site or self._site,
            "channel_name": notice.channel,
            "channel": msgspec.to_builtins(channel, enc_hook=str),  # paths
            "notice": {
                "number": notice.number,
                "outage": notice.outage,
                "kind": str(notice.kind),
                "part": notice.part,
                "channel": notice.channel,
                "from_seq": notice.from_seq,
                "until_seq": notice.until_seq,
                "attempt": notice.attempts,
                "queued_at": notice.queued.wall,
            },
        }
        return json.dumps(job).encode()

    def _run(self, runner: ProgramRunner, job: bytes) -> SendAnswer:
        try:
            done = runner.run(self._command, environment=os.environ, timeout=self._limit, given=job)
        except subprocess.TimeoutExpired:
            return SendAnswer(SendResult.FAILED, f"no result within {self._limit:g} s; the sending process was killed")
        except OSError as error:
            return SendAnswer(SendResult.FAILED, f"cannot start the sending process: {error.strerror or error}")
        return parse_answer(done.stdout, done.stderr, done.returncode)


def works_offline(settings: NotifySettings) -> dict[str, bool]:
    """The channels by their names, each with whether it works without the internet."""
    return {name: channel.works_offline for name, channel in settings.channels.items()}


def parse_answer(output: str, errors: str, code: int) -> SendAnswer:
    """What the child said. Where it did not say how it ended, it may have sent the message or not."""
    line = (output.strip().splitlines() or [""])[-1]
    try:
        answer = _ANSWERS.decode(line)
    except ValueError:  # msgspec's errors are such
        last = (errors.strip().splitlines() or ["no output"])[-1]
        return SendAnswer(SendResult.FAILED, make_safe(f"the sending process ended with code {code}: {last}"))
    return msgspec.structs.replace(answer, detail=make_safe(answer.detail))

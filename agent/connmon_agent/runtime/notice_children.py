"""Sends each notice in a child process, which ends with it: what composing and sending take in memory is not kept."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec.structs import replace

from ..core.notices import Notice, SendAnswer, SendResult
from ..notices import jobs
from ..program_runner import ProgramRunner
from ..settings import NotifySettings
from ..texts import make_safe


class ChildMessenger:
    """The port Messenger. ``command`` gives the child's command, ``limit`` the seconds of one attempt."""

    def __init__(
        self,
        settings: NotifySettings,
        *,
        state_file: Path,
        command: Callable[[], Sequence[str]] = jobs.command,
        limit: float = jobs.LIMIT,
    ) -> None:
        self._settings, self._state_file = settings, state_file
        self._command, self._limit = command, limit

    @property
    def channels(self) -> Mapping[str, bool]:
        return {name: channel.works_offline for name, channel in self._settings.channels.items()}

    def follow(self, settings: NotifySettings) -> None:
        """Send as ``settings`` say from the next attempt on."""
        self._settings = settings

    async def send(self, notice: Notice) -> SendAnswer:
        channel = self._settings.channels.get(notice.channel)
        if channel is None:
            return SendAnswer(SendResult.FAILED, "the channel is not configured")
        job = jobs.Job(str(self._state_file), _name(notice), channel, self._settings.site)
        runner = ProgramRunner()
        try:
            answer = await asyncio.to_thread(
                run_child, job, environment=os.environ, runner=runner, command=self._command(), limit=self._limit
            )
        finally:
            runner.end()
        return replace(answer, detail=make_safe(answer.detail))


def run_child(
    job: jobs.Job,
    *,
    environment: Mapping[str, str],
    runner: ProgramRunner | None = None,
    command: Sequence[str] | None = None,
    limit: float = jobs.LIMIT,
) -> SendAnswer:
    """Let a child send one notice, for at most ``limit`` seconds: then it is killed with all that it has started.

    A child that does not say how it ended may have sent the notice or not. ``runner`` can end it from elsewhere (None:
    nothing can); ``command`` None: this installation's own.
    """
    try:
        given = jobs.encode_job(job)
    except ValueError:  # JSON is UTF-8, and a folder of Linux may have any bytes in its name
        return _fail(f"the state file {job.state_file} has a name that is not UTF-8. Use another state directory")
    try:
        done = (runner or ProgramRunner()).run(
            command or jobs.command(), environment=environment, timeout=limit, given=given
        )
        return jobs.decode_answer(done.stdout.encode())
    except subprocess.TimeoutExpired:
        return _fail(f"no result within {limit:g} s; the sending process was killed")
    except OSError as error:
        return _fail(f"cannot start the sending process: {error.strerror or error}")
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return _fail(f"the sending process ended with code {done.returncode}: {last}")


def _fail(detail: str) -> SendAnswer:
    return SendAnswer(SendResult.FAILED, make_safe(detail))


def _name(notice: Notice) -> jobs.Notice:
    return jobs.Notice(
        str(notice.kind),
        notice.channel,
        outage=notice.outage,
        number=notice.number,
        part=notice.part,
        from_seq=notice.from_seq,
        until_seq=notice.until_seq,
    )

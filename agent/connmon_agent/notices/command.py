"""A notice given to a program of this machine: in variables, and the text on its standard input. No shell is used."""

from __future__ import annotations

import subprocess

from ..core.notice_fields import FIELDS
from ..program_runner import ProgramRunner
from ..settings import CommandChannel
from .fields import as_text
from .messages import Message
from .outcomes import fail, refuse

PREFIX = "CONNMON_"
# What a service manager gave to the agent, and is not for a program that it starts.
NOT_INHERITED = (
    "NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "JOURNAL_STREAM"
)  # fmt: skip
# Of sysexits(3): usage, data, no such user, no such host, no permission, configuration.
REFUSALS = (64, 65, 67, 68, 77, 78)
_SHOWN = 200  # characters of what it wrote on its standard error


def send(channel: CommandChannel, message: Message) -> str:
    """Run it to its end; exit code 0 is a success. Raises NotSentError."""
    program = str(channel.program)
    try:
        done = ProgramRunner().run(
            [program, *channel.arguments],
            environment=make_environment(message),
            timeout=channel.timeout,
            given=message.text.body.encode("utf-8", "backslashreplace") + b"\n",
        )
    except subprocess.TimeoutExpired:
        fail(f"{program} did not end within {channel.timeout:g} s and was killed")
    except (OSError, ValueError) as error:
        fail(f"{program} cannot be started: {getattr(error, 'strerror', None) or error}. Check program")
    said = " ".join(done.stderr.split())[-_SHOWN:]
    words = f"{program} exited with code {done.returncode}{f': {said}' if said else ''}"
    if done.returncode in REFUSALS:
        refuse(words)
    if done.returncode:
        fail(words)
    return words


def make_environment(message: Message) -> dict[str, str]:
    """The agent's environment, with each field of the notice in a variable: CONNMON_SUBJECT and so on."""
    inherited = {name: value for name, value in message.environment.items() if name not in NOT_INHERITED}
    fields = {f"{PREFIX}{name.upper()}": as_text(message.fields[name]).replace("\0", "") for name in FIELDS}
    return {**inherited, **fields}

"""``connmon-agent notify``: notices of outages, by hand."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import click

from ..errors import ConnmonError
from . import screens
from .invocations import Invocation
from .wording import wrap

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..notices.jobs import Delivery, Job
    from ..settings import ChannelSettings, Settings


@click.group(short_help="Notices of outages.")
def notify() -> None:
    """Notices of outages, and the channels that they are sent through."""


@notify.command(short_help="Send a test notice now.")
@click.argument("channels", nargs=-1, metavar="[CHANNEL]...")
@click.pass_obj
def test(invocation: Invocation, channels: tuple[str, ...]) -> None:
    """Send a test notice through the named channels, or through all of them, and print what became of it.

    It is sent at once, by this user, with the proxies of this environment. Exits with 1 if one was not sent.
    """
    from click.exceptions import Exit  # not for --help

    settings = invocation.settings()
    chosen = _choose(settings, channels)
    deliveries = []
    for name, channel in chosen.items():
        delivery = _send(_make_job(settings, name, channel), invocation.environment)
        deliveries.append(delivery)
        _show(name, channel, delivery)
    if any(delivery.result != "sent" for delivery in deliveries):
        raise Exit(1)


def _choose(settings: Settings, names: tuple[str, ...]) -> dict[str, ChannelSettings]:
    channels = settings.notify.channels
    if not channels:
        raise ConnmonError(
            f"{settings.source}: no channel is configured", hint="Add one under notify.channels, see docs/notices.md"
        )
    unknown = [name for name in names if name not in channels]
    if unknown:
        raise click.UsageError(f"No channel {', '.join(unknown)}. The channels are {', '.join(channels)}.")
    return {name: channels[name] for name in names or channels}


def _make_job(settings: Settings, name: str, channel: ChannelSettings) -> Job:
    from ..notices.jobs import Job, Notice  # not for --help
    from ..store import DATABASE_FILE

    notice = Notice("test", name, number=int(time.time()))
    return Job(str(settings.state_dir / DATABASE_FILE), notice, channel, settings.notify.site)


def _send(job: Job, environment: Mapping[str, str]) -> Delivery:
    """What became of it, by a child as the agent has it."""
    from ..notices.jobs import LIMIT, Delivery, Result, command, decode_delivery, encode_job  # not for --help
    from ..program_runner import ProgramRunner

    try:
        done = ProgramRunner().run(command(), environment=environment, timeout=LIMIT, given=encode_job(job))
    except subprocess.TimeoutExpired:
        return Delivery(Result.FAILED, f"no result within {LIMIT:g} s")
    try:
        return decode_delivery(done.stdout.encode())
    except ValueError:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return Delivery(Result.FAILED, f"the sending process ended with code {done.returncode}: {last}")


def _show(name: str, channel: ChannelSettings, delivery: Delivery) -> None:
    text = f"{name} ({channel.kind}): {delivery.result}: {delivery.detail}"
    for line in wrap(text, width=screens.width_of_output(), indent="  ", first=""):
        click.echo(line)

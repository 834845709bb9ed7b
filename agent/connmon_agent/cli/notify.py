"""``connmon-agent notify``: notices of outages, by hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ..errors import ConnmonError
from . import screens
from .agent_orders import carry_out
from .invocations import Invocation
from .outputs import echo_json
from .wording import count_of, wrap

if TYPE_CHECKING:
    from ..core.notices import SendAnswer
    from ..notices.jobs import Job
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

    from ..runtime.notice_children import run_child  # not for --help

    settings = invocation.settings()
    chosen = _choose(settings, channels)
    answers = []
    for name, channel in chosen.items():
        answer = run_child(_make_job(settings, name, channel), environment=invocation.environment)
        answers.append(answer)
        _show(name, channel, answer)
    if any(answer.result != "sent" for answer in answers):
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


def _show(name: str, channel: ChannelSettings, answer: SendAnswer) -> None:
    text = f"{name} ({channel.kind}): {answer.result}: {answer.detail}"
    for line in wrap(text, width=screens.width_of_output(), indent="  ", first=""):
        click.echo(line)


@notify.command(name="list", short_help="List the notices, sent and unsent.")
@click.option("--all", "all_of_them", is_flag=True, help="Also notices that ended longer ago; 500 are kept.")
@click.option("--json", is_flag=True, help="One JSON document of all of them, the oldest first.")
@click.pass_obj
def list_notices(invocation: Invocation, all_of_them: bool, json: bool) -> None:
    """List the notices, newest first: all that are unsent with the next attempt and the last failure, and the last 10
    that were sent, refused, or ended otherwise.

    It works with the agent stopped, too.
    """
    from ..store.reading import Reader  # not for --help
    from .rendering.notice_tables import notices_document, render_notices

    with Reader(invocation.database()) as reader:
        notices = reader.notices()
    if json:
        echo_json(notices_document(notices))
        return
    width, paint = screens.width_of_output(), screens.painter()
    click.echo(render_notices(notices, now=time.time(), all_of_them=all_of_them, width=width, paint=paint))


@notify.command(short_help="Drop unsent notices.")
@click.argument("numbers", nargs=-1, type=click.IntRange(min=1), metavar="[NUMBER]...")
@click.option("--all", "all_of_them", is_flag=True, help="All that are unsent.")
@click.pass_obj
def drop(invocation: Invocation, numbers: tuple[int, ...], all_of_them: bool) -> None:
    """Drop unsent notices, so that they are not sent any more. `connmon-agent notify list` shows their numbers.

    Durable once this returns, with the agent running or not. A notice that is being sent right now may still arrive.
    """
    if bool(numbers) == all_of_them:
        raise click.UsageError("Name the notices to drop by their numbers, or use --all.")
    dropped = _drop(invocation, None if all_of_them else sorted(set(numbers)))
    found = {one["number"] for one in dropped}
    if missing := [str(number) for number in numbers if number not in found]:
        raise ConnmonError(
            f"no unsent notice {', '.join(missing)}" + (f"; dropped: {len(found)}" if found else ""),
            hint="Run `connmon-agent notify list` to list the notices",
        )
    click.echo(f"{count_of(len(dropped), 'notice')} dropped.")
    for one in dropped:
        if one["sending"]:
            click.echo(f"Notice {one['number']} was being sent; it may still arrive.")


def _drop(invocation: Invocation, numbers: list[int] | None) -> list[dict[str, object]]:
    folder = invocation.state_directory()

    def ask() -> list[dict[str, object]]:
        from ..runtime.control import ask_agent  # not for --help
        from ..runtime.notice_requests import DROP

        answer = ask_agent(folder, DROP, {"numbers": numbers}).get("dropped")
        return answer if isinstance(answer, list) else []

    def record() -> list[dict[str, object]]:
        from ..runtime.control_transports import name_sender  # not for --help
        from ..runtime.order_recording import record_drop

        dropped, damage = record_drop(folder, numbers, by=name_sender())
        if damage is not None:
            click.echo(f"Note: {damage}", err=True)
        return dropped

    return carry_out(folder, ask, record)[0]

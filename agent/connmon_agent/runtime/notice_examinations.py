"""The checks of ``doctor`` on notices: whether people are reached by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.notices import Notice, NoticeState, find_failures
from ..core.wording import counted, in_words
from ..settings import NotifySettings
from .findings import Finding, good, warning

ABOUT = "notices"
OLD = 7200.0  # seconds after which an unsent notice is worth a word; one that is rolled up waits for half as long


def examine_notices(settings: NotifySettings, notices: Sequence[Notice], now: float) -> Iterator[Finding]:
    """``now`` is Unix seconds. Nothing, where no channel is configured and none was."""
    unsent = [notice for notice in notices if notice.unsent]
    strays = sorted({notice.channel for notice in unsent} - settings.channels.keys())
    if strays:
        told = f"unsent notices for {', '.join(strays)}, which is no configured channel"
        yield warning(ABOUT, told, "Configure it again, or run `connmon-agent notify drop`")
    if not settings.channels:
        return
    failures = [notice for notice in find_failures(notices) if notice.channel in settings.channels]
    yield from (_judge_failure(failed) for failed in failures)
    if failures:
        return
    age = max((now - notice.queued.wall for notice in unsent), default=0.0)
    if age >= OLD:
        told = f"{counted(len(unsent), 'unsent notice')}, the oldest {in_words(round(age))} old"
        yield warning(ABOUT, told, "Run `connmon-agent notify list` to see why; they are sent by a running agent")
    elif not strays:
        yield good(ABOUT, f"{counted(len(settings.channels), 'channel')}: {', '.join(settings.channels)}")


def _judge_failure(failed: Notice) -> Finding:
    what = "was refused" if failed.state == NoticeState.REFUSED else "could not be sent"
    told = f"{failed.channel}: the last {failed.kind} {what}: {failed.detail}"
    return warning(ABOUT, told, f"Correct notify.channels.{failed.channel}, then `connmon-agent notify test`")

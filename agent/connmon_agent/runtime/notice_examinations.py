"""The checks of ``doctor`` on notices: whether people are reached by them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..core.notices import Notice, NoticeState, last_failure
from ..core.wording import counted, in_words
from ..settings import NotifySettings
from .findings import Finding, good, warning

ABOUT = "notices"
OLD = 3600.0  # seconds after which an unsent notice is worth a word: a link may be down for as long


def examine_notices(settings: NotifySettings, notices: Sequence[Notice], now: float) -> Iterator[Finding]:
    """``now`` is Unix seconds. Nothing, where no channel is configured and none was."""
    unsent = [notice for notice in notices if notice.unsent]
    strays = sorted({notice.channel for notice in unsent} - settings.channels.keys())
    if strays:
        told = f"unsent notices for {', '.join(strays)}, which is no configured channel"
        yield warning(ABOUT, told, "Configure it again, or run `connmon-agent notify drop`")
    if not settings.channels:
        return
    failed = last_failure(notices)
    if failed is not None and failed.channel in settings.channels:
        yield _judge_failure(failed, len(unsent))
    elif unsent and now - unsent[0].queued.wall >= OLD:
        age = in_words(round(now - min(notice.queued.wall for notice in unsent)))
        told = f"{counted(len(unsent), 'unsent notice')}, the oldest {age} old"
        yield warning(ABOUT, told, "Run `connmon-agent notify list` to see why; they are sent by a running agent")
    elif not strays:
        yield good(ABOUT, f"{counted(len(settings.channels), 'channel')}: {', '.join(settings.channels)}")


def _judge_failure(failed: Notice, unsent: int) -> Finding:
    what = "was refused" if failed.state == NoticeState.REFUSED else "could not be sent"
    told = f"{failed.channel}: the last {failed.kind} {what}: {failed.detail}; {unsent} unsent"
    return warning(ABOUT, told, f"Correct notify.channels.{failed.channel}, then `connmon-agent notify test`")

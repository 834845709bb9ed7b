"""Notices that are made up, for whoever sends them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta, timezone
from pathlib import Path

from msgspec.structs import replace

from connmon_agent.notices.fields import make_fields
from connmon_agent.notices.identities import identify
from connmon_agent.notices.jobs import Job, Notice
from connmon_agent.notices.messages import Message
from connmon_agent.notices.texts import Text
from connmon_agent.settings import Channel, ChannelSettings
from connmon_agent.store import DATABASE_FILE

ZONE = timezone(timedelta(hours=1))
STORE = "k7k7k7k7"
DIGEST = Notice("digest", "office", outage=7, number=3)
TEXT = Text(
    "[Büro] Outage 7, 2 min: grafana gave up", "Offline: 10:00\nDauer: 2 min – kurz", "connmon-agent rearm grafana"
)


def a_message(
    *, notice: Notice = DIGEST, text: Text = TEXT, environment: Mapping[str, str] | None = None, urgent: bool = True
) -> Message:
    id = identify(notice, STORE)
    fields = {**make_fields(notice, text, site="Büro", id=id, facts=None), "gave_up": ["grafana"], "state": "ONLINE"}
    return Message(notice, text, fields, id, f"{STORE}-7", urgent, environment or {})


def a_job(folder: Path, via: Channel, **notice: object) -> Job:
    """The job of sending the digest of outage 1 of the state in ``folder``."""
    wanted = replace(Notice("digest", "office", outage=1, number=1), **notice)
    return Job(str(folder / DATABASE_FILE), wanted, ChannelSettings(via), "berlin-7")

"""One notice, ready to be sent: its words, its fields and its name, whatever the channel."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from pathlib import Path

from ..store.report_reading import ReportReader
from ..texts import make_encodable, make_safe
from .fields import Fields, make_fields
from .identities import identify
from .jobs import Job, Notice
from .outage_facts import read_outage
from .texts import Place, Text, compose, compose_test

LONGEST_SUBJECT = 200  # characters


@dataclass(frozen=True, slots=True)
class Message:
    """``id`` is the same in every attempt to send the notice. ``urgent``: somebody has to do something."""

    notice: Notice
    text: Text
    fields: Fields
    id: str
    thread: str  # the same for all notices about one outage
    urgent: bool
    environment: Mapping[str, str]


def make_message(job: Job, *, environment: Mapping[str, str], zone: tzinfo | None = None) -> Message:
    """The message of ``job``. ``zone`` None: the machine's. Raises StoreError, and ConnmonError: there is none."""
    place = Place(job.site or socket.gethostname(), job.state_file, zone)
    notice, facts, store = job.notice, None, ""
    if notice.kind == "test":
        text = compose_test(notice, place)
    else:
        with ReportReader(Path(job.state_file)) as reader:
            facts = read_outage(reader, notice)
        text, store = compose(notice, facts, place), facts.store
    text = _tidy(text)
    id = identify(notice, store)
    return Message(
        notice=notice,
        text=text,
        fields=make_fields(notice, text, site=place.site, id=id, facts=facts),
        id=id,
        thread=f"{store or 'new'}-{notice.outage or 0}",
        urgent=facts is not None and (bool(facts.gave_up) or notice.kind == "offline"),
        environment=environment,
    )


def _tidy(text: Text) -> Text:
    """The subject on one line and the body encodable, whatever an older agent recorded."""
    subject = make_safe(" ".join(text.subject.split()), LONGEST_SUBJECT)
    return replace(text, subject=subject, body=make_encodable(text.body))

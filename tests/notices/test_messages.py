"""A message is one subject line and an encodable body, whatever an older agent recorded of the outage."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.mail_sinks import HOST, serve_mail
from tests.fakes.notices import ZONE, a_job
from tests.fakes.statefiles import tampered

from connmon_agent.core.notices import SendResult
from connmon_agent.notices.messages import LONGEST_SUBJECT, make_message
from connmon_agent.notices.sending import deliver
from connmon_agent.settings import MailChannel
from connmon_agent.store import DATABASE_FILE


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The state of an agent that recorded causes in words, of which some are a server's."""
    folder = tmp_path_factory.mktemp("old")
    live_through_a_hard_day(folder)
    words = "unreachable: ü " + "no answer\r\nBcc: everybody@example.com\x1b[31m " * 99
    with tampered(folder / DATABASE_FILE) as connection:
        connection.execute("UPDATE outage SET cause = ?, detail = ?", (words, words))
    return folder


@pytest.mark.parametrize("kind", ["digest", "offline", "gave-up", "relapses"])
def test_what_was_recorded_does_not_change_the_form(old: Path, kind: str) -> None:
    job = a_job(old, MailChannel(HOST, ("a@example.com",)), kind=kind)
    message = make_message(job, environment={}, zone=ZONE)
    assert message.text.subject.isprintable()
    assert len(message.text.subject) <= LONGEST_SUBJECT
    assert all(line.isprintable() for line in message.text.body.split("\n"))
    assert max(map(len, message.text.body.split("\n"))) < 500
    assert message.fields["outage"] == 1


def test_such_a_mail_arrives(old: Path) -> None:
    with serve_mail() as sink:
        channel = MailChannel(HOST, ("a@example.com",), port=sink.port, security="none", sender="b@example.com")
        assert deliver(a_job(old, channel, kind="offline"), environment={}, zone=ZONE).result is SendResult.SENT
    (mail,) = sink.mails
    assert mail.recipients == ("a@example.com",)
    assert mail.message["Bcc"] is None
    assert mail.message["Content-Transfer-Encoding"] == "quoted-printable"

"""Mail: what arrives, over which kind of connection, and what each refusal means."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from tests.fakes.loopback import closed_port
from tests.fakes.mail_sinks import AUTHORITY, HOST, MailSink, serve_mail, server_context
from tests.fakes.notices import TEXT, a_message

from connmon_agent.core.notices import SendResult
from connmon_agent.notices.jobs import Notice
from connmon_agent.notices.mail import MOST_READ, make_mail, send
from connmon_agent.notices.outcomes import NotSentError
from connmon_agent.settings import MailChannel

TO = ("it@example.com", "on-call@example.com")


def channel_of(sink: MailSink, **changes: object) -> MailChannel:
    given = {"sender": "site@example.com", "security": "none", **changes}
    return MailChannel(HOST, TO, port=sink.port, **given)  # type: ignore[arg-type]


def fail_with(answers: dict[str, bytes], **changes: object) -> NotSentError:
    with serve_mail(answers) as sink, pytest.raises(NotSentError) as found:
        send(channel_of(sink, **changes), a_message())
    return found.value


def test_a_mail_has_the_text_and_says_that_a_machine_wrote_it() -> None:
    with serve_mail() as sink:
        assert send(channel_of(sink), a_message()) == f"{HOST} accepted it"
    (mail,) = sink.mails
    assert (mail.sender, mail.recipients, mail.secure) == ("site@example.com", TO, False)
    assert mail.message["Subject"] == TEXT.subject
    assert mail.message.get_content().replace("\r\n", "\n") == TEXT.body + "\n"
    assert mail.message["To"] == ", ".join(TO)
    assert mail.message["Auto-Submitted"] == "auto-generated"
    assert mail.message["Importance"] == "high"


def test_a_mail_that_was_accepted_is_sent_whatever_becomes_of_the_session() -> None:
    with serve_mail({"QUIT": b"500 no"}) as sink:
        assert send(channel_of(sink), a_message()) == f"{HOST} accepted it"


def test_a_second_attempt_has_the_same_message_id_and_the_thread_is_the_outages() -> None:
    with serve_mail() as sink:
        for _ in range(2):
            send(channel_of(sink), a_message())
        send(channel_of(sink), a_message(notice=Notice("offline", "office", outage=7, number=2)))
    first, second, other = (mail.message for mail in sink.mails)
    assert first["Message-ID"] == second["Message-ID"] == "<connmon-k7k7k7k7-7-digest-office@example.com>"
    assert other["Message-ID"] != first["Message-ID"]
    assert other["References"] == first["References"] == "<connmon-k7k7k7k7-7@example.com>"


def test_a_long_name_of_a_thread_crosses_as_it_is() -> None:
    domain = f"{'site-7.' * 12}example.com"
    mail = make_mail(MailChannel(HOST, TO, sender=f"site@{domain}"), a_message()).as_bytes().decode("ascii")
    assert f"\nReferences: <connmon-k7k7k7k7-7@{domain}>\n" in mail
    assert f"\nMessage-ID: <connmon-k7k7k7k7-7-digest-office@{domain}>\n" in mail


@pytest.mark.parametrize(("security", "offers"), [("starttls", ("STARTTLS", "AUTH PLAIN")), ("tls", ("AUTH PLAIN",))])
def test_a_login_crosses_the_network_encrypted(tmp_path: Path, security: str, offers: tuple[str, ...]) -> None:
    password = tmp_path / "password"
    password.write_text("hunter 2\n", encoding="utf-8")
    with serve_mail(offers=offers, context=server_context()) as sink:
        send(channel_of(sink, security=security, user="site", password_file=password, ca_file=AUTHORITY), a_message())
    (mail,) = sink.mails
    assert mail.secure
    assert mail.login is not None
    assert base64.b64decode(mail.login) == b"\0site\0hunter 2"


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_that_is_not_trusted_gets_nothing(security: str) -> None:
    with serve_mail(offers=("STARTTLS",) if security == "starttls" else (), context=server_context()) as sink:
        with pytest.raises(NotSentError, match="certificate is not trusted") as found:
            send(channel_of(sink, security=security), a_message())
        assert not sink.mails
    assert found.value.result is SendResult.FAILED


def test_without_starttls_nothing_is_sent_where_it_is_wanted() -> None:
    failure = fail_with({}, security="starttls")
    assert failure.result is SendResult.FAILED
    assert failure.detail.startswith(f"{HOST} does not offer STARTTLS")


@pytest.mark.parametrize(
    ("word", "answer", "result"),
    [
        ("", b"421 busy", SendResult.FAILED),
        ("", b"554 no", SendResult.REFUSED),
        ("MAIL", b"451 later", SendResult.FAILED),
        ("MAIL", b"550 who are you", SendResult.REFUSED),
        ("RCPT", b"450 greylisted", SendResult.FAILED),
        ("RCPT", b"550 no such user", SendResult.REFUSED),
        ("DATA", b"452 full", SendResult.FAILED),
        ("DATA", b"554 no", SendResult.REFUSED),
        (".", b"451 later", SendResult.FAILED),
        (".", b"554 spam", SendResult.REFUSED),
        ("", b"hello, this is no mail server", SendResult.FAILED),
    ],
)
def test_five_hundred_is_for_good_and_all_else_is_for_now(word: str, answer: bytes, result: SendResult) -> None:
    assert fail_with({word: answer}).result is result


def test_recipients_of_whom_one_may_be_taken_later_are_all_tried_again() -> None:
    failure = fail_with({TO[0]: b"550 no such user", TO[1]: b"450 greylisted"})
    assert failure.result is SendResult.FAILED


def test_a_mail_for_some_of_the_recipients_is_sent_and_says_for_whom_it_is_not() -> None:
    with serve_mail({TO[0]: b"550 no such user"}) as sink:
        said = send(channel_of(sink), a_message())
    assert said == f"{HOST} accepted it, but not for {TO[0]}: 550 no such user"
    assert [mail.recipients for mail in sink.mails] == [(TO[1],)]


@pytest.mark.parametrize(("answer", "result"), [(b"535 no", SendResult.REFUSED), (b"454 later", SendResult.FAILED)])
def test_a_refused_login_names_the_user_and_not_the_password(tmp_path: Path, answer: bytes, result: SendResult) -> None:
    password = tmp_path / "password"
    password.write_text("hunter2", encoding="utf-8")
    with serve_mail({"AUTH": answer}, offers=("AUTH PLAIN",)) as sink, pytest.raises(NotSentError) as found:
        send(channel_of(sink, user="site", password_file=password), a_message())
    assert found.value.result is result
    assert "refused the login of site" in found.value.detail
    assert "hunter2" not in found.value.detail


@pytest.mark.parametrize("content", [None, b"", b"\n", b"\xff\xfe\x00"])
def test_a_password_that_cannot_be_read_is_for_now_and_says_what_to_do(tmp_path: Path, content: bytes | None) -> None:
    password = tmp_path / "password"
    if content is not None:
        password.write_bytes(content)
    with serve_mail(offers=("AUTH PLAIN",)) as sink, pytest.raises(NotSentError) as found:
        send(channel_of(sink, user="site", password_file=password), a_message())
    assert found.value.result is SendResult.FAILED
    assert found.value.detail.startswith(f"password_file: {password}")
    assert found.value.detail.endswith("Create it with one line, readable by the agent's user")


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    failure = fail_with({"": b"220-welcome\r\n" * (MOST_READ // 10)})
    assert failure.result is SendResult.FAILED
    assert "64 KiB" in failure.detail


def test_a_server_that_is_not_there_is_for_now() -> None:
    with closed_port() as port, pytest.raises(NotSentError, match="connection refused") as found:
        send(MailChannel(HOST, TO, port=port, security="none"), a_message())
    assert found.value.result is SendResult.FAILED

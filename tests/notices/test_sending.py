"""A job done, in this process and by the child: whatever goes wrong is an answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fakes.hard_days import live_through_a_hard_day
from tests.fakes.http_sinks import HOST, Reply, serve_http
from tests.fakes.loopback import closed_port
from tests.fakes.mail_sinks import serve_mail
from tests.fakes.notices import ZONE, a_job
from tests.fakes.wine import on_wine

from connmon_agent.core.notices import SendAnswer, SendResult
from connmon_agent.kube.handed_files import name_credential
from connmon_agent.notices import jobs
from connmon_agent.notices.jobs import Job, decode_answer, encode_job
from connmon_agent.notices.outcomes import read_secret
from connmon_agent.notices.sending import deliver
from connmon_agent.settings import AppriseChannel, CommandChannel, MailChannel, NtfyChannel, WebhookChannel


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("day")
    live_through_a_hard_day(folder)
    return folder


def in_child(data: bytes) -> SendAnswer:
    done = subprocess.run(jobs.command(), input=data, capture_output=True, check=True)
    assert done.stderr == b""
    return decode_answer(done.stdout)


def send(job: Job) -> SendAnswer:
    return deliver(job, environment={}, zone=ZONE)


def test_the_child_sends_a_mail_and_says_so(day: Path) -> None:
    with serve_mail() as sink:
        channel = MailChannel(HOST, ("it@example.com",), port=sink.port, security="none", sender="a@example.com")
        delivery = in_child(encode_job(a_job(day, channel)))
    assert delivery == SendAnswer(SendResult.SENT, f"{HOST} accepted it")
    (mail,) = sink.mails
    assert mail.message["Subject"] == "[berlin-7] Outage 1, 2 min 22 s: grafana gave up"


def test_the_child_survives_a_job_that_is_none() -> None:
    delivery = in_child(b"{}")
    assert delivery.result is SendResult.FAILED
    assert delivery.detail.startswith("internal error: no job")


def test_each_kind_of_channel_finds_its_sender(day: Path, tmp_path: Path) -> None:
    url = tmp_path / "url"
    with serve_http() as sink:
        url.write_text(f"{sink.url()}\n", encoding="utf-8")
        for channel in (WebhookChannel(url_file=url), NtfyChannel(url=sink.url("/topic"))):
            assert send(a_job(day, channel)).result is SendResult.SENT
    run = CommandChannel(Path(sys.executable), ("-c", ""))
    assert deliver(a_job(day, run), environment=os.environ).result is SendResult.SENT


def test_apprise_sends_by_an_object_of_its_own(day: Path, tmp_path: Path) -> None:
    pytest.importorskip("apprise")
    if on_wine():
        pytest.skip("Wine takes a minute to load what apprise consists of")
    url = tmp_path / "url"
    with serve_http() as sink, closed_port() as closed:
        url.write_text(f"json://{HOST}:{sink.port}/in\n", encoding="utf-8")
        job = encode_job(a_job(day, AppriseChannel(url)))  # for the child: what apprise loads warns of much
        assert in_child(job) == SendAnswer(SendResult.SENT, "sent by apprise")
        assert b"grafana gave up" in sink.requests[0].body
        url.write_text(f"json://user:s3cr3tS3cr3t@{HOST}:{closed}/in\n", encoding="utf-8")
        failure = in_child(job)
        assert failure.result is SendResult.FAILED
        assert failure.detail.startswith("apprise could not send it: ")
        assert "s3cr3t" not in failure.detail
        url.write_text("pigeon://s3cr3tS3cr3t", encoding="utf-8")
        unknown = in_child(job)
        assert (unknown.result, "s3cr3t" in unknown.detail) == (SendResult.FAILED, False)


def test_without_apprise_its_channels_are_refused_with_what_to_install(
    day: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    url = tmp_path / "url"
    url.write_text("json://localhost", encoding="utf-8")
    delivery = send(a_job(day, AppriseChannel(url)))
    assert delivery.result is SendResult.REFUSED
    assert delivery.detail == f"apprise is not installed. Install it: {sys.executable} -m pip install apprise"


def test_a_state_file_that_cannot_be_read_is_for_now(tmp_path: Path) -> None:
    assert send(a_job(tmp_path, NtfyChannel(url="http://h/t"))).result is SendResult.FAILED


def test_an_outage_that_is_not_there_any_more_is_for_good(day: Path) -> None:
    delivery = send(a_job(day, NtfyChannel(url="http://h/t"), outage=99))
    assert delivery.result is SendResult.REFUSED
    assert "outage 99" in delivery.detail


def test_a_test_needs_no_state_file(tmp_path: Path) -> None:
    with serve_http() as sink:
        job = a_job(tmp_path, WebhookChannel(url=sink.url(), template='{"t": "{subject}"}'), kind="test", outage=None)
        assert send(job).result is SendResult.SENT
    assert sink.requests[0].body == b'{"t": "[berlin-7] Test notice"}'


def test_what_a_server_says_comes_without_secrets_and_in_one_line(day: Path) -> None:
    said = b"token=ghp_0123456789abcdefghij0123456789abcdef\x1b[31m\nno"
    with serve_http(Reply(403, said)) as sink:
        delivery = send(a_job(day, WebhookChannel(url=sink.url())))
    assert delivery.result is SendResult.REFUSED
    assert "ghp_" not in delivery.detail
    assert delivery.detail.isprintable()


@pytest.mark.linux_alone(reason="only systemd hands files over")
def test_a_secret_that_only_root_can_read_is_taken_from_systemds_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "missing" / "token"  # as good as one that may not be read: root may read all
    copies = tmp_path / "copies"
    copies.mkdir()
    (copies / name_credential(secret)).write_text("from the copy\n", encoding="utf-8")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(copies))
    assert read_secret(secret, "token_file") == "from the copy"

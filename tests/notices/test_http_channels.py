"""Webhook and ntfy: what is asked, and what each answer means."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.http_sinks import HOST, HttpSink, ReceivedRequest, Reply, serve_http
from tests.fakes.loopback import answer_with, closed_port, serve_tcp
from tests.fakes.mail_sinks import AUTHORITY, server_context
from tests.fakes.notices import TEXT, a_message

from connmon_agent.core.notice_fields import FIELDS
from connmon_agent.core.notices import SendResult
from connmon_agent.notices import ntfy, webhook
from connmon_agent.notices.http_requests import Url, ask
from connmon_agent.notices.jobs import LONGEST_RETRY_AFTER
from connmon_agent.notices.messages import Message
from connmon_agent.notices.outcomes import NotSentError
from connmon_agent.probes.http import BODY_LIMIT, Sending
from connmon_agent.settings import NtfyChannel, WebhookChannel

SECRET = "s3cr3tS3cr3t"


def post(sink: HttpSink, message: Message | None = None, **settings: Any) -> ReceivedRequest:
    """The request that a webhook makes."""
    webhook.send(WebhookChannel(url=sink.url("/in?a=b"), **settings), message or a_message())
    return sink.requests[-1]


def fail_with(*replies: Reply, environment: Mapping[str, str] | None = None) -> NotSentError:
    with serve_http(*replies) as sink, pytest.raises(NotSentError) as found:
        post(sink, a_message(environment=environment))
    return found.value


def test_a_webhook_sends_every_field_as_json() -> None:
    with serve_http() as sink:
        request = post(sink)
    assert (request.method, request.path) == ("POST", "/in?a=b")
    assert request.fields["content-type"] == "application/json; charset=utf-8"
    assert request.fields["idempotency-key"] == "k7k7k7k7-7-digest-office"
    sent = json.loads(request.body)
    assert tuple(sent) == FIELDS
    assert (sent["subject"], sent["body"], sent["outage"]) == (TEXT.subject, TEXT.body, 7)


def test_a_template_shapes_the_body_and_a_field_alone_keeps_its_type() -> None:
    template = {
        "text": "{subject} ({gave_up})",
        "number": "{outage}",
        "names": "{gave_up}",
        "none": "{cause}",
        "in text": "a{cause}b",
        "braces": "{{outage}} {Outage} {}",
        "same": [1, True, None, {"deep": "{site}"}],
    }
    with serve_http() as sink:
        request = post(sink, template=json.dumps(template), method="PUT")
    assert request.method == "PUT"
    assert json.loads(request.body) == {
        "text": f"{TEXT.subject} (grafana)",
        "number": 7,
        "names": ["grafana"],
        "none": None,
        "in text": "ab",
        "braces": "{outage}  {}",
        "same": [1, True, None, {"deep": "Büro"}],
    }


def test_a_text_cannot_break_out_of_the_template() -> None:
    evil = a_message(text=TEXT.__class__('"}, {"admin": true', 'a"\n\\\x00\ud800', ""))
    with serve_http() as sink:
        request = post(sink, evil, template='{"text": "{subject}|{body}"}')
    assert json.loads(request.body) == {"text": '"}, {"admin": true|a"\n\\\x00\ud800'}


def test_headers_come_from_the_configuration_and_secret_ones_from_files(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(f"Bearer {SECRET}\n", encoding="utf-8")
    with serve_http() as sink:
        request = post(sink, headers={"X-Site": "7"}, header_files={"Authorization": token})
    assert (request.fields["x-site"], request.fields["authorization"]) == ("7", f"Bearer {SECRET}")


def test_a_login_in_a_secret_url_is_sent_as_a_header(tmp_path: Path) -> None:
    file = tmp_path / "url"
    with serve_http() as sink:
        file.write_text(f"http://site:{SECRET}@{HOST}:{sink.port}/x#y\n", encoding="utf-8")
        webhook.send(WebhookChannel(url_file=file), a_message())
    (request,) = sink.requests
    assert request.path == "/x"
    assert request.fields["authorization"].startswith("Basic ")


@pytest.mark.parametrize(
    "text",
    ["", f"ftp://h/{SECRET}", f"http://[{SECRET}", f"http://h/{SECRET} x", f"//{SECRET}", f"http://h:0/{SECRET}"],
)
def test_a_secret_that_is_no_url_is_not_repeated(tmp_path: Path, text: str) -> None:
    file = tmp_path / "url"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(NotSentError) as found:
        webhook.send(WebhookChannel(url_file=file), a_message())
    assert found.value.result is SendResult.FAILED
    assert found.value.detail.startswith("url_file")
    assert SECRET not in found.value.detail


def test_a_secret_that_no_header_can_hold_is_named_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("Bearer hüntér2", encoding="utf-8")
    hook = WebhookChannel(url="http://h.example/", header_files={"Authorization": file})
    with pytest.raises(NotSentError) as found:
        webhook.send(hook, a_message())
    assert found.value.detail.startswith(f"header_files.Authorization: {file} contains a character that is not ASCII")
    with pytest.raises(NotSentError, match="token_file"):
        ntfy.send(NtfyChannel(url="http://h.example/t", token_file=file), a_message())


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 413, 422])
def test_a_request_that_is_blamed_is_refused_for_good(status: int) -> None:
    failure = fail_with(Reply(status, b"no such hook"))
    assert failure.result is SendResult.REFUSED
    assert f"HTTP {status}: no such hook" in failure.detail


@pytest.mark.parametrize("status", [301, 302, 307, 408, 425, 429, 500, 502, 503, 504, 511])
def test_everything_else_may_pass(status: int) -> None:
    failure = fail_with(Reply(status, b"<html>a page</html>"))
    assert failure.result is SendResult.FAILED
    assert "<html>" not in failure.detail


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("30", 30.0), ("0", 0.0), ("999999", LONGEST_RETRY_AFTER), ("soon", None), ("-5", None), ("9" * 400, None)],
)
def test_retry_after_is_obeyed_within_bounds(said: str, seconds: float | None) -> None:
    assert fail_with(Reply(503, fields={"Retry-After": said})).retry_after == seconds


def test_the_environments_proxy_is_used_and_its_refusal_is_no_refusal_of_the_receiver() -> None:
    with serve_http(Reply(407)) as proxy, pytest.raises(NotSentError) as found:
        message = a_message(environment={"http_proxy": proxy.url()})
        webhook.send(WebhookChannel(url="http://hook.example/in"), message)
    assert proxy.requests[0].path == "http://hook.example/in"
    assert found.value.result is SendResult.FAILED
    assert found.value.detail.startswith("the proxy answered HTTP 407")


def test_a_channel_can_go_past_the_environments_proxy() -> None:
    with closed_port() as closed, serve_http() as sink:
        post(sink, a_message(environment={"http_proxy": f"http://{HOST}:{closed}"}), proxy="none")
    assert len(sink.requests) == 1


def test_a_receiver_that_is_not_there_is_for_now() -> None:
    with closed_port() as port, pytest.raises(NotSentError, match="connection refused") as found:
        webhook.send(WebhookChannel(url=f"http://{HOST}:{port}/"), a_message())
    assert found.value.result is SendResult.FAILED


def test_of_an_endless_answer_the_beginning_is_read() -> None:
    with serve_http(Reply(200, b"x" * (5 * BODY_LIMIT))) as sink:
        answer = ask(Url(sink.url(), "url"), Sending(), proxy=None, ca_file=None, environment={})
    assert len(answer.body) == BODY_LIMIT


def test_an_answer_that_does_not_come_is_not_waited_for() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def run() -> None:
        async with serve_tcp(silent) as port:
            with pytest.raises(NotSentError, match=r"no answer within 0\.05 s"):
                await asyncio.to_thread(
                    ask,
                    Url(f"http://{HOST}:{port}/", "url"),
                    Sending(),
                    proxy=None,
                    ca_file=None,
                    environment={},
                    timeout=0.05,
                )

    asyncio.run(run())


def publish(sink: HttpSink, message: Message | None = None, **settings: Any) -> dict[str, Any]:
    """What ntfy is given."""
    ntfy.send(NtfyChannel(url=sink.url("/base/site%207"), **settings), message or a_message())
    found: dict[str, Any] = json.loads(sink.requests[-1].body)
    return found


def test_ntfy_gets_a_message_for_the_topic_that_the_url_ends_with() -> None:
    with serve_http() as sink:
        sent = publish(sink)
        calm = publish(sink, a_message(urgent=False))
        own = publish(sink, priority=1, tags=("warning", "büro"), click="https://site.example/")
    assert sink.requests[0].path == "/base/"
    assert sink.requests[0].fields["idempotency-key"] == "k7k7k7k7-7-digest-office"
    assert sent == {"topic": "site 7", "title": TEXT.subject, "message": TEXT.body, "priority": 4}
    assert calm["priority"] == 3
    assert (own["priority"], own["tags"], own["click"]) == (1, ["warning", "büro"], "https://site.example/")


@pytest.mark.parametrize("kind", ["token", "login"])
def test_ntfy_is_logged_in_to_by_token_or_password(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "secret"
    file.write_text(SECRET, encoding="utf-8")
    login = {"token_file": file} if kind == "token" else {"user": "site", "password_file": file}
    with serve_http() as sink:
        publish(sink, **login)
    assert sink.requests[0].fields["authorization"].startswith("Bearer " if kind == "token" else "Basic ")


@pytest.mark.parametrize("body", [b"<html>Welcome to the hotel</html>", b"[]", b"{}", b"\xff"])
def test_what_does_not_answer_as_ntfy_does_is_not_taken_for_it(body: bytes) -> None:
    with serve_http(Reply(200, body)) as sink, pytest.raises(NotSentError, match="captive portal") as found:
        publish(sink)
    assert found.value.result is SendResult.FAILED


@pytest.mark.parametrize("line", ["x" * 100 + "\n", "ü" * 3000, "a – b\n" * 9])
def test_a_long_text_is_cut_before_ntfy_makes_a_file_of_it(line: str) -> None:
    text = ntfy.cut(line * 100)
    assert len(text.encode()) <= ntfy.LONGEST_MESSAGE
    assert text.endswith("...")
    assert ntfy.cut("short") == "short"


@pytest.mark.parametrize("url", ["https://ntfy.example", "https://ntfy.example/"])
def test_ntfy_without_a_topic_says_so(tmp_path: Path, url: str) -> None:
    file = tmp_path / "url"
    file.write_text(url, encoding="utf-8")
    with pytest.raises(NotSentError, match="names no topic"):
        ntfy.send(NtfyChannel(url_file=file), a_message())


@pytest.mark.parametrize("trusted", [True, False])
def test_a_receiver_by_tls_is_trusted_by_its_authority_alone(trusted: bool) -> None:
    def post() -> str:
        channel = WebhookChannel(url=f"https://{HOST}:{port}/", ca_file=AUTHORITY if trusted else None)
        try:
            return webhook.send(channel, a_message())
        except NotSentError as error:
            assert error.result is SendResult.FAILED
            return error.detail

    async def run() -> str:
        nonlocal port
        answer = answer_with(b"HTTP/1.1 204 No Content\r\n\r\n")
        async with serve_tcp(answer, context=server_context()) as port:
            return await asyncio.to_thread(post)

    port = 0
    said = asyncio.run(run())
    assert said.startswith(f"{HOST} answered HTTP 204" if trusted else f"{HOST}: the certificate is not trusted")

"""Notices of the real agent through a real outage on loopback, killed in between; and what commands say of them."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.http_sinks import HttpSink, Reply, serve_http
from tests.fakes.local_sites import ATTENTIVE, Json, LocalAgent, LocalSite
from tests.fakes.mail_sinks import serve_mail

from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader


@pytest.fixture
def site() -> Iterator[LocalSite]:
    """One of its own, whose link is cut."""
    with LocalSite("web").running() as running:
        yield running


@pytest.fixture
def made(site: LocalSite, tmp_path: Path) -> Iterator[LocalAgent]:
    configuration = site.configuration(tmp_path, ["web"])
    configuration["link"] |= ATTENTIVE
    agent = LocalAgent(tmp_path, configuration)
    yield agent
    agent.bury()


def notify(agent: LocalAgent, **channels: Json) -> None:
    agent.configuration["notify"] = {"site": "berlin-7", "channels": channels}
    agent.write()


def hook(sink: HttpSink, **more: object) -> Json:
    return {"webhook": {"url": sink.url()}, **more}


def notices(agent: LocalAgent) -> list[Json]:
    found: list[Json] = json.loads(agent.run("notify", "list", "--json").stdout)["notices"]
    return found


def keys(sink: HttpSink) -> list[str]:
    return [request.fields["idempotency-key"] for request in sink.requests]


def until_sent(agent: LocalAgent, count: int) -> None:
    agent.until(lambda: [one["state"] for one in notices(agent)].count("sent") == count, f"{count} notices sent")


def test_an_outage_with_kills_in_between_is_one_digest_by_mail_and_webhook(site: LocalSite, made: LocalAgent) -> None:
    released = threading.Event()
    with serve_mail() as mail, serve_http(Reply(released=released), Reply()) as chat:
        office = {"mail": {"host": "127.0.0.1", "port": mail.port, "security": "none", "to": ["it@example.com"]}}
        notify(made, office=office, chat=hook(chat))
        made.start()
        made.until_service("web", "READY")
        site.cut()
        made.until_link("OFFLINE")
        made.kill()  # in the outage
        site.restore()
        made.start()
        chat.wait_for(1)
        mail.wait_for(1)
        made.kill()  # the receiver has it, and the agent has not heard of that
        assert [one["state"] for one in notices(made) if one["channel"] == "chat"] == ["sending"]
        released.set()
        made.start()
        until_sent(made, 2)
        made.end()
    assert len(chat.requests) == 2 and len(set(keys(chat))) == 1
    assert len(mail.mails) <= 2 and len({one.message["Message-ID"] for one in mail.mails}) == 1
    body = json.loads(chat.requests[0].body)
    assert body["kind"] == "digest" and body["outage"] == 1
    assert "berlin-7" in str(mail.mails[0].message["Subject"])
    assert {(one["kind"], one["state"]) for one in notices(made)} == {("digest", "sent")}
    with Reader(made.state / DATABASE_FILE) as reader:
        events = {row.seq for row in reader.recorded(outage=1)}
        assert {(one.from_seq, one.until_seq) for one in reader.notices()} == {(min(events), max(events))}
    made.verify()


def test_a_channel_that_works_offline_is_told_in_the_outage(site: LocalSite, made: LocalAgent) -> None:
    with serve_http() as sms, serve_http() as chat:
        notify(made, sms=hook(sms, works_offline=True), chat=hook(chat))
        made.start()
        site.cut()
        sms.wait_for(1)
        assert json.loads(sms.requests[0].body)["kind"] == "offline"
        assert chat.requests == []
        site.restore()
        made.until_link("ONLINE")
        until_sent(made, 3)
        assert [json.loads(one.body)["kind"] for one in sms.requests] == ["offline", "digest"]
        assert [json.loads(one.body)["kind"] for one in chat.requests] == ["digest"]
        made.end()


def test_a_receiver_that_refuses_for_now_is_tried_again_and_shown_and_dropped(
    site: LocalSite, made: LocalAgent
) -> None:
    with serve_http(Reply(503, fields={"Retry-After": "3000"})) as chat, serve_http(Reply(404)) as gone:
        notify(made, chat=hook(chat), gone=hook(gone))
        made.start()
        site.cut()
        made.until_link("OFFLINE")
        site.restore()
        made.until_link("ONLINE")
        made.until(lambda: [one["attempts"] for one in notices(made)] == [1, 1], "an attempt on each channel")
        made.until(lambda: [one["state"] for one in notices(made)] == ["queued", "refused"], "their answers")
        shown = " ".join(made.run("status").stdout.split())
        assert "Notices: 1 unsent, oldest" in shown and "HTTP 503" in shown and "HTTP 404" in shown
        checked = " ".join(made.run("doctor").stdout.split())
        assert "notices: chat: the last digest could not be sent: " in checked
        assert "notices: gone: the last digest was refused: " in checked
        table = made.run("notify", "list").stdout
        assert "queued" in table and "refused" in table and re.search(r"retry in [345]\d min", table)
        assert 'connmon_notices_unsent{channel="chat"} 1' in made.run("metrics").stdout
        assert made.run("notify", "drop", "9").exit_code == 1
        assert made.run("notify", "drop", "1").stdout == "1 notice dropped.\n"
        assert notices(made)[0]["detail"].startswith("dropped by ")
        assert made.run("notify", "drop", "--all").stdout == "0 notices dropped.\n"
        made.end()
    assert len(chat.requests) == len(gone.requests) == 1
    made.verify()


def test_notices_are_dropped_without_an_agent_and_another_configuration_is_obeyed(
    site: LocalSite, made: LocalAgent
) -> None:
    with serve_http(Reply(500)) as chat, serve_http() as other:
        notify(made, chat=hook(chat))
        made.start()
        site.cut()
        made.until_link("OFFLINE")
        site.restore()
        chat.wait_for(1)
        made.kill()
        assert made.run("notify", "drop").exit_code == 2
        assert made.run("notify", "drop", "--all").stdout.startswith("1 notice dropped.\n")
        notify(made, other=hook(other))
        made.start()
        site.cut()
        made.until_link("OFFLINE")
        site.restore()
        until_sent(made, 1)
        made.end()
    assert [(one["channel"], one["state"]) for one in notices(made)] == [("chat", "expired"), ("other", "sent")]
    made.verify()

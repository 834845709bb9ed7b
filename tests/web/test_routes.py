"""Every address of the page, over a real state file: what is answered, and what is told with it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from tests.fakes.memories import live_through_an_outage
from tests.fakes.mornings import at
from tests.web.pages import Browser, serve

from connmon_agent.presence import LOCK_FILE, AgentLock
from connmon_agent.store import DATABASE_FILE

START = at(0).wall
ADDRESSES = [
    "/",
    "/static/index.html",
    "/api/state",
    f"/api/timeline?since={START}&until={START + 300}",
    "/api/decisions",
    "/api/decisions/9",
    "/api/explain/now",
    "/api/explain/frontend",
    "/api/outages",
]
ABSENT = [
    "/api/decisions/999",
    "/api/explain/nosuch",
    "/api/explain/a%00b",
    "/api/nosuch",
    "/api/",
    "/static/no.js",
    "/api/state/",
    "/API/STATE",
]
BAD = [
    "/api/timeline?since=x",
    "/api/timeline?since=nan",
    "/api/timeline?since=5&until=4",
    "/api/timeline?buckets=-1",
    "/api/decisions?limit=0",
    "/api/decisions?limit=201",
    "/api/decisions?outage=1.5",
    "/api/decisions/1;2",
    "/api/outages?before=%d9%a1",
    "/api/stream?after=x",
]


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("state")
    live_through_an_outage(folder)
    with AgentLock(folder):
        pass
    return folder


def test_every_address_is_answered_with_what_keeps_a_browser_safe(state: Path) -> None:
    async def story(browser: Browser) -> None:
        for target in (*ADDRESSES, *ABSENT, *BAD):
            answer = await browser.ask(target)
            wanted = 200 if target in ADDRESSES else 404 if target in ABSENT else 400
            assert (target, answer.status) == (target, wanted)
            policy = answer.fields["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
            assert "unsafe" not in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
            assert answer.fields["x-content-type-options"] == "nosniff"
            assert answer.fields["referrer-policy"] == "no-referrer"
            stored = answer.fields["cache-control"]
            assert stored == ("no-cache" if target in ADDRESSES[:2] else "no-store")
            if answer.status >= 400:
                error = answer.document["error"]
                assert error["status"] == answer.status and error["message"] and "hint" in error

    assert serve(state, story) == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "POST"])
def test_nothing_but_reading_is_answered(state: Path, method: str) -> None:
    async def story(browser: Browser) -> None:
        for target in ("/", "/api/state", "/api/stream"):
            answer = await browser.ask(target, method)
            assert answer.status == 405 and "GET" in answer.fields["allow"]

    assert serve(state, story) == []


def test_a_head_is_answered_as_its_get_without_the_body(state: Path) -> None:
    async def story(browser: Browser) -> None:
        for target in ("/", "/api/outages", "/api/stream"):
            answer = await browser.ask(target, "HEAD")
            assert (answer.status, answer.body) == (200, b"")

    assert serve(state, story) == []


def test_the_state_is_that_of_status_and_a_headline(state: Path) -> None:
    async def story(browser: Browser) -> None:
        found = (await browser.ask("/api/state")).document
        assert found["verdict"] == "UNKNOWN" and found["link"]["state"] == "ONLINE"
        assert [service["name"] for service in found["services"]] == ["frontend", "grafana"]
        assert found["services"][0]["since"] == "2026-11-23T10:03:43.000000+00:00"
        assert (found["headline"]["word"], found["headline"]["tone"]) == ("UNKNOWN", "bad")
        assert found["headline"]["since"] == found["watch"]["since"] == found["agent"]["heartbeat_at"]
        assert any("connmon-agent start" in line for line in found["headline"]["todo"])
        assert found["watch"]["state"] == "dead"
        assert (found["file"]["kind"], found["orders"]) == ("original", False)
        assert found["seq"] == found["store"]["events"]

    assert serve(state, story) == []


def test_a_copy_is_told_from_the_file_itself(tmp_path: Path, state: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes((state / DATABASE_FILE).read_bytes())
    assert not (tmp_path / LOCK_FILE).exists()

    async def story(browser: Browser) -> None:
        found = (await browser.ask("/api/state")).document
        assert found["file"]["kind"] == "copy" and "copy" in found["file"]["text"]

    assert serve(tmp_path, story) == []


def test_before_any_agent_everything_is_empty_and_nothing_fails(tmp_path: Path) -> None:
    async def story(browser: Browser) -> None:
        found = (await browser.ask("/api/state")).document
        assert (found["watch"]["state"], found["headline"]["word"], found["seq"]) == ("never", "UNKNOWN", 0)
        assert found["file"]["kind"] == "missing"
        assert (await browser.ask("/api/decisions")).document["decisions"] == []
        assert (await browser.ask("/api/outages")).document["outages"] == []
        assert (await browser.ask("/api/timeline")).status == 200
        assert (await browser.ask("/api/explain/now")).status == 404

    assert serve(tmp_path, story) == []


def test_what_is_no_state_file_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / DATABASE_FILE).write_bytes(b"no database " * 1000)

    async def story(browser: Browser) -> None:
        for target in ("/api/state", "/api/decisions", "/api/outages", "/api/timeline"):
            answer = await browser.ask(target)
            assert answer.status == 503 and "not a database" in answer.document["error"]["message"]
        assert (await browser.ask("/")).status == 200

    assert serve(tmp_path, story) == []


def test_decisions_come_in_pages_newest_first(state: Path) -> None:
    async def story(browser: Browser) -> None:
        every = (await browser.ask("/api/decisions?limit=200")).document
        numbers = [one["seq"] for one in every["decisions"]]
        assert numbers == sorted(numbers, reverse=True) and every["next"] is None
        paged: list[int] = []
        target = "/api/decisions?limit=3"
        while True:
            page = (await browser.ask(target)).document
            paged += [one["seq"] for one in page["decisions"]]
            if page["next"] is None:
                break
            target = f"/api/decisions?limit=3&before={page['next']}"
        assert paged == numbers

    assert serve(state, story) == []


def test_decisions_are_chosen_by_what_they_are_about(state: Path) -> None:
    async def story(browser: Browser) -> None:
        async def find(query: str) -> list[dict[str, object]]:
            return list((await browser.ask(f"/api/decisions?limit=200&{query}")).document["decisions"])

        every = await find("")
        link = await find("instance=link")
        assert link and all(any(one["instance"] == "link" for one in each["transitions"]) for each in link)  # type: ignore[attr-defined]
        grafana = await find("instance=grafana")
        assert grafana and all("grafana" in str(each) for each in grafana) and len(grafana) < len(every)
        assert await find('instance=graf"ana') == await find("instance=%25") == []
        outage = await find("outage=1")
        assert outage and {each["outage"] for each in outage} <= {1, None}
        assert await find("outage=2") == []
        early = await find(f"until={START + 14}")
        late = await find(f"since={START + 14.5}")
        assert [each["seq"] for each in (*late, *early)] == [each["seq"] for each in every]

    assert serve(state, story) == []


def test_an_outage_and_a_decision_are_those_of_the_commands(state: Path) -> None:
    async def story(browser: Browser) -> None:
        outages = (await browser.ask("/api/outages")).document
        assert (outages["total"], outages["next"]) == (1, None)
        assert (outages["outages"][0]["id"], outages["outages"][0]["result"]) == (1, "recovered")
        assert (await browser.ask("/api/outages?before=1")).document["outages"] == []
        (offline,) = [
            one for one in (await browser.ask("/api/decisions?instance=link")).document["decisions"]
            if one["transitions"][0]["dest"] == "OFFLINE"
        ]  # fmt: skip
        explained = (await browser.ask(f"/api/decisions/{offline['seq']}")).document
        assert (explained["of"], explained["seq"]) == ("event", offline["seq"])
        assert explained["decisions"][0]["guards"] and explained["evidence"]

    assert serve(state, story) == []


def test_what_is_long_is_packed_for_those_who_take_that(state: Path) -> None:
    async def story(browser: Browser) -> None:
        plain = await browser.ask("/api/decisions")
        packed = await browser.ask("/api/decisions", accept_encoding="gzip")
        assert "content-encoding" not in plain.fields
        assert (packed.fields["content-encoding"], gzip.decompress(packed.body)) == ("gzip", plain.body)

    assert serve(state, story) == []

"""Server-sent events: each browser gets every decision once, in order, whatever the file and the browser do."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from tests.fakes.charts import real_charts
from tests.fakes.memories import DOWN, UP, live_through_an_outage, rounds, start
from tests.fakes.mornings import at
from tests.web.pages import PATIENCE, Browser, Stream, serve

from connmon_agent.cli.web_views import FileViews
from connmon_agent.core.engine import Engine
from connmon_agent.core.events import Event
from connmon_agent.errors import StoreError
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.following import Follower
from connmon_agent.store.journal import SqliteJournal
from connmon_agent.web import feed
from connmon_agent.web.views import StateView


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "POLL", 0.01)


class Writer:
    """Commits as an agent does, beside the page."""

    def __init__(self, folder: Path) -> None:
        self._engine = Engine(real_charts())
        self.journal = SqliteJournal.open(
            folder / DATABASE_FILE, boottime=lambda: 50.0, boot_id="boot-1", wall=lambda: at(0).wall
        )
        for name, chart in real_charts().items():
            self.journal.save_chart(name, chart.sha256, chart.text)

    def take(self, *events: Event) -> None:
        for event in events:
            world = self.journal.load()
            step = self._engine.step(world, event)
            if step.changes(world):
                self.journal.commit(event, step)


@asynccontextmanager
async def writing(folder: Path) -> AsyncIterator[Writer]:
    writer = Writer(folder)
    try:
        yield writer
    finally:
        writer.journal.close()


async def numbers(stream: Stream, until: int) -> list[int]:
    found: list[int] = []
    while not found or found[-1] < until:
        event = await stream.next("decision")
        assert event.seq == event.data["seq"]
        found.append(event.data["seq"])
    return found


def online(first: int = 1) -> Iterator[Event]:
    return rounds(UP, first, first + 1, first + 2)


def test_the_state_comes_first_and_each_decision_as_it_is_committed(tmp_path: Path) -> None:
    async def story(browser: Browser) -> None:
        async with writing(tmp_path) as writer:
            writer.take(*start(0))
            async with browser.watch() as stream:
                assert "text/event-stream" in stream.head
                assert "X-Accel-Buffering: no" in stream.head and "Cache-Control: no-store" in stream.head
                first = await stream.next()
                assert (first.kind, first.data["headline"]["word"], first.seq) == ("state", "UNKNOWN", None)
                writer.take(*online())
                event = await stream.next("decision")
                assert [one["dest"] for one in event.data["transitions"]] == ["ONLINE"]
                assert (await stream.next("state")).data["link"]["state"] == "ONLINE"
                writer.take(*rounds(DOWN, 12, 13, 14))
                dests = []
                while "OFFLINE" not in dests:
                    dests += [one["dest"] for one in (await stream.next("decision")).data["transitions"]]
                assert (await stream.next("state")).data["outage"]["id"] == 1

    assert serve(tmp_path, story) == []


def test_a_browser_that_was_away_gets_what_it_missed_once(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)

    async def story(browser: Browser) -> None:
        newest = (await browser.ask("/api/state")).document["seq"]
        every = [one["seq"] for one in (await browser.ask("/api/decisions?limit=200")).document["decisions"]][::-1]
        for target, fields in (
            ("/api/stream?after=3", {}),
            ("/api/stream", {"last_event_id": "3"}),
            ("/api/stream?after=0", {"last_event_id": "3"}),
        ):
            async with browser.watch(target, **fields) as stream:
                assert (await stream.next()).kind == "state"
                assert await numbers(stream, every[-1]) == [seq for seq in every if seq > 3]
        async with writing(tmp_path) as writer, browser.watch(f"/api/stream?after={newest}") as stream:
            assert (await stream.next()).kind == "state"
            writer.take(*rounds(DOWN, 300, 301, 302))
            assert (await numbers(stream, newest + 1))[0] > newest

    assert serve(tmp_path, story) == []


@pytest.mark.parametrize("after", [0, 10**9])
def test_one_that_is_too_far_behind_or_ahead_begins_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    monkeypatch.setattr(feed, "MOST_BEHIND", 5)
    live_through_an_outage(tmp_path)

    async def story(browser: Browser) -> None:
        newest = (await browser.ask("/api/state")).document["seq"]
        async with writing(tmp_path) as writer, browser.watch(f"/api/stream?after={after}") as stream:
            assert (await stream.next("reset")).data == {"seq": newest}
            writer.take(*rounds(DOWN, 300, 301))
            assert (await stream.next("decision")).seq == newest + 1

    assert serve(tmp_path, story) == []


@pytest.mark.linux_alone(reason="Windows replaces no file that is open")
def test_another_file_in_its_place_begins_anew(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    other = tmp_path / "other"
    other.mkdir()

    async def story(browser: Browser) -> None:
        async with browser.watch() as stream:
            assert (await stream.next()).kind == "state"
            async with writing(other) as writer:
                writer.take(*start(0))
            for path in tmp_path.glob(f"{DATABASE_FILE}*"):
                path.unlink()
            (other / DATABASE_FILE).rename(tmp_path / DATABASE_FILE)
            found = await stream.next("reset")
            assert found.data["seq"] < 5

    assert serve(tmp_path, story) == []


def test_a_file_that_cannot_be_read_is_told_and_its_return_too(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)

    class Failing(FileViews):
        broken = False

        def state(self) -> Any:
            if self.broken:
                raise StoreError("the disk reported an error", hint="Check it")
            return super().state()

    views = Failing(tmp_path / DATABASE_FILE, orders=False)

    async def story(browser: Browser) -> None:
        async with writing(tmp_path) as writer, browser.watch() as stream:
            assert (await stream.next()).kind == "state"
            views.broken = True
            writer.take(*rounds(DOWN, 300))
            trouble = await stream.next("trouble")
            assert trouble.data == {"message": "the disk reported an error", "hint": "Check it"}
            views.broken = False
            writer.take(*rounds(DOWN, 301))
            assert (await stream.next("state", "decision")).kind in ("state", "decision")

    assert serve(tmp_path, story, views=views) == []


def test_silence_is_filled_with_comments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "BEAT", 0.02)

    async def story(browser: Browser) -> None:
        async with browser.watch() as stream:
            assert (await stream.next()).kind == "state"
            assert (await stream.next("comment")).data == "still here"
            assert (await stream.next("alive")).data == {}

    assert serve(tmp_path, story) == []


def test_who_takes_nothing_is_let_go_and_delays_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "MOST_WAITING", 2)
    live_through_an_outage(tmp_path)

    async def story(browser: Browser) -> None:
        _, stuck = await browser.connect("/api/stream")  # it is never read, and its buffers fill
        async with writing(tmp_path) as writer, browser.watch() as stream:
            newest = (await stream.next("state")).data["seq"]
            for second in range(300, 340):
                writer.take(*rounds(DOWN if second % 2 else UP, second))
            writer.take(*rounds(DOWN, 400, 401, 402, 403))
            assert (await stream.next("decision", "reset")).data["seq"] > newest
        stuck.close()

    assert serve(tmp_path, story) == []


def test_fifty_streams_end_with_the_server(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)

    async def story(browser: Browser) -> None:
        async with AsyncExitStack() as stack:
            streams = [await stack.enter_async_context(browser.watch()) for _ in range(50)]
            for stream in streams:
                assert (await stream.next()).kind == "state"
            assert browser.page is not None
            await browser.page.close()
            for stream in streams:
                assert await stream.ends()

    assert serve(tmp_path, story) == []


@pytest.mark.parametrize("ends", ["the server", "the last browser"])
def test_the_file_is_never_let_go_of_during_a_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: str) -> None:
    live_through_an_outage(tmp_path)
    looking, goes_on = threading.Event(), threading.Event()
    happened: SimpleQueue[str] = SimpleQueue()

    class Slow(Follower):
        def look(self) -> object:
            looking.set()
            goes_on.wait(PATIENCE)
            happened.put("looked")
            return None

        def close(self) -> None:
            happened.put("closed")

    monkeypatch.setattr(feed, "Follower", Slow)

    async def story(browser: Browser) -> None:
        assert browser.page is not None
        async with browser.watch() as stream:
            assert (await stream.next()).kind == "state"
            await asyncio.to_thread(looking.wait, PATIENCE)
            if ends == "the server":
                ending = asyncio.create_task(browser.page.close())
                assert await stream.ends()
        goes_on.set()
        if ends == "the server":
            await ending
        order = [await asyncio.to_thread(happened.get, timeout=PATIENCE) for _ in range(2)]
        assert order[0] == "looked"
        while order[-1] == "looked":  # it goes on looking until it hears that the last one has gone
            order.append(await asyncio.to_thread(happened.get, timeout=PATIENCE))
        assert order[-1] == "closed"

    assert serve(tmp_path, story) == []


def test_a_stream_that_begins_while_the_server_ends_ends_with_it(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    held, goes_on = threading.Event(), threading.Event()

    class Held(FileViews):
        holds = False

        def state(self) -> StateView:
            if self.holds:
                held.set()
                goes_on.wait(PATIENCE)
            return super().state()

    views = Held(tmp_path / DATABASE_FILE, orders=False)

    async def story(browser: Browser) -> None:
        assert browser.page is not None
        async with browser.watch() as first, browser.watch() as second:
            assert (await first.next()).kind == "state"
            assert (await second.next()).kind == "state"
            views.holds = True
            async with browser.watch() as late:
                await asyncio.to_thread(held.wait, PATIENCE)
                ending = asyncio.create_task(browser.page.close())
                assert await first.ends() and await second.ends()
                goes_on.set()
                assert await late.ends()
            await ending

    assert serve(tmp_path, story, views=views) == []


def test_the_file_is_let_go_of_once_the_last_one_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live_through_an_outage(tmp_path)
    closed: SimpleQueue[None] = SimpleQueue()

    class Noting(Follower):
        def close(self) -> None:
            super().close()
            closed.put(None)

    monkeypatch.setattr(feed, "Follower", Noting)

    async def story(browser: Browser) -> None:
        for _ in range(2):
            async with browser.watch() as stream:
                await stream.next()
                while not closed.empty():
                    closed.get()  # it was opened anew
            await asyncio.to_thread(closed.get, timeout=PATIENCE)

    assert serve(tmp_path, story) == []


def test_the_file_is_let_go_of_where_following_it_failed_and_nobody_watches_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live_through_an_outage(tmp_path)
    looked, closed = threading.Event(), threading.Event()

    class Failing(Follower):
        def look(self) -> object:
            looked.set()
            raise RuntimeError("boom")

        def close(self) -> None:
            closed.set()

    monkeypatch.setattr(feed, "Follower", Failing)

    async def story(browser: Browser) -> None:
        async with browser.watch() as stream:
            await stream.next()
            await asyncio.to_thread(looked.wait, PATIENCE)
        assert await asyncio.to_thread(closed.wait, PATIENCE)

    assert {str(error) for error in serve(tmp_path, story)} == {"boom"}

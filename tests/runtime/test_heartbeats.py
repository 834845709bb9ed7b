"""The heartbeat: when it is sent, and when silence is what another machine is to notice."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.http_sinks import Reply, serve_http
from tests.fakes.loopback import answer_with, closed_port, serve_tcp
from tests.fakes.mail_sinks import AUTHORITY, server_context
from tests.fakes.virtual_time import SimulatedClock, run_virtually

from connmon_agent.runtime.heartbeats import FAIL, START, WELL, Heartbeat, Heartbeats
from connmon_agent.runtime.pinging import Pinger, add_to_url
from connmon_agent.settings import HeartbeatSettings

INTERVAL = 60.0


@dataclass(slots=True)
class Receiver:
    """Takes pings, each with the time of the loop; ``reasons`` are given in turn for why one did not arrive."""

    reasons: Iterator[str | None] = field(default_factory=lambda: cycle([None]))
    pings: list[tuple[float, str]] = field(default_factory=list)

    async def __call__(self, what: str) -> str | None:
        self.pings.append((asyncio.get_running_loop().time(), what))
        return next(self.reasons)

    @property
    def words(self) -> list[str]:
        return [what for _, what in self.pings]


@dataclass(slots=True)
class Site:
    """An agent that records every ``every`` seconds, until ``works`` is False; ``failing``: it says why it does not."""

    every: float = 2.0
    works: bool = True
    failing: bool = False
    recorded: int = 0
    said: list[str] = field(default_factory=list)

    async def record(self) -> None:
        while True:
            await asyncio.sleep(self.every)
            self.recorded += self.works


@contextmanager
def beating(
    site: Site, receiver: Receiver, *, interval: float = INTERVAL, jitter: Callable[[], float] = lambda: 0.5
) -> Iterator[Heartbeat]:
    heartbeat = Heartbeat(
        receiver,
        interval,
        clock=SimulatedClock(),
        recorded=lambda: site.recorded,
        is_failing=lambda: site.failing,
        tell=site.said.append,
        jitter=jitter,
    )
    tasks = [asyncio.ensure_future(work()) for work in (site.record, heartbeat.run)]
    try:
        yield heartbeat
    finally:
        for task in tasks:
            task.cancel()


def live(site: Site, receiver: Receiver, seconds: float, interval: float = INTERVAL) -> Heartbeat:
    async def run() -> Heartbeat:
        with beating(site, receiver, interval=interval) as heartbeat:
            await asyncio.sleep(seconds)
        return heartbeat

    return run_virtually(run())


def test_a_run_begins_with_start_and_goes_on_every_interval() -> None:
    receiver = Receiver()
    live(Site(), receiver, 200)
    assert receiver.pings == [(0.0, START), (60.0, WELL), (120.0, WELL), (180.0, WELL)]


def test_an_agent_that_records_nothing_is_silent_until_it_does() -> None:
    site, receiver = Site(), Receiver()

    async def run() -> None:
        with beating(site, receiver):
            await asyncio.sleep(100)
            site.works = False  # hung: nothing says so
            await asyncio.sleep(3600)
            site.works = True
            await asyncio.sleep(10)

    run_virtually(run())
    assert receiver.words == [START, WELL, WELL, WELL]
    assert [at for at, _ in receiver.pings[:3]] == [0.0, 60.0, 120.0], "of what was recorded before it hung"
    assert 3700 < receiver.pings[3][0] < 3705


def test_a_state_file_that_cannot_be_written_is_said_once() -> None:
    site, receiver = Site(), Receiver()

    async def run() -> None:
        with beating(site, receiver):
            await asyncio.sleep(61)
            site.works, site.failing = False, True
            await asyncio.sleep(600)
            site.works, site.failing = True, False
            await asyncio.sleep(61)

    run_virtually(run())
    assert receiver.words == [START, WELL, FAIL, WELL]


@given(
    st.floats(15.0, 120.0),
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5),
    st.floats(0.5, 100.0),
    st.lists(st.booleans(), min_size=1, max_size=5),
)
def test_never_more_than_five_in_a_minute(
    interval: float, jitters: list[float], every: float, troubles: list[bool]
) -> None:
    site, receiver, given_jitters = Site(every), Receiver(), cycle(jitters)

    async def run() -> None:
        with beating(site, receiver, interval=interval, jitter=lambda: next(given_jitters)):
            for failing in troubles:
                site.works, site.failing = not failing, failing
                await asyncio.sleep(77)

    run_virtually(run())
    times = [at for at, _ in receiver.pings]
    assert all(later - earlier >= 60.0 for earlier, later in zip(times, times[5:], strict=False))


def test_pings_are_counted_and_the_log_says_only_what_changes() -> None:
    site = Site()
    receiver = Receiver(iter([None, "no route", "no route", "no route", None, None]))
    heartbeat = live(site, receiver, 5 * INTERVAL + 1)
    assert (heartbeat.sent, heartbeat.failed) == (3, 3)
    assert site.said == ["heartbeat: delivered", "heartbeat: not delivered: no route", "heartbeat: delivered"]


def test_a_reload_begins_another_run_only_where_it_is_another_heartbeat() -> None:
    begun: list[HeartbeatSettings] = []
    receivers: list[Receiver] = []

    async def run() -> None:
        clock = SimulatedClock()

        def begin(settings: HeartbeatSettings) -> Heartbeat:
            begun.append(settings)
            receivers.append(Receiver())
            return Heartbeat(
                receivers[-1],
                settings.interval,
                clock=clock,
                recorded=iter(range(999)).__next__,
                is_failing=lambda: False,
                tell=lambda text: None,
            )

        heartbeats = Heartbeats(begin)
        first, second = HeartbeatSettings(url="http://a/"), HeartbeatSettings(url="http://b/")
        for settings in (None, first, first, second, None):
            heartbeats.follow(settings)
            await asyncio.sleep(1)
        await asyncio.sleep(600)
        assert heartbeats.pings == (2, 0)
        heartbeats.close()

    run_virtually(run())
    assert [settings.url for settings in begun] == ["http://a/", "http://b/"]
    assert [receiver.words for receiver in receivers] == [[START], [START]]


def ping(settings: HeartbeatSettings, *whats: str, timeout: float = 60.0) -> list[str | None]:
    async def run() -> list[str | None]:
        pinger = Pinger(settings, environment={}, timeout=timeout)
        return [await pinger(what) for what in whats]

    return asyncio.run(run())


def test_the_protocol_is_healthchecks() -> None:
    with serve_http() as sink:
        assert ping(HeartbeatSettings(url=sink.url("/uuid/")), START, WELL, FAIL) == [None] * 3
    asked = [urlsplit(request.path) for request in sink.requests]
    assert [request.method for request in sink.requests] == ["GET"] * 3
    assert [parts.path for parts in asked] == ["/uuid/start", "/uuid", "/uuid/fail"]
    assert len({parse_qs(parts.query)["rid"][0] for parts in asked}) == 1


def test_a_query_stays() -> None:
    assert add_to_url("https://h/a?b=c", "/start", "r") == "https://h/a/start?b=c&rid=r"


def test_a_ping_that_does_not_arrive_says_why_and_nothing_of_the_secret(tmp_path: Path) -> None:
    file = tmp_path / "url"
    with serve_http(Reply(404)) as sink, closed_port() as closed:
        assert ping(HeartbeatSettings(url=sink.url()), WELL) == ["HTTP 404"]
        file.write_text(f"http://127.0.0.1:{closed}/s3cr3t", encoding="utf-8")
        assert ping(HeartbeatSettings(url_file=file), WELL) == ["connection refused"]
    file.write_text("s3cr3t", encoding="utf-8")
    for settings in (HeartbeatSettings(url_file=file), HeartbeatSettings(url_file=tmp_path / "missing")):
        (reason,) = ping(settings, WELL)
        assert reason is not None
        assert reason.startswith("url_file")
        assert "s3cr3t" not in reason


def test_a_server_that_the_lean_context_does_not_trust_is_asked_by_the_full_one_from_then_on() -> None:
    made: list[str] = []

    def make(name: str, authority: Path | None) -> ssl.SSLContext:
        made.append(name)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if authority is not None:
            context.load_verify_locations(cafile=authority)
        return context

    async def run() -> list[str | None]:
        answer = answer_with(b"HTTP/1.1 200 OK\r\n\r\n")
        async with serve_tcp(answer, context=server_context()) as port:
            pinger = Pinger(
                HeartbeatSettings(url=f"https://127.0.0.1:{port}/"),
                environment={},
                timeout=60.0,
                lean=lambda: make("lean", None),
                full=lambda: make("full", AUTHORITY),
            )
            return [await pinger(START), await pinger(WELL)]

    assert asyncio.run(run()) == [None, None]
    assert made == ["lean", "full"]

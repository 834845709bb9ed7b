"""Metrics and health beside a running loop, beside one that hangs, and over reloads."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from tests.fakes.virtual_time import until
from tests.fakes.wine import on_wine
from tests.metrics.observations import old_site

from connmon_agent import supervision
from connmon_agent.metrics.catalog import Observed
from connmon_agent.metrics.health import Check
from connmon_agent.runtime import monitoring_server
from connmon_agent.runtime.monitoring import Monitoring
from connmon_agent.runtime.monitoring_server import Endpoints, MonitoringServer
from connmon_agent.settings import MetricsSettings

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def fetch(port: int, path: str, accept: str = "*/*") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    try:
        with OPENER.open(request, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture(autouse=True)
def _machine_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the loop answers a scrape, and the thread ends, is no question of this machine's speed."""
    for name in ("SCRAPE_PATIENCE", "PATIENCE"):
        monkeypatch.setattr(monitoring_server, name, 60.0)


class Place:
    """A Monitoring whose agent is ``old_site``."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.checks = [Check("journal", None)]
        self.mistake: Exception | None = None
        endpoints = partial(Endpoints, observe=self._observe, alive=list, ready=lambda: self.checks)
        self.monitoring = Monitoring(
            lambda listen: MonitoringServer(
                listen, endpoints, tell=lambda level, text: self.said.append(f"{level}: {text}")
            )
        )

    def _observe(self, lag: float) -> Observed:
        if self.mistake is not None:
            raise self.mistake
        return old_site()

    async def serve(self, port: int) -> int:
        await self.monitoring.follow(MetricsSettings(("127.0.0.1", port)))
        return await self.port()

    async def port(self) -> int:
        server = self.monitoring.server
        assert server is not None
        await until(lambda: server.port is not None)
        assert server.port is not None
        return server.port


def live(story: Callable[[Place], Awaitable[None]]) -> Place:
    async def life() -> Place:
        place = Place()
        try:
            await story(place)
        finally:
            await place.monitoring.close()
        return place

    return asyncio.run(life())


def test_metrics_are_served_in_the_format_that_is_asked_for() -> None:
    async def story(place: Place) -> None:
        port = await place.serve(0)
        status, text = await asyncio.to_thread(fetch, port, "/metrics")
        assert status == 200 and 'connmon_outages_total{cause="gateway"} 2\n' in text
        status, text = await asyncio.to_thread(fetch, port, "/metrics", "application/openmetrics-text;version=1.0.0")
        assert text.endswith("# EOF\n")
        assert (await asyncio.to_thread(fetch, port, "/nothing"))[0] == 404

    (said,) = live(story).said
    assert said.startswith("info: serving metrics and health on 127.0.0.1:")


def test_health_tells_of_the_loop_and_readiness_of_the_rest_too() -> None:
    async def story(place: Place) -> None:
        port = await place.serve(0)
        place.checks = [Check("journal", "disk full")]
        assert await asyncio.to_thread(fetch, port, "/livez") == (200, "ok")
        assert await asyncio.to_thread(fetch, port, "/healthz?verbose") == (200, "[+]loop ok\nlivez check passed\n")
        assert (await asyncio.to_thread(fetch, port, "/readyz"))[0] == 503
        assert await asyncio.to_thread(fetch, port, "/readyz?exclude=journal") == (200, "ok")

    live(story)


def test_a_loop_that_hangs_is_told_of_from_outside_it_until_it_turns_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop is held for as long as the answers take, however slow the machine."""
    monkeypatch.setattr(monitoring_server, "HUNG", 0.2)
    answers: list[tuple[int, str]] = []
    asked = threading.Event()

    def ask(port: int) -> None:
        for _ in range(2):  # the second one need not wait any more
            answers.append(fetch(port, "/livez"))
        asked.set()

    async def story(place: Place) -> None:
        port = await place.serve(0)
        asking = threading.Thread(target=ask, args=(port,))
        asking.start()
        asked.wait()  # holds the loop
        asking.join()
        monkeypatch.setattr(monitoring_server, "HUNG", 60.0)
        assert (await asyncio.to_thread(fetch, port, "/livez")) == (200, "ok")

    live(story)
    assert [status for status, _ in answers] == [503, 503]
    assert "[-]loop failed: the event loop has been blocked for" in answers[0][1]


def test_a_port_that_is_taken_is_told_once_and_had_as_soon_as_it_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring_server, "RETRY", 0.01)

    async def story(place: Place) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = int(other.getsockname()[1])
            await place.monitoring.follow(MetricsSettings(("127.0.0.1", port)))
            await until(lambda: place.said != [])
            assert await place.monitoring.find_trouble() == place.said[0].removeprefix("error: ")
            await asyncio.sleep(0.05)
        assert await place.port() == port
        assert await place.monitoring.find_trouble() is None
        assert (await asyncio.to_thread(fetch, port, "/livez"))[0] == 200
        await until(lambda: len(place.said) == 2)
        assert place.said[0].startswith(f"error: metrics cannot be served on 127.0.0.1:{port}: ")
        holder = "a hidden process" if on_wine() else rf".* \(pid {os.getpid()}\)"
        assert re.search(rf"in use by {holder}; retry every", place.said[0])
        assert place.said[1] == f"info: serving metrics and health on 127.0.0.1:{port}"

    live(story)


def test_that_a_port_is_taken_is_told_before_its_holder_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = threading.Event()
    monkeypatch.setattr(monitoring_server, "PATIENCE", 0.2)
    monkeypatch.setattr(monitoring_server, "find_owners", lambda ports: found.wait(30) and {})

    async def story(place: Place) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = int(other.getsockname()[1])
            await place.monitoring.follow(MetricsSettings(("127.0.0.1", port)))
            told = await place.monitoring.find_trouble()
            found.set()
        assert told is not None and told.startswith(f"metrics cannot be served on 127.0.0.1:{port}: ")
        assert told.endswith(" Check metrics.listen") and "in use by" not in told

    live(story)


def test_a_reload_moves_it_and_turns_it_off() -> None:
    async def story(place: Place) -> None:
        first = await place.serve(free_port())
        server = place.monitoring.server
        await place.monitoring.follow(MetricsSettings(("127.0.0.1", first)))
        assert place.monitoring.server is server  # nothing changed: nobody is cut off
        second = await place.serve(free_port())
        with pytest.raises(urllib.error.URLError):
            await asyncio.to_thread(fetch, first, "/livez")
        assert (await asyncio.to_thread(fetch, second, "/livez"))[0] == 200
        await place.monitoring.follow(MetricsSettings())
        assert place.monitoring.server is None
        with pytest.raises(urllib.error.URLError):
            await asyncio.to_thread(fetch, second, "/livez")

    live(story)


def test_a_server_that_waits_for_its_port_can_be_ended() -> None:
    async def story(place: Place) -> None:
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            await place.monitoring.follow(MetricsSettings(("127.0.0.1", int(other.getsockname()[1]))))
            await until(lambda: place.said != [])
            began = time.monotonic()
            await place.monitoring.close()
            assert time.monotonic() - began < monitoring_server.RETRY

    live(story)
    assert not [thread for thread in threading.enumerate() if thread.name == "metrics"]


def test_a_mistake_costs_one_answer_and_is_reported_on_the_agents_loop() -> None:
    reported: list[str] = []

    async def story(place: Place) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["message"]))
        port = await place.serve(0)
        place.mistake = KeyError("web")
        assert (await asyncio.to_thread(fetch, port, "/metrics"))[0] == 500
        place.mistake = None
        assert (await asyncio.to_thread(fetch, port, "/metrics"))[0] == 200
        await until(lambda: reported != [])

    live(story)
    assert reported == ["serve metrics failed"]


def test_an_address_that_this_machine_does_not_have_is_named() -> None:
    async def story(place: Place) -> None:
        await place.monitoring.follow(MetricsSettings(("192.0.2.99", 9180)))
        await until(lambda: place.said != [])

    (said,) = live(story).said
    assert said.startswith("error: metrics cannot be served on 192.0.2.99:9180: ")
    words = said.partition("9180: ")[2].partition("; retry every 30 s")[0]
    assert words == "Cannot assign requested address" if sys.platform != "win32" else words not in ("", "Unknown error")


def test_a_server_that_dies_is_reported_and_serves_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread has a loop of its own: no other one would begin it again."""
    monkeypatch.setattr(supervision, "FIRST_PAUSE", 0.0)
    reports: list[BaseException] = []
    failing = [True]
    listen = monitoring_server.HttpServer.listen

    def fail_once(server: monitoring_server.HttpServer, address: str, port: int) -> int:
        if failing and failing.pop():
            raise KeyError("web")
        return listen(server, address, port)

    async def story(place: Place) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: reports.append(context["exception"]))
        monkeypatch.setattr(monitoring_server.HttpServer, "listen", fail_once)
        port = await place.serve(0)
        assert (await asyncio.to_thread(fetch, port, "/livez"))[0] == 200
        assert [type(error) for error in reports] == [KeyError]

    live(story)

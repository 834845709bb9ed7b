"""The pause of a failing upstream, and what shares it: requests of the API and runs of credential plugins."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.fakes.kube_sites import PATIENT, http, local, speak, write_kubeconfig
from tests.fakes.loopback import Handler, closed_port, serve_tcp

from connmon_agent.errors import ClusterError
from connmon_agent.kube.backoffs import Backoff, TooEarly
from connmon_agent.kube.client import KubernetesClient
from connmon_agent.kube.exchanges import Exchange
from connmon_agent.kube.requests import get
from connmon_agent.settings import KubernetesSettings

FAILED = ClusterError("unreachable", "no", hint="look")
VERSION = get("/version", None)


@dataclass
class Steady:
    """A clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def admitted(backoff: Backoff, clock: Steady, seconds: float, *, step: float = 1 / 64) -> Iterator[float]:
    """The times at which an attempt may begin, for somebody who asks all the time and always fails."""
    end = clock.now + seconds
    while clock.now < end:
        try:
            backoff.admit()
        except TooEarly:
            pass
        else:
            yield clock.now
            backoff.fail(FAILED)
        clock.now += step


def test_pauses_double_up_to_the_longest_and_never_more() -> None:
    clock = Steady()
    times = list(admitted(Backoff(first=0.125, longest=1.0, now=clock, jitter=lambda: 1.0), clock, 10.0))
    pauses = [later - earlier for earlier, later in pairwise(times)]
    assert pauses[:4] == [0.125, 0.25, 0.5, 1.0]
    assert set(pauses[4:]) == {1.0}


def test_pauses_of_a_long_failure_are_longer() -> None:
    clock = Steady()
    times = list(admitted(Backoff(first=0.125, longest=0.5, now=clock, jitter=lambda: 1.0), clock, 120.0))
    pauses = {round(later - earlier, 3) for earlier, later in pairwise(time for time in times if time >= 61.5)}
    assert pauses == {1.5}


def test_jitter_takes_up_to_half() -> None:
    clock = Steady()
    times = list(admitted(Backoff(first=1.0, longest=1.0, now=clock, jitter=lambda: 0.0), clock, 3.0))
    assert [later - earlier for earlier, later in pairwise(times)] == [0.5] * 5


def test_failures_of_attempts_that_were_under_way_together_count_once() -> None:
    clock = Steady()
    backoff = Backoff(now=clock, jitter=lambda: 1.0)
    for _ in range(100):
        backoff.admit()
    for _ in range(100):
        backoff.fail(FAILED)
    clock.now = 0.1
    assert backoff.allows()


def test_a_success_lets_everybody_through() -> None:
    backoff = Backoff(now=Steady())
    backoff.fail(FAILED)
    backoff.succeed()
    for _ in range(3):
        backoff.admit()


def test_a_wish_of_the_server_is_respected() -> None:
    clock = Steady()
    backoff = Backoff(now=clock)
    backoff.fail(ClusterError("throttled", "slow", retry_after=7.0))
    clock.now = 6.9
    assert not backoff.allows()
    clock.now = 7.0
    assert backoff.allows()


def test_whoever_is_too_early_gets_the_last_failure_as_one_that_was_not_delivered() -> None:
    backoff = Backoff(now=Steady())
    backoff.fail(FAILED)
    with pytest.raises(TooEarly) as caught:
        backoff.admit()
    error = caught.value
    assert (error.kind, error.message, error.hint, error.delivered) == ("unreachable", "no", "look", False)


def client_of(folder: Path, server: str, clock: Steady, **user: Any) -> KubernetesClient:
    settings = KubernetesSettings(
        kubeconfig=write_kubeconfig(folder / "c", server, **user), connect_timeout=PATIENT, read_timeout=PATIENT
    )
    return KubernetesClient(settings, temp_dir=folder / "keys", now=lambda: 0.0, steady=clock)


def ask_all_the_time(client: KubernetesClient, clock: Steady, seconds: float) -> int:
    """How many requests were made, of two hundred a second that were wanted."""
    made = 0
    for _ in range(round(seconds * 200)):
        try:
            client.request(VERSION, Exchange())
            made += 1
        except TooEarly:
            pass
        except ClusterError:
            made += 1
        clock.now += 0.005
    return made


HTML = http(b"<html>", content_type="text/html")
UNAUTHORIZED = http(b'{"kind": "Status", "code": 401}', status="401 Unauthorized")


@pytest.mark.parametrize(
    "handler", [speak(), speak(HTML), speak(UNAUTHORIZED), None], ids=["it hangs up", "a portal", "401", "refused"]
)
def test_an_api_server_that_fails_is_asked_a_few_times_a_second(tmp_path: Path, handler: Handler | None) -> None:
    async def scenario() -> int:
        clock = Steady()
        async with contextlib.AsyncExitStack() as stack:
            if handler is None:
                port = stack.enter_context(closed_port())
            else:
                port = await stack.enter_async_context(serve_tcp(handler))
            client = client_of(tmp_path, local(port), clock)
            try:
                return await asyncio.to_thread(ask_all_the_time, client, clock, 10.0)
            finally:
                client.close()

    assert 10 <= asyncio.run(scenario()) <= 60


GIVEN = '{"status": {"token": "abc"%s}}'
EXPIRED = GIVEN % ', "expirationTimestamp": "1960-01-01T00:00:00Z"'


@pytest.mark.linux_alone(reason="a plugin that is a script with #!")
@pytest.mark.parametrize(
    ("printed", "code", "answer"),
    [
        pytest.param("", 1, HTML, id="it fails"),
        pytest.param("hello", 0, HTML, id="it prints no JSON"),
        pytest.param(GIVEN % "", 0, UNAUTHORIZED, id="its token is refused"),
        pytest.param(EXPIRED, 0, http(b"{}"), id="its token has expired already"),
    ],
)
def test_a_credential_plugin_is_not_run_for_every_request(
    tmp_path: Path, printed: str, code: int, answer: bytes
) -> None:
    runs, program = tmp_path / "runs", tmp_path / "plugin"
    program.write_text(f"#!/bin/sh\necho >> {runs}\nprintf '%s' '{printed}'\nexit {code}\n")
    program.chmod(0o700)

    async def scenario() -> None:
        clock = Steady()
        async with serve_tcp(speak(answer)) as port:
            client = client_of(tmp_path, local(port), clock, exec={"command": str(program)})
            for _ in range(60):  # a minute, as its requests are made
                await asyncio.to_thread(ask_all_the_time, client, clock, 0.02)
                clock.now += 0.98
            client.close()

    asyncio.run(scenario())
    assert 1 <= len(runs.read_text().splitlines()) <= 14


def test_another_kubeconfig_is_tried_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        clock = Steady()
        async with serve_tcp(speak(http(b"{}"))) as port:
            client = client_of(tmp_path, local(port), clock, exec={"command": "false"})
            for _ in range(2):
                with pytest.raises(ClusterError, match="plugin"):
                    await asyncio.to_thread(client.request, VERSION, Exchange())
            write_kubeconfig(tmp_path / "c", local(port), token="t")
            assert await asyncio.to_thread(client.request, VERSION, Exchange()) == {}
            client.close()

    asyncio.run(scenario())

from __future__ import annotations

import asyncio
import errno
import gc
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, get_args

import pytest
from tests.fakes.loopback import (
    HOST,
    IMPATIENT,
    PATIENT,
    answer_with,
    closed_port,
    serve_tcp,
    silent_port,
    tls_error,
)
from tests.fakes.virtual_time import let_pass, run_held, run_virtually, until

from connmon_agent.core.link.causes import LAYERS
from connmon_agent.core.observations import Failure
from connmon_agent.ports import Prober
from connmon_agent.probes import PROBES
from connmon_agent.probes.failures import classify_error, explain_error, word_seconds
from connmon_agent.probes.prober import TargetProber
from connmon_agent.settings import EVIDENCE_TARGETS, ApiTarget, HttpTarget, InterfaceTarget, Target, TcpTarget
from connmon_lab.internet import Cut, LoopbackInternet


def test_it_is_a_prober() -> None:
    prober: Prober = TargetProber((), PATIENT)

    assert asyncio.run(prober.probe_all()) == ()


def test_every_kind_of_target_has_its_probe() -> None:
    assert set(PROBES) == {*get_args(Target), ApiTarget}
    assert len({probe.kind for probe in PROBES.values()}) == len(PROBES)


def test_what_counts_is_what_a_verdict_is_made_of() -> None:
    assert {probe.kind for probe in PROBES.values() if probe.counts} == set(LAYERS)
    assert {target for target, probe in PROBES.items() if not probe.counts} == set(EVIDENCE_TARGETS)


def test_one_result_a_target_in_their_order() -> None:
    async def run() -> list[tuple[str, bool, bool]]:
        internet = LoopbackInternet()
        await internet.start()
        with closed_port() as closed:
            targets = (*internet.targets(), TcpTarget(HOST, closed, "closed"), InterfaceTarget("no-such0", "link"))
            results = await TargetProber(targets, PATIENT).probe_all()
        await internet.stop()
        assert [result.name for result in results] == [target.name for target in targets]
        return [(result.kind, result.latency_ms is not None, result.ok) for result in results]

    assert asyncio.run(run()) == [
        ("tcp", True, True),
        ("dns", True, True),
        ("http", True, True),
        ("tcp", False, False),
        ("interface", False, False),
    ]


def test_targets_are_probed_at_once() -> None:
    arrived = asyncio.Barrier(3)

    async def answer_when_all_are_here(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await arrived.wait()
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")

    async def run() -> bool:
        async with serve_tcp(answer_when_all_are_here) as port:
            targets = [HttpTarget(f"http://{HOST}:{port}/{i}", str(i)) for i in range(3)]
            return all(result.ok for result in await TargetProber(targets, PATIENT).probe_all())

    assert asyncio.run(run())


def test_a_silent_target_does_not_hold_up_the_verdict_on_another() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answer_with(b"HTTP/1.1 200 OK\r\n\r\n")(reader, writer)
        try:
            await reader.read()  # the probe has its verdict, and hangs up
        finally:
            let_pass(3.0)

    async def run() -> list[str | None]:
        async with serve_tcp(answer) as port:
            with silent_port() as silent:
                targets = [TcpTarget(HOST, silent, "silent"), HttpTarget(f"http://{HOST}:{port}/", "good")]
                return [result.reason for result in await TargetProber(targets, 3.0).probe_all()]

    assert run_held(run()) == ["no answer within 3 s", None]


def test_a_round_can_be_cut_shorter_than_the_timeout_but_not_longer() -> None:
    async def run(timeout: float, patience: float) -> str | None:
        with silent_port() as silent:
            (result,) = await TargetProber([TcpTarget(HOST, silent, "silent")], timeout).probe_all(patience=patience)
            return result.reason

    assert run_virtually(run(PATIENT, 0.05)) == "no answer within 50 ms"
    assert run_virtually(run(0.05, PATIENT)) == "no answer within 50 ms"


def test_a_mistake_of_a_probe_costs_a_target_and_not_the_agent() -> None:
    def forget_the_address(host: bytes, port: int, *, type: int) -> list[Any]:
        return [()]

    prober = TargetProber([TcpTarget("example.com", 80, "web")], PATIENT, resolve=forget_the_address)
    (result,) = asyncio.run(prober.probe_all())

    assert (result.ok, result.reason) == (False, "internal probe error: IndexError: tuple index out of range")
    assert result.failure is Failure.BROKEN


def test_a_suspect_kind_gets_new_lookups_and_new_authorities() -> None:
    released, asked, trusted = threading.Event(), [], []

    def hang_once(host: bytes, port: int, *, type: int) -> list[Any]:
        asked.append(host)
        if len(asked) == 1:
            released.wait(PATIENT)
        return []

    def trust() -> ssl.SSLContext:
        trusted.append("again")
        return ssl.create_default_context()

    async def run() -> list[tuple[str | None, Failure | None]]:
        prober = TargetProber([TcpTarget("example.com", 80, "web")], PATIENT, resolve=hang_once, trust=trust)
        found = [await prober.probe_all(patience=IMPATIENT), await prober.probe_all(patience=IMPATIENT)]
        prober.renew(["http"])
        found.append(await prober.probe_all(patience=IMPATIENT))
        await until(lambda: asked)
        prober.renew(["tcp"])
        found.append(await prober.probe_all())
        released.set()
        return [(result.reason, result.failure) for (result,) in found]

    silent = ("the system's resolver did not answer within 50 ms", Failure.NAME)
    assert asyncio.run(run()) == [silent] * 3 + [('the name "example.com" has no address', Failure.NAME)]
    assert len(asked) == 2 and trusted == []


@pytest.mark.parametrize(
    ("family", "reason"), [("ipv4", None), ("ipv6", 'the name "v4.localhost" has no IPv6 address')]
)
def test_a_target_is_held_to_its_family(family: str, reason: str | None) -> None:
    async def run() -> list[tuple[str | None, str | None]]:
        async with serve_tcp(lambda reader, writer: reader.read()) as port:
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (HOST, port))]
            targets = [TcpTarget("v4.localhost", port, "held", family)]
            prober = TargetProber(targets, PATIENT, resolve=lambda host, port, type: found)
            return [(result.family, result.reason) for result in await prober.probe_all()]

    assert asyncio.run(run()) == [(family, reason)]


def test_the_api_server_answers_when_it_accepts() -> None:
    async def run() -> list[tuple[str, bool, Failure | None]]:
        with closed_port() as closed:
            async with serve_tcp(lambda reader, writer: reader.read()) as port:
                targets = [ApiTarget(HOST, port, "there"), ApiTarget(HOST, closed, "gone")]
                results = await TargetProber(targets, PATIENT).probe_all()
        return [(result.kind, result.ok, result.failure) for result in results]

    assert asyncio.run(run()) == [("api", True, None), ("api", False, Failure.REFUSED)]


def test_closing_ends_the_round_under_way_without_a_verdict() -> None:
    async def run() -> None:
        with silent_port() as silent:
            prober = TargetProber([TcpTarget(HOST, silent, "silent")], PATIENT)
            round_ = asyncio.create_task(prober.probe_all())
            await asyncio.sleep(0)
            await prober.close()
            with pytest.raises(asyncio.CancelledError):
                await round_

    asyncio.run(run())


def test_a_cancelled_round_leaves_no_task_and_no_socket() -> None:
    async def run() -> None:
        internet = LoopbackInternet()
        await internet.start()
        await internet.cut(Cut.DROP)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(IMPATIENT):
                await TargetProber(internet.targets(), PATIENT).probe_all()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await internet.stop()

    asyncio.run(run())
    gc.collect()  # a socket left open warns, and a warning is an error


def test_probing_over_http_does_not_load_a_web_framework() -> None:
    program = (
        "import asyncio, sys; from connmon_agent.probes.prober import TargetProber; "
        "from connmon_agent.settings import HttpTarget; "
        "asyncio.run(TargetProber([HttpTarget('http://127.0.0.1:9/', 'web')], 1.0).probe_all()); "
        "print({'aiohttp', 'encodings.idna', 'email', 'http.client', 'urllib.request'} & set(sys.modules))"
    )
    root = Path(__file__).parents[2] / "agent"
    ended = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)

    assert ended.stdout == "set()\n"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "network is unreachable"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route to the host"),
        (ConnectionRefusedError(), "connection refused"),
        (ConnectionResetError("Connection lost"), "connection reset"),
        (OSError(errno.ETIMEDOUT, "Connection timed out"), "no answer: connection timed out"),
        (OSError(24, "Too many open files"), "the agent has too many open files"),
        (OSError(5, "Input/output error"), "input/output error"),
        (OSError("Something Else"), "something else"),
        (OSError(), "oserror"),
    ],
)
def test_an_error_of_the_system_in_words(error: OSError, words: str) -> None:
    assert explain_error(error) == words


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), Failure.REFUSED),
        (ConnectionResetError("Connection lost"), Failure.REFUSED),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol"), Failure.REFUSED),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), Failure.WRONG),
        (tls_error(ssl.SSLCertVerificationError, verify_code=62), Failure.WRONG),  # of another name
        (tls_error(ssl.SSLCertVerificationError, verify_code=10), Failure.DECLINED),  # has expired
        (tls_error(ssl.SSLCertVerificationError, verify_code=9), Failure.DECLINED),  # is not valid yet
        (tls_error(ssl.SSLError, reason="WRONG_VERSION_NUMBER"), Failure.WRONG),  # plain HTTP
        (tls_error(ssl.SSLError, reason="TLSV1_ALERT_INTERNAL_ERROR"), Failure.DECLINED),
        (OSError(errno.ENETUNREACH, ""), Failure.UNREACHABLE),
        (OSError(errno.EHOSTUNREACH, ""), Failure.UNREACHABLE),
        (OSError(errno.EPERM, ""), Failure.UNREACHABLE),
        (OSError(errno.EACCES, ""), Failure.UNREACHABLE),
        (OSError(errno.ETIMEDOUT, ""), Failure.SILENT),
        (OSError(errno.EMFILE, ""), Failure.BROKEN),
        (FileNotFoundError(errno.ENOENT, ""), Failure.BROKEN),
        (OSError(), Failure.BROKEN),
    ],
    ids=lambda value: str(value) if isinstance(value, Failure) else type(value).__name__,
)
def test_what_an_error_says_of_the_link(error: OSError, failure: Failure) -> None:
    assert classify_error(error) is failure


@pytest.mark.parametrize(("seconds", "words"), [(0.05, "50 ms"), (0.3, "300 ms"), (1.0, "1 s"), (2.5, "2.5 s")])
def test_seconds_in_words(seconds: float, words: str) -> None:
    assert word_seconds(seconds) == words

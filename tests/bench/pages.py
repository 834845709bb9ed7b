"""The page's process: memory, its start from a socket, many who watch, and the timeline of a year."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
from tests.bench.agents import BenchError, agent_command, environment
from tests.bench.figures import Figure, Limit
from tests.bench.journals import BOOT_ID, Days, simulate_days, write_journal
from tests.bench.long_years import write_long_year
from tests.bench.replays import MEMORY

from connmon_agent.core.events import RoundFinished
from connmon_agent.core.timestamps import Timestamp
from connmon_agent.core.world import World
from connmon_agent.presence import AgentLock
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal

PATIENCE = 60.0  # seconds
REQUESTS = 500
VIEWERS = 50
WATCHED, ROUND = 30.0, 3.0  # seconds: how long they watch, and how often a round of probes ends
OUTAGES, YEAR = 10_000, 365 * 86_400.0
MEGABYTE = 1024 * 1024
MOST_MEMORY, MOST_PRIVATE, LONGEST_START, MOST_CPU, LONGEST_NEWS = 32.0, 18.0, 500.0, 2.0, 1000.0
LARGEST_YEAR = 200.0  # kB
_MIXED = (
    "/", "/api/state", "/api/decisions", "/api/outages", "/api/timeline?since={since}&until={until}",
    "/api/decisions?instance=grafana&limit=200", "/api/decisions/100", "/api/explain/now",
)  # fmt: skip


class PageProcess:
    """A page of a state directory."""

    def __init__(self, state: Path) -> None:
        self._process = subprocess.Popen(
            agent_command("--state-dir", str(state), "web", "--listen", "127.0.0.1:0"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert self._process.stdout is not None
        found = re.match(r"http://127\.0\.0\.1:(\d+)/", self._process.stdout.readline())
        if found is None:
            raise BenchError("`connmon-agent web` did not say its address")
        self.port = int(found[1])
        self.process = psutil.Process(self._process.pid)

    def ask(self, target: str) -> bytes:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
            if response.status != 200:
                raise BenchError(f"{target}: {response.status} {body[:200]!r}")
            return body

    def memory(self) -> tuple[float, float]:
        """Resident and private megabytes."""
        found = self.process.memory_full_info()
        return found.rss / MEGABYTE, found.uss / MEGABYTE

    def stop(self) -> float:
        """End it; how many seconds it took."""
        began = time.perf_counter()
        self._process.terminate()
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._process.wait()
            assert self._process.stdout is not None
            self._process.stdout.close()
        return time.perf_counter() - began


@contextmanager
def running_page(state: Path) -> Iterator[PageProcess]:
    page = PageProcess(state)
    try:
        yield page
    finally:
        page.stop()


def measure_page(folder: Path, *, runs: int) -> list[Figure]:
    """Memory, start, many who watch, and a year."""
    state = folder / "page"
    state.mkdir()
    write_journal(state / DATABASE_FILE, simulate_days(events=3000))
    with AgentLock(state):
        pass
    return [*_measure_memory(state), _measure_start(state, runs), *_measure_viewers(folder), *_measure_year(folder)]


def _measure_memory(state: Path) -> Iterator[Figure]:
    with running_page(state) as page:
        idle, private = page.memory()
        since = Days(World(store=""))._now().wall
        for number in range(REQUESTS):
            page.ask(_MIXED[number % len(_MIXED)].format(since=since, until=since + 3 * 86_400))
        after, after_private = page.memory()
    note = "a state file of 3000 events with 7 services"
    yield Figure("page: memory, idle", "MB", (idle,), Limit(MOST_MEMORY), note=note)
    yield Figure("page: private memory, idle", "MB", (private,), Limit(MOST_PRIVATE))
    yield Figure(f"page: memory after {REQUESTS} requests", "MB", (after,), Limit(MOST_MEMORY), note="of every kind")
    yield Figure("page: private memory after them", "MB", (after_private,))


def _measure_start(state: Path, runs: int) -> Figure:
    """As systemd starts it: the socket is there, and a browser has connected to it."""
    taken = []
    for _ in range(runs):
        with closing(socket.create_server(("127.0.0.1", 0))) as listening:
            client = socket.create_connection(listening.getsockname(), PATIENCE)
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            script = f'exec 3<&{listening.fileno()}; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
            command = agent_command("--state-dir", str(state), "web", "--idle-timeout", "10ms")
            began = time.perf_counter()
            process = subprocess.Popen(
                ["bash", "-c", script, "bash", *command],
                pass_fds=[listening.fileno()],
                stdout=subprocess.DEVNULL,
                env=environment(),
            )
            client.recv(1)
            taken.append((time.perf_counter() - began) * 1000)
            client.close()
            process.wait(PATIENCE)
    return Figure("page: first byte, from cold by a socket", "ms", tuple(taken), Limit(LONGEST_START))


def _measure_viewers(folder: Path) -> Iterator[Figure]:
    """The agent's rounds go on; now and then something is decided."""
    state = folder / "watched"
    state.mkdir()
    path = state / DATABASE_FILE
    write_journal(path, simulate_days(events=1000))
    journal = SqliteJournal.open(path, boottime=lambda: 0.0, boot_id=BOOT_ID)
    with AgentLock(state), closing(journal), running_page(state) as page, ExitStack() as stack:
        arrived: list[float] = []
        for number in range(VIEWERS):
            _watch(page.port, stack, arrived if number == VIEWERS // 2 else None)
        time.sleep(2)
        began, used = time.perf_counter(), sum(page.process.cpu_times()[:2])
        while time.perf_counter() - began < WATCHED:
            _finish_round(journal)
            time.sleep(ROUND)
        share = (sum(page.process.cpu_times()[:2]) - used) / (time.perf_counter() - began)
        taken = [_time_news(journal, arrived) for _ in range(20)]
        stopping = page.stop()
    note = f"{VIEWERS} streams; a round every {ROUND:g} s for {WATCHED:g} s"
    yield Figure("page: CPU with many who watch", "% of a core", (share * 100,), Limit(MOST_CPU), note=note)
    yield Figure("page: commit until it is in a browser", "ms", tuple(taken), Limit(LONGEST_NEWS), note=note)
    yield Figure("page: end with many who watch", "s", (stopping,), Limit(2.0), note="from SIGTERM to its end")


def _watch(port: int, stack: ExitStack, arrived: list[float] | None) -> None:
    """Read a stream to its end; note when a decision came."""
    client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), PATIENCE)))
    client.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def read() -> None:
        try:
            while data := client.recv(65536):
                if arrived is not None and b"event: decision" in data:
                    arrived.append(time.perf_counter())
        except OSError:
            return

    threading.Thread(target=read, daemon=True).start()


def _finish_round(journal: SqliteJournal) -> None:
    """A round of which only the newest is kept, as most are."""
    world, now = journal.load(), time.time()
    days = Days(world)
    results = next(event.results for event in days._rounds(good=True) if isinstance(event, RoundFinished))
    at = Timestamp(world.link.since.steady + now - world.link.since.wall, now)
    journal.note_round(at, results, probed=results)


def _time_news(journal: SqliteJournal, arrived: list[float]) -> float:
    """Milliseconds from the commit of a decision until it came."""
    days = Days(journal.load())
    before = len(arrived)
    committed = False
    for good in (False, True):
        for event in days._rounds(good=good):
            step = days._engine.step(days._world, event)
            days._world = step.world
            journal.commit(event, step)
            committed = committed or bool(step.transitions)
            if committed:
                break
        if committed:
            break
    began = time.perf_counter()
    while len(arrived) == before:
        if time.perf_counter() - began > PATIENCE:
            raise BenchError("a decision did not come to a browser")
        time.sleep(0.001)
    return (arrived[before] - began) * 1000


def _measure_year(folder: Path) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else folder) as made:
        state = Path(made)
        write_long_year(state / DATABASE_FILE, outages=OUTAGES, seconds=YEAR)
        since = Days(World(store=""))._now().wall
        with running_page(state) as page:
            taken = []
            for number in range(3):  # each another one: the same would be kept
                began = time.perf_counter()
                body = page.ask(f"/api/timeline?since={since + number * 3600}&until={since + YEAR + number * 3600}")
                taken.append(time.perf_counter() - began)
            began = time.perf_counter()
            page.ask(f"/api/timeline?since={since + YEAR / 2}&until={since + YEAR / 2 + 86_400}")
            day = (time.perf_counter() - began) * 1000
            resident, _ = page.memory()
    note = f"{OUTAGES} outages of 7 services in a year, {os.cpu_count()} processors"
    yield Figure("page: a year's timeline", "kB", (len(body) / 1000,), Limit(LARGEST_YEAR), note=note)
    yield Figure("page: a year's timeline, made", "s", tuple(taken), note="made anew each time; kept for 30 s")
    yield Figure("page: a day in it", "ms", (day,))
    yield Figure("page: memory after these", "MB", (resident,), Limit(MOST_MEMORY))

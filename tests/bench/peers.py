"""The agent beside monit and prometheus-blackbox-exporter: who notices the same cut when, and what each costs at rest.

Each stands in a site of its own with the same three checks. Both peers come from ``$PATH`` (Debian: monit,
prometheus-blackbox-exporter); one that is not installed is left out.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from tests.bench import scrapes
from tests.bench.agents import PATIENCE, BenchError, running_agent
from tests.bench.faults import configure_site
from tests.bench.figures import Figure, Limit
from tests.bench.namespaces import RESOLVER, SERVER, CableSite, cable_site, what_is_missing

from connmon_agent.core.plan import LinkPlan

FALL, INTERVAL = LinkPlan().fall, LinkPlan().check_interval
REST = 60.0  # seconds that are measured

# Its fastest cycle for the cuts, five seconds at rest. It reports the first check that failed so often.
_MONIT = """\
set daemon {cycle}
set logfile {folder}/monit.log
set pidfile {folder}/monit.pid
set idfile {folder}/monit.id
set statefile {folder}/monit.state
check host internet with address {server}
    if failed port 443 type tcp with timeout 1 seconds for {fall} cycles then alert
    if failed port 80 protocol http request "/generate_204" status = 204 with timeout 1 seconds for {fall} cycles then alert
check host resolver with address {resolver}
    if failed port 53 type udp protocol dns with timeout 1 seconds for {fall} cycles then alert
"""  # noqa: E501
_BLACKBOX = """\
modules:
  tcp: {prober: tcp}
  dns: {prober: dns, dns: {query_name: example.com, query_type: A}}
  http: {prober: http, http: {valid_status_codes: [204], follow_redirects: false}}
"""
_QUERIES = (
    f"module=tcp&target={SERVER}:443",
    f"module=dns&target={RESOLVER}",
    f"module=http&target=http://{SERVER}/generate_204",
)


@dataclass(frozen=True, slots=True)
class Watcher:
    """One program that watches a site. ``noticed`` waits for its verdict after ``mark`` and says when it came."""

    name: str
    site: CableSite
    pid: int
    mark: Callable[[], int]
    noticed: Callable[[int], float]


def measure_peers(folder: Path, *, runs: int) -> list[Figure]:
    """Black holes at random instants, then a minute of rest; all at the same time."""
    if reason := what_is_missing():
        return [Figure("peers", "s", note=reason)]
    with ThreadPoolExecutor() as pool, ExitStack() as stack:
        watchers = _start(folder / "cuts", stack, monit_cycle=1)
        cuts = list(pool.map(partial(_time_cuts, runs=runs), watchers))
    with ExitStack() as stack:
        watchers = _start(folder / "rest", stack, monit_cycle=5)
        return cuts + _rest(watchers)


def _start(folder: Path, stack: ExitStack, *, monit_cycle: int) -> list[Watcher]:
    """Every watcher that is installed, in a site of its own."""
    watchers = [stack.enter_context(_agent(folder))]
    if shutil.which("monit"):
        watchers.append(stack.enter_context(_monit(folder, monit_cycle)))
    if shutil.which("prometheus-blackbox-exporter"):
        watchers.append(stack.enter_context(_blackbox(folder)))
    return watchers


def _time_cuts(watcher: Watcher, *, runs: int) -> Figure:
    seconds = []
    for _ in range(runs):
        time.sleep(random.uniform(3.0, 3.0 + INTERVAL))
        mark, started = watcher.mark(), time.perf_counter()
        watcher.site.drop()
        try:
            seconds.append(watcher.noticed(mark) - started)
        finally:
            watcher.site.mend()
        time.sleep(2 * INTERVAL)  # until every one of them has seen it whole again
    agent = watcher.name == "agent"
    note = "" if agent else f"the same three checks; {FALL} failures in a row of one of them"
    name = f"{watcher.name}: black hole -> verdict"
    return Figure(name, "s", tuple(seconds), Limit(3.0) if agent else None, peer=not agent, note=note)


def _rest(watchers: list[Watcher]) -> list[Figure]:
    time.sleep(REST / 2)
    before = [_costs(watcher) for watcher in watchers]
    time.sleep(REST)
    figures = []
    for watcher, (cpu, packets) in zip(watchers, before, strict=True):
        cpu_now, packets_now = _costs(watcher)
        memory = psutil.Process(watcher.pid).memory_info().rss / 1e6
        for what, unit, value in (
            ("resident memory", "MB", memory),
            ("processor", "% core", (cpu_now - cpu) / REST * 100),
            ("packets", "1/min", (packets_now - packets) / REST * 60),
        ):
            figures.append(Figure(f"{watcher.name} at rest: {what}", unit, (value,), peer=watcher.name != "agent"))
    return figures


def _costs(watcher: Watcher) -> tuple[float, int]:
    times = psutil.Process(watcher.pid).cpu_times()
    return times.user + times.system, watcher.site.load().packets


@contextmanager
def _agent(folder: Path) -> Iterator[Watcher]:
    with cable_site() as site, running_agent(folder / "agent", configure_site(hold="1s"), site.enclose) as agent:
        agent.wait_said(r"link: STARTING -> ONLINE")
        yield Watcher(
            "agent", site, agent.pid, agent.mark, lambda mark: agent.wait_said(r"link: \w+ -> OFFLINE", after=mark)
        )


@contextmanager
def _monit(folder: Path, cycle: int) -> Iterator[Watcher]:
    own = folder / "monit"
    own.mkdir(parents=True)
    config, log = own / "monitrc", own / "monit.log"
    text = _MONIT.format(folder=own, cycle=cycle, server=SERVER, resolver=RESOLVER, fall=FALL)
    config.write_text(text, encoding="ascii")
    config.chmod(0o600)
    with cable_site() as site, _running(site, ["monit", "-I", "-c", str(config)]) as process:

        def failures() -> int:
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            return len(re.findall(r"error .* failed protocol test", text))  # before so many cycles it is a warning

        yield Watcher(f"monit, {cycle} s cycle", site, process.pid, failures, lambda mark: _poll(failures, mark))


def _poll(count: Callable[[], int], mark: int) -> float:
    """When there was more than ``mark``."""
    until = time.perf_counter() + PATIENCE
    while count() <= mark:
        if time.perf_counter() > until:
            raise BenchError("a peer did not notice the cut")
        time.sleep(0.02)
    return time.perf_counter()


@contextmanager
def _blackbox(folder: Path) -> Iterator[Watcher]:
    own = folder / "blackbox"
    own.mkdir(parents=True)
    config = own / "blackbox.yml"
    config.write_text(_BLACKBOX, encoding="ascii")
    exporter = ["prometheus-blackbox-exporter", f"--config.file={config}", "--timeout-offset=0"]
    scraper = [sys.executable, str(Path(scrapes.__file__)), "http://127.0.0.1:9115", str(INTERVAL), *_QUERIES]
    with ExitStack() as stack:
        site = stack.enter_context(cable_site())
        process = stack.enter_context(_running(site, exporter))
        time.sleep(1.0)
        verdicts = Verdicts(stack.enter_context(_running(site, scraper, tell=True)))
        verdicts.wait_good()
        name = f"blackbox_exporter, scraped every {INTERVAL:g} s"
        yield Watcher(name, site, process.pid, verdicts.count, lambda mark: _poll(verdicts.count, mark))


class Verdicts:
    """How often so many scrapes of one target in a row have failed, as an alert rule would count them."""

    def __init__(self, scraper: subprocess.Popen[str]) -> None:
        self._scraper = scraper
        self._fired, self._rounds = 0, 0
        self._good = threading.Event()
        threading.Thread(target=self._listen, daemon=True).start()

    def count(self) -> int:
        return self._fired

    def wait_good(self) -> None:
        """Until everything answered once. Raises BenchError."""
        if not self._good.wait(20.0):
            raise BenchError("prometheus-blackbox-exporter finds nothing")

    def _listen(self) -> None:
        assert self._scraper.stdout is not None
        bad = 0
        for line in self._scraper.stdout:
            good = "0" not in line
            bad = 0 if good else bad + 1
            self._fired += bad == FALL
            if good:
                self._good.set()


@contextmanager
def _running(site: CableSite, command: list[str], *, tell: bool = False) -> Iterator[subprocess.Popen[str]]:
    """A peer that is gone when the block is left; ``ip netns exec`` becomes the peer itself, so the pid is its own."""
    process = subprocess.Popen(
        site.enclose(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if tell else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()

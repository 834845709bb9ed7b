"""The composition root: settings in, a wired agent out, everything let go of at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..charts.chart import Chart
from ..core.engine import Engine
from ..core.timestamps import Timestamp
from ..core.world import BEGINNING, World
from ..errors import ConnmonError, StoreError
from ..kube.calls import Calls
from ..kube.cluster import KubernetesCluster, open_calls
from ..loading.charts import find_charts_folder, load_charts
from ..ports import Announcer, Cluster, ListenerStore
from ..presence import LOCK_FILE, UNSIGNED, AgentLock, Signature
from ..private_files import admit, find_group, make_folder
from ..probes.prober import TargetProber
from ..probes.registries import RegistryAsker
from ..routes import open_link_watch
from ..routes.metered import SOURCE, ask_network_manager
from ..settings import HeartbeatSettings, KubernetesSettings, Settings
from ..sockets.examining import SocketPorts
from ..sockets.keeping import NothingKept
from ..store import DATABASE_FILE
from ..store.journal import SqliteJournal
from ..store.layout import files_of
from ..store.threaded import JournalThread
from ..supervision import Tasks, supervise, watch_future
from ..threads import DaemonExecutor
from .agent import Agent
from .announcing import NoAnnouncer
from .api_addresses import ApiAddress
from .clocks import SystemClock, anchor_time, boot_id, boottime, walltime
from .control import ControlServer, Handler
from .debugging import Debugger
from .dependencies import Dependencies
from .endpoint_files import EndpointFiles
from .forwarding import Forwarding
from .heartbeats import Heartbeat, Heartbeats
from .lock_watch import LockWatch
from .log_records import FORWARDS, LogRecord
from .logs.keeping import LogKeeper
from .logs.level_requests import LOG_LEVEL, LevelRequests
from .logs.log import Log
from .monitoring import Monitoring
from .notice_children import ChildMessenger
from .notice_requests import DROP, NoticeRequests

if TYPE_CHECKING:
    from .monitoring_server import MonitoringServer

TRUST_INTERVAL = 5.0  # seconds between looks at what the kubeconfig says; it is read beside the rounds
CREDENTIALS_FOLDER = "credentials"
# Seconds that the first look at the cluster waits where clients may wait in the queues of sockets that the agent before
# left: it imports the Kubernetes library, which takes the processor for longer than the ports need to serve them.
HEAD_START = 1.0
# A start may take so many seconds, and as long as the whole state file takes at so many bytes a second, the rate of a
# worn SD card. A start that takes longer hangs.
OPENING_TIME, SLOWEST_READING = 30.0, 500_000
THREADS = 32  # that look up names and read files at once, each for as long as a name server or a disk likes


@dataclass(frozen=True, slots=True)
class Memory:
    """The state directory, held alone: the journal, the clock that goes on in it, and the charts in force."""

    folder: Path
    journal: SqliteJournal
    clock: SystemClock
    boot: str
    charts: Mapping[str, Chart]
    lock: AgentLock


@contextmanager
def open_memory(
    folder: Path, *, signature: Signature = UNSIGNED, progress: Callable[[], object] | None = None
) -> Iterator[Memory]:
    """Take the state directory over; it is made where it is missing. ``signature`` names who does so, ``progress`` is
    called while that gets on.

    Raises AlreadyRunning, StoreError, ConfigurationError for a chart, ConnmonError for the folder itself.
    """
    charts = load_charts(find_charts_folder())
    make_state_dir(folder)
    with AgentLock(folder, signature=signature) as lock:
        boot = boot_id()
        journal = SqliteJournal.open(folder / DATABASE_FILE, boottime=boottime, boot_id=boot, progress=progress)
        try:
            for name, chart in charts.items():
                journal.save_chart(name, chart.sha256, chart.text)
            yield Memory(folder, journal, _continue_time(journal, boot), boot, charts, lock)
        finally:
            journal.close()


def admit_readers(folder: Path, group: int | None) -> None:
    """Let ``group`` (an id; None: only the owner) read the state that is kept in ``folder``. Raises ConnmonError."""
    admit(folder, (folder / LOCK_FILE, *files_of(folder / DATABASE_FILE)), group)


def _admit_group(folder: Path, name: str | None) -> None:
    admit_readers(folder, None if name is None else find_group(name))


def make_state_dir(folder: Path) -> None:
    """Make the state directory where it is missing, for its owner alone. Raises ConnmonError."""
    try:
        make_folder(folder)
        # Reading the state needs no right to the credentials, which lie in a folder of their own.
        (folder / CREDENTIALS_FOLDER).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        done = "written to" if folder.is_dir() else "made"
        raise ConnmonError(
            f"the state directory {folder} cannot be {done}: {error.strerror or error}",
            hint="Create it and make the agent's user its owner, or use another --state-dir",
        ) from error


def _continue_time(journal: SqliteJournal, boot: str) -> SystemClock:
    kept = {key: value for key in ("boot_id", "boot_offset") if (value := journal.meta_get(key)) is not None}
    since_boot = boottime()
    anchor = anchor_time(kept, last_steady=_last_steady(journal), boot=boot, since_boot=since_boot, wall=walltime())
    if anchor.as_text() != kept:
        journal.meta_set(anchor.as_text())
    return SystemClock(anchor)


def _last_steady(journal: SqliteJournal) -> float:
    """The latest steady time that the world knows of; 0 in a new state file."""
    world = journal.load()
    timestamps = [world.link.since, *(service.since for service in world.services.values())]
    if world.outage is not None:
        timestamps += [
            timestamp for timestamp in (world.outage.started, world.outage.back, world.outage.ended) if timestamp
        ]
    heartbeat = journal.last_sign_of_life()
    return max(timestamp.steady for timestamp in (*timestamps, heartbeat or BEGINNING))


def estimate_opening(path: Path) -> float:
    """Seconds that checking and migrating the state file may take, from its size on a slow disk; see ``extend``."""
    try:
        return OPENING_TIME + path.stat().st_size / SLOWEST_READING
    except OSError:
        return OPENING_TIME


async def run_agent(
    settings: Settings,
    *,
    say: Callable[[LogRecord], None],
    on_ready: Callable[[Agent, Runner], None] | None = None,
    announcer: Announcer | None = None,
    store: ListenerStore | None = None,
    signature: Signature = UNSIGNED,
) -> None:
    """Run the agent until something calls ``Agent.end``. ``on_ready`` is called once, before the first event; it may
    add to ``Runner.handlers``.

    ``announcer`` is whoever waits for word of the agent (None: no one does), ``store`` keeps the listening sockets of
    the local ports for the next process (None: nothing does), ``signature`` says how the agent was started.

    Raises what ``open_memory`` raises, and ConnmonError where the state directory is lost meanwhile.
    """
    readers = None if settings.state_group is None else find_group(settings.state_group)
    # Names are looked up and files are read in threads that do not hold up the end.
    asyncio.get_running_loop().set_default_executor(DaemonExecutor(THREADS, "connmon"))
    announcer = announcer or NoAnnouncer()
    announcer.extend(estimate_opening(settings.state_dir / DATABASE_FILE))
    progress = partial(announcer.extend, OPENING_TIME)
    with open_memory(settings.state_dir, signature=signature, progress=progress) as memory:
        # The decision loop waits for the file to be opened again after a failure, in the journal's thread.
        loop = asyncio.get_running_loop()
        memory.journal.progress = partial(loop.call_soon_threadsafe, announcer.alive)
        admit_readers(memory.folder, readers)
        runner = Runner(settings, memory, say, announcer, store)
        control = ControlServer(memory.folder, runner.agent.obey, runner.handlers)
        if on_ready is not None:
            on_ready(runner.agent, runner)
        await control.start()
        runner.watch_trust()
        lock_watch = runner.watch_lock()
        await runner.monitoring.follow(settings.metrics)
        runner.heartbeats.follow(settings.notify.heartbeat)
        try:
            await runner.agent.run()
        finally:
            await control.stop()
            await runner.close()
        lock_watch.raise_if_lost()


class Runner:
    """An agent with the parts that a reload exchanges."""

    def __init__(
        self,
        settings: Settings,
        memory: Memory,
        say: Callable[[LogRecord], None],
        announcer: Announcer | None = None,
        store: ListenerStore | None = None,
    ) -> None:
        store = store or NothingKept()
        self._settings = settings
        self._memory = memory
        self._say = say
        self._debug = Debugger(say, self.now)
        self.announcer = announcer or NoAnnouncer()
        self.handlers: dict[str, Handler] = {}  # of requests to the process itself, by their names
        self._retired: Tasks = set()
        self._watching: Tasks = set()
        self._forwarding = Forwarding(
            temp_dir=memory.folder / CREDENTIALS_FOLDER,
            say=lambda service, text: say(LogRecord(self.now(), "warning", service, text, area=FORWARDS)),
            store=store,
            debug=lambda service, text: self._debug(FORWARDS, service, lambda took: text()),
        )
        self._calls = _open_calls(settings.kubernetes, memory.folder)
        self._registries = RegistryAsker(settings.kubernetes.registries)
        self._journal = JournalThread(memory.journal)
        self._journal.keep(settings.journal)
        self._messenger = self._open_messenger(settings)
        self._publisher = DaemonExecutor(1, "endpoints")
        self._endpoint_files = EndpointFiles(memory.folder, complain=self._complain)
        dependencies = self._open_dependencies(store)
        self._cluster: Cluster = dependencies.cluster
        self.agent = Agent(
            engine=Engine(memory.charts),
            plan=settings.plan,
            dependencies=dependencies,
            stop_timeout=settings.stop_timeout,
        )
        requests = NoticeRequests(self._journal, now=self.now, say=say, nudge=self.agent.nudge_deliveries)
        self.handlers[DROP] = requests.drop
        self._dates = self.now().wall, memory.journal.born()
        self.monitoring = Monitoring(self._open_monitoring_server)
        self.heartbeats = Heartbeats(self._begin_heartbeat)

    def _open_dependencies(self, store: ListenerStore) -> Dependencies:
        return Dependencies(
            clock=self._memory.clock,
            watch=open_link_watch(),
            prober=self._debug.probing(self._open_prober(self._settings)),
            cluster=self._debug.asking(KubernetesCluster(self._calls)),
            journal=self._journal,
            boot_id=self._memory.boot,
            say=self._say,
            ports=SocketPorts(store=store),
            forwards=self._debug.forwarding(self._forwarding.open(self._settings, self._calls)),
            registries=self._registries,
            publish=self._publish,
            ask_metered=ask_network_manager,
            metered_source=SOURCE,
            announcer=self.announcer,
            head_start=HEAD_START if store.kept() else 0.0,
            messenger=self._messenger,
        )

    def _open_messenger(self, settings: Settings) -> ChildMessenger:
        messenger = ChildMessenger(settings.notify, state_file=self._memory.folder / DATABASE_FILE)
        self._journal.notify(messenger.channels)
        return messenger

    def now(self) -> Timestamp:
        """This instant, for what is said beside the agent."""
        return self._memory.clock.now()

    def _open_monitoring_server(self, listen: tuple[str, int]) -> MonitoringServer:
        from .monitoring_server import Endpoints, MonitoringServer  # memory that only who wants them pays for
        from .observing import Gauge

        gauge = Gauge(self.agent, self._journal, *self._dates, pings=lambda: self.heartbeats.pings)
        now = asyncio.get_running_loop().time
        endpoints = partial(
            Endpoints,
            observe=lambda lag: gauge.observe(lag, self._settings),
            alive=lambda: gauge.alive(now()),
            ready=gauge.ready,
        )
        return MonitoringServer(
            listen, endpoints, tell=lambda level, text: self._say(LogRecord(self.now(), level, "agent", text))
        )

    def _begin_heartbeat(self, settings: HeartbeatSettings) -> Heartbeat:
        from .pinging import Pinger  # memory that only who wants a heartbeat pays for

        return Heartbeat(
            Pinger(settings),
            settings.interval,
            clock=self._memory.clock,
            recorded=lambda: self._journal.recorded,
            is_failing=lambda: self.agent.trouble is not None,
            tell=lambda text: self._say(LogRecord(self.now(), "info", "agent", text)),
        )

    def _publish(self, world: World) -> None:
        publishing = self._publisher.submit(self._endpoint_files.publish, world)
        watch_future("publish the local ports", publishing, asyncio.get_running_loop())

    async def close(self) -> None:
        """Let the last words reach the disk, as far as the agent's time to end allows."""
        for task in self._watching:
            task.cancel()
        self.heartbeats.close()
        await self.monitoring.close()
        published = asyncio.wrap_future(self._publisher.submit(int))  # after all that was to be published
        await asyncio.wait({published}, timeout=self.agent.time_left)
        await self._journal.close(self.agent.time_left)

    async def reload(self, settings: Settings) -> None:
        """Take over other settings. Raises ConnmonError where only a restart of the agent can."""
        if settings.state_dir != self._settings.state_dir:
            raise ConnmonError(
                f"state_dir cannot change while the agent runs ({self._settings.state_dir} is in use)",
                hint=f"Restart the agent to use {settings.state_dir}",
            )
        if settings.state_group != self._settings.state_group:
            await asyncio.to_thread(_admit_group, self._memory.folder, settings.state_group)
        self._registries.follow(settings.kubernetes.registries)
        cluster: Cluster | None = None
        if settings.kubernetes != self._settings.kubernetes:
            self._calls = _open_calls(settings.kubernetes, self._memory.folder)
            cluster, old = self._debug.asking(KubernetesCluster(self._calls)), self._cluster
            self._cluster = cluster
            self._retire(old)
        forwards = self._forwarding.follow(settings, self._calls, other_cluster=cluster is not None)
        await self.agent.configure(
            settings.plan,
            prober=self._debug.probing(self._open_prober(settings)),
            cluster=cluster,
            forwards=None if forwards is None else self._debug.forwarding(forwards),
            stop_timeout=settings.stop_timeout,
        )
        self._settings = settings
        self._journal.keep(settings.journal)
        self._messenger.follow(settings.notify)
        self._journal.notify(self._messenger.channels)
        self.agent.nudge_deliveries()
        await self.monitoring.follow(settings.metrics)
        self.heartbeats.follow(settings.notify.heartbeat)

    def _complain(self, text: str) -> None:
        self._say(LogRecord(self.now(), "error", "agent", text))

    def _open_prober(self, settings: Settings) -> TargetProber:
        """The prober, with a warning for each target that this machine lets nobody probe."""
        self._address = address = ApiAddress(settings.kubernetes)
        prober = TargetProber(settings.targets, settings.timeout, find_api=address.find)
        for name, obstacle in prober.left_out.items():
            self._say(LogRecord(self.now(), "warning", "link", f"target {name} is skipped: {obstacle}"))
        return prober

    def keep(self, log: Log) -> None:
        """Look after ``log`` while the agent runs: write the debug lines that it wants, let `log level` set what these
        are, and let ``status`` say what it could not write.
        """
        self._debug.wants = log.levels.wants
        self.handlers[LOG_LEVEL] = LevelRequests(log.levels, now=self.now, say=self._say).answer
        keeper = LogKeeper(log, clock=self._memory.clock, note=self._journal.note_log_loss)
        supervise("keep the log", keeper.run, tasks=self._watching)

    def watch_trust(self) -> None:
        """Say, and let ``status`` say, that the API server's certificate is not verified, while that is so."""
        supervise("watch how the API server is trusted", self._watch_trust, tasks=self._watching)

    def watch_lock(self) -> LockWatch:
        """End the agent where its state directory is removed or replaced."""
        memory = self._memory
        watch = LockWatch(memory.folder, memory.lock.in_place, clock=memory.clock, end=self.agent.end)
        supervise("watch the state directory", watch.run, tasks=self._watching)
        return watch

    async def _watch_trust(self) -> None:
        noted: str | None = ""  # nothing is noted yet
        while True:
            server = self._address.unverified
            if server != noted:
                if server is not None:
                    text = f"{server}: its certificate is not verified (insecure-skip-tls-verify: true)"
                    self._say(LogRecord(self.now(), "warning", "cluster", text))
                with contextlib.suppress(StoreError):  # the disk's trouble is told where it matters
                    await self._journal.note_unverified(server)
                noted = server
            await self._memory.clock.sleep(TRUST_INTERVAL)

    def _retire(self, cluster: Cluster) -> None:
        supervise("close the connections to the cluster before", cluster.close, tasks=self._retired, again=False)


def _open_calls(settings: KubernetesSettings, folder: Path) -> Calls:
    return open_calls(settings, temp_dir=folder / CREDENTIALS_FOLDER)

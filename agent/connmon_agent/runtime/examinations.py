"""The checks of ``doctor``: everything that could keep the agent from doing its job. They change nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

from ..core.demands import find_silence
from ..core.notices import Notice
from ..core.wording import in_words
from ..errors import ClusterError, ConfigurationError, ConnmonError, Divergence, NothingRecorded, StoreError
from ..kube.calls import Calls
from ..kube.cluster import KubernetesCluster, open_calls
from ..kube.permissions import CLUSTER_WIDE, Reviewed, list_permissions, read_server_version, review_permissions
from ..loading.charts import PLACES, find_charts_folder, load_charts
from ..platform_terms import resume_command
from ..presence import find_agent
from ..private_files import is_open_to_anybody
from ..probes.registries import RegistryAsker
from ..settings import Settings
from ..sockets.owners import is_stopped, name_user
from ..store import DATABASE_FILE
from ..store.reading import Reader
from ..store.versions import describe_wal_reset_bug, sqlite_version
from .account_examinations import examine_account
from .channel_examinations import examine_channels
from .clocks import walltime
from .findings import Finding, good, note, problem, warning
from .notice_examinations import examine_notices
from .port_examinations import examine_ends, examine_metrics, examine_ports
from .service_examinations import examine_services
from .target_examinations import examine_targets

# Below this the disk is as good as full: a log of its own size must fit beside the state file.
LEAST_FREE_BYTES = 64 * 1024 * 1024
LEAST_FREE_INODES = 16  # the agent makes about ten files
PROC = Path("/proc")
MOUNTS = PROC / "self/mounts"
# State files on these do not survive: their locks and their order of writes do not hold (SQLite's own advice).
STATE = "state directory"
NETWORK_DRIVE = "a network drive"  # what Windows tells of it
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse.sshfs", "9p", "glusterfs", NETWORK_DRIVE}
)


async def examine(settings: Settings) -> AsyncIterator[Finding]:
    """Every check, in the order in which a person would look. Never raises for what it finds."""
    yield good(
        "configuration", f"{settings.source}: {len(settings.targets)} targets, {len(settings.plan.services)} services"
    )
    for doubt in settings.warnings:
        yield warning(
            "configuration", f"{doubt.key}: {doubt.message}", f"{settings.source}:{doubt.line}: {doubt.remedy}"
        )
    for finding in (
        *examine_proc(),
        *examine_charts(),
        *examine_folder(settings.state_dir),
        *examine_memory(settings.state_dir),
        *examine_account(settings),
        *examine_notices(settings.notify, _read_notices(settings.state_dir / DATABASE_FILE), walltime()),
    ):
        yield finding
    agent = _find_agent(settings.state_dir)
    for finding in (*examine_ports(settings, agent=agent), *examine_metrics(settings, agent=agent)):
        yield finding
    async for finding in examine_targets(settings):
        yield finding
    async for finding in examine_channels(settings):
        yield finding
    async for finding in examine_cluster(settings):
        yield finding


def _find_agent(folder: Path) -> int | None:
    """The running agent's process id; None also where that cannot be told, which ``examine_memory`` tells."""
    try:
        return find_agent(folder)
    except ConnmonError:
        return None


def _read_notices(path: Path) -> list[Notice]:
    """The outbox; nothing where the state file cannot be read, which ``examine_memory`` tells."""
    try:
        with Reader(path) as reader:
            return reader.notices()
    except ConnmonError:
        return []


def examine_proc(proc: Path = PROC, *, platform: str = sys.platform) -> Iterator[Finding]:
    """Whether Linux' /proc is there, and whole: a container or a hardened service may have none, or a part."""
    if platform == "linux" and not (proc / "stat").exists():
        told = f"{proc} is missing or only partly mounted; programs that hold a port cannot be named"
        yield warning("system", told, "Mount it. In a systemd unit, set ProcSubset=all")


def examine_charts(places: tuple[Path, ...] = PLACES) -> Iterator[Finding]:
    """The statecharts in the first of ``places`` that is there."""
    try:
        folder = find_charts_folder(places)
        charts = load_charts(folder)
    except ConfigurationError as error:
        for mistake in error.problems:
            yield problem("charts", str(mistake), "Correct the file, or reinstall connmon-agent")
    else:
        yield good("charts", f"{', '.join(charts)} in {folder}: valid, all declared properties hold")


def examine_folder(
    folder: Path,
    *,
    least_free: int = LEAST_FREE_BYTES,
    mounts: Path = MOUNTS,
    is_open: Callable[[Path], bool] = is_open_to_anybody,
) -> Iterator[Finding]:
    """The state directory: there, writable, roomy (``least_free`` bytes), local (by ``mounts``) and private."""
    found = _examine_place(folder) or _examine_room(folder, least_free) or _examine_safety(folder, mounts, is_open)
    yield found or good(STATE, f"{folder}, {shutil.disk_usage(folder).free >> 20} MiB free")


def _examine_place(folder: Path) -> Finding | None:
    """Whether the agent can write there; None: it can."""
    if not folder.exists():
        parent = next(parent for parent in folder.parents if parent.exists())
        if parent.is_dir() and os.access(parent, os.W_OK | os.X_OK):  # on Windows a file may be asked for what is in it
            return note(STATE, f"{folder} does not exist yet; `connmon-agent start` creates it")
        missing = f"{folder} does not exist, and this user cannot write to {parent}"
        return problem(STATE, missing, "Create it, or choose another one with --state-dir")
    if not folder.is_dir():
        return problem(
            STATE, f"{folder} is not a directory", "Move it away, or choose another directory with --state-dir"
        )
    if is_read_only(folder):
        return problem(
            STATE, f"{folder} is on a read-only file system", "Mount it writable. To read a copy, this is not needed"
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        return warning(STATE, f"{folder} cannot be written by this user", "Run this as the directory's owner")
    return None


def _examine_room(folder: Path, least_free: int) -> Finding | None:
    """Whether there is room for its files; None: there is."""
    free = shutil.disk_usage(folder).free
    if free < least_free:
        return problem(
            STATE, f"only {free >> 20} MiB are free in {folder}", "Free space. With a full disk nothing is restarted"
        )
    if lacks_inodes(folder):
        return problem(
            STATE, f"no inodes are free in {folder}", "Delete files; `df -i` and `du --inodes` show where they are"
        )
    return None


def _examine_safety(folder: Path, mounts: Path, is_open: Callable[[Path], bool]) -> Finding | None:
    """Whether what is written there survives, and is the agent's alone; None: it does."""
    system = file_system_of(folder, mounts)
    if system in NETWORK_FILE_SYSTEMS:
        return problem(
            STATE, f"{folder} is on {system}", "Use a local disk. SQLite's locks are unreliable on network file systems"
        )
    if is_open(folder):
        # In quotes: PowerShell would evaluate the parentheses, and knows no %USERNAME%.
        grants = " ".join(f'"{who}:(OI)(CI)F"' for who in ("*S-1-5-18", "*S-1-5-32-544", name_user() or "USER"))
        return warning(
            STATE,
            f"{folder} is open to every user of this machine",
            f'As the agent\'s user: icacls "{folder}" /inheritance:r /grant:r {grants}',
        )
    return None


def is_read_only(folder: Path) -> bool:
    """Whether nothing under ``folder`` can be written by anybody, as far as the system tells."""
    return sys.platform != "win32" and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)


def lacks_inodes(folder: Path) -> bool:
    """Whether no file can be made under ``folder`` though there is room. False where the system counts no inodes."""
    if sys.platform == "win32":
        return False
    status = os.statvfs(folder)
    return status.f_files > 0 and status.f_favail < LEAST_FREE_INODES


def file_system_of(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """The type of the file system under ``folder``; None where the system does not tell."""
    if sys.platform == "win32":
        from ..windows_api.drives import is_remote  # Windows alone has it

        return NETWORK_DRIVE if is_remote(os.path.abspath(folder)) else None
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    path, best, found = folder.resolve(), -1, None
    for line in lines:
        _, point, system, *_ = line.split(" ")
        place = Path(point.encode().decode("unicode_escape"))
        if path.is_relative_to(place) and len(place.parts) > best:
            best, found = len(place.parts), system
    return found


def examine_memory(folder: Path) -> Iterator[Finding]:
    """SQLite itself, the state file, and whether an agent runs."""
    bug = describe_wal_reset_bug()
    version = ".".join(map(str, sqlite_version()))
    yield note("sqlite", f"{version}: {bug}") if bug else good("sqlite", version)
    try:
        pid = find_agent(folder)
        yield _examine_agent(folder / DATABASE_FILE, pid)
        yield _examine_state_file(folder / DATABASE_FILE)
    except (StoreError, Divergence) as error:
        yield problem("state file", error.message, error.hint or "Move the file away; the agent creates a new one")
    except ConnmonError as error:
        yield problem("state directory", error.message, error.hint or "Check its permissions")


def _examine_agent(path: Path, pid: int | None) -> Finding:
    """Whether the agent runs, and lives: one that is stopped or hangs holds its lock like any other."""
    if pid is None:
        return note("agent", "not running. Run `connmon-agent start`")
    if is_stopped(pid):
        return problem("agent", f"pid {pid} is suspended", resume_command(pid))
    silence = _find_silence(path, pid)
    if silence is not None:
        remedy = "Check its log and the disk. If that does not help, run `connmon-agent restart --force`"
        return problem("agent", f"pid {pid} has written nothing for {in_words(round(silence))}", remedy)
    return good("agent", f"running (pid {pid})")


def _find_silence(path: Path, pid: int) -> float | None:
    try:
        with Reader(path) as reader:
            world, agent = reader.world(), reader.agent()
    except NothingRecorded:
        return None
    if world is None or agent is None or pid not in (0, agent.pid):
        return None  # it has just started
    return find_silence(world, agent.heartbeat, walltime())


def _examine_state_file(path: Path) -> Finding:
    if not path.exists():
        return note("state file", f"{path.name} does not exist yet")
    with Reader(path) as reader:
        broken = reader.verify_chain()
        events, size = reader.counts()
    if broken is not None:
        remedy = "Keep a copy and find out what changed the file. Events before this one are valid"
        return problem("state file", f"the hash chain is broken at event {broken}", remedy)
    return good("state file", f"{events} events, {size >> 10} KiB, hash chain valid")


UNVERIFIED = "its certificate is not verified (insecure-skip-tls-verify: true)"
VERIFY = (
    "Replace it with certificate-authority-data. Without verification, any device in the network path can impersonate "
    "the API server"
)


async def examine_cluster(settings: Settings) -> AsyncIterator[Finding]:
    """The kubeconfig, the API, the permissions, and every service."""
    calls = open_calls(settings.kubernetes, temp_dir=settings.state_dir / "credentials")
    cluster, registries = KubernetesCluster(calls), RegistryAsker(settings.kubernetes.registries)
    try:
        try:
            where = await calls.describe()
            yield good("kubernetes API", f"{await read_server_version(calls)} at {where}")
            if not (await calls.access()).verify:
                yield warning("kubernetes API", f"{where}: {UNVERIFIED}", VERIFY)
        except ClusterError as error:
            yield problem(
                "kubernetes API", error.message, error.hint or "Check the kubeconfig and that the cluster is running"
            )
            return
        async for finding in _examine_permissions(settings, calls):
            yield finding
        services = await examine_services(settings.plan.services, cluster, calls, registries=registries)
        for finding in services.findings:
            yield finding
        async for finding in examine_ends(settings, calls, missing=services.missing):
            yield finding
    finally:
        await registries.close()
        await cluster.close()


async def _examine_permissions(settings: Settings, calls: Calls) -> AsyncIterator[Finding]:
    reviews = await review_permissions(calls, list_permissions(settings.plan.services))
    missing = [review for review in reviews if review.allowed is not True]
    for review in missing:
        yield _judge_permission(review)
    if reviews and not missing:
        yield good("permissions", f"all {len(reviews)} required permissions are granted")


def _judge_permission(review: Reviewed) -> Finding:
    wanted = review.permission
    place = "" if wanted.namespace == CLUSTER_WIDE else f" in {wanted.namespace}"
    what = f"{wanted.verb} {wanted.resource}{place}"
    if review.allowed is None:
        return warning("permissions", f"{what}: could not be checked: {review.reason}", "Check the API server's log")
    remedy = "Run `connmon-agent doctor --role` to print the Role that grants it"
    if wanted.essential:
        return problem("permissions", f"missing permission: {what}, needed to {wanted.needed_for}", remedy)
    return warning("permissions", f"missing permission: {what}, needed to {wanted.needed_for}", remedy)

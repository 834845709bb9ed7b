"""Who has a port: as much of the process and its user as this user may know. Another door to psutil.

Measured on Linux: to anybody but root psutil shows the sockets of other users without their process, and the kernel's
tables show whose they are. A socket that is bound and does not listen is in no table. macOS shows nothing to others
than root unless each process is asked by itself; Windows shows the process always, its name not always.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import PurePath

import psutil

from ..texts import make_printable
from .socket_tables import read_sockets, simplify

AGENT = "connmon-agent"
KEEPER = "systemd"  # keeps listening sockets over a restart of the agent: it holds them, and serves nobody

_UNOBSERVED = "a hidden process"
_WILDCARDS = {"0.0.0.0", "::"}
_ENDING = {
    psutil.CONN_TIME_WAIT,
    psutil.CONN_FIN_WAIT1,
    psutil.CONN_FIN_WAIT2,
    psutil.CONN_CLOSING,
    psutil.CONN_LAST_ACK,
}
# What psutil raises, and what it lets through when the system's tables are not as it knows them.
_FAILURES = (psutil.Error, OSError, RuntimeError, ValueError, LookupError)


class Use(StrEnum):
    """What a socket does with its port."""

    LISTENING = "listening"
    CONNECTED = "connected"  # the port is the source of a connection
    ENDED = "ended"  # the connection's process is done with it, the kernel is not yet: TIME_WAIT, for a minute


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody's socket on a port. None: not to be known by this user."""

    port: int
    address: str  # 0.0.0.0 or :: is every one
    use: Use
    name: str | None = None  # of the program; AGENT where it is one of ours
    pid: int | None = None
    user: str | None = None
    foreign: bool = False  # the user is another one than ours


@dataclass(frozen=True, slots=True)
class _Row:
    address: str
    port: int
    use: Use
    pid: int | None


@dataclass(frozen=True, slots=True)
class _Process:
    name: str | None
    user: str | None


def find_owners(ports: Collection[int]) -> dict[int, tuple[Owner, ...]]:
    """Who has each of ``ports``, by one look at the system, listeners first. A port that nobody has is left out.

    Never raises: what may not be seen is missing.
    """
    owners: dict[int, list[Owner]] = {}
    for owner in sorted(_scan(frozenset(ports)), key=lambda owner: (list(Use).index(owner.use), owner.pid is None)):
        owners.setdefault(owner.port, []).append(owner)
    return {port: tuple(found) for port, found in owners.items()}


def choose_owner(owners: Sequence[Owner], address: str) -> Owner | None:
    """The first one who keeps others from listening on ``address``; None: nobody among them does."""
    return next((owner for owner in owners if _clash(owner.address, simplify(address))), None)


def describe(owner: Owner | None) -> str:
    """Who it is, in words that follow "in use by". None: nobody was found."""
    if owner is None:
        return _UNOBSERVED
    if owner.use is Use.ENDED:
        return "a connection that has just closed"
    if owner.use is Use.CONNECTED:
        who = _name(owner)
        return f"an outgoing connection of {_UNOBSERVED if who is None else who}"
    return _name(owner) or _UNOBSERVED


def _name(owner: Owner) -> str | None:
    if owner.pid is None:
        return None if owner.user is None else f"a process of user {owner.user}"
    user = f", user {owner.user}" if owner.foreign and owner.user else ""
    return f"{owner.name or 'a process'} (pid {owner.pid}{user})"


def _clash(held: str, wanted: str) -> bool:
    """Whether one socket on each keeps the other from listening. ``::`` may hold IPv4 too, no table says whether."""
    if held == wanted or held == "::":
        return True
    return (":" in held) == (":" in wanted) and (held in _WILDCARDS or wanted in _WILDCARDS)


def _scan(ports: frozenset[int]) -> Iterator[Owner]:
    uids = {(found.address, found.port, found.listening): found.uid for found in read_sockets(ports)}
    me = name_user()
    look_up = cache(_look_up)  # a server's hundred connections are one process
    for row in _pass_keepers_over([row for row in _rows() if row.port in ports], look_up):
        process = _Process(None, None) if row.pid is None else look_up(row.pid)
        user = process.user or _user_name(uids.get((row.address, row.port, row.use is Use.LISTENING)))
        yield Owner(row.port, row.address, row.use, process.name, row.pid, user, foreign=user != me)


def _pass_keepers_over(rows: list[_Row], look_up: Callable[[int], _Process]) -> Iterator[_Row]:
    """The rows with the agent that serves a port in the place of the service manager that keeps a socket of it.

    psutil names one process a socket, the one with the lowest number.
    """
    kept = [row.use is Use.LISTENING and row.pid is not None and look_up(row.pid).name == KEEPER for row in rows]
    serving = dict(_listening_agents()) if any(kept) else {}
    for row, keeps in zip(rows, kept, strict=True):
        yield replace(row, pid=serving.get((row.address, row.port), row.pid)) if keeps else row


def _listening_agents() -> Iterator[tuple[tuple[str, int], int | None]]:
    """Where agents listen, as far as this user may know."""
    try:
        for process in psutil.process_iter(["cmdline"]):
            if is_agent(process.info["cmdline"] or ()):
                yield from (((row.address, row.port), row.pid) for row in _rows_of(process) if row.use is Use.LISTENING)
    except _FAILURES:
        return


def _rows() -> Iterator[_Row]:
    """Every TCP socket that is bound, with its process, as far as the system tells."""
    try:
        found = psutil.net_connections(kind="tcp")
    except _FAILURES:
        yield from _rows_by_process()
    else:
        yield from (_row(each.laddr, each.status, each.pid) for each in found if each.laddr)


def _rows_by_process() -> Iterator[_Row]:
    try:
        for process in psutil.process_iter():
            yield from _rows_of(process)
    except _FAILURES:
        return


def _rows_of(process: psutil.Process) -> list[_Row]:
    try:
        found = process.net_connections(kind="tcp")
    except _FAILURES:
        return []
    return [_row(each.laddr, each.status, process.pid) for each in found if each.laddr]


def _row(local: tuple[str, int], status: str, pid: int | None) -> _Row:
    if status == psutil.CONN_LISTEN:
        use = Use.LISTENING
    else:
        use = Use.ENDED if not pid and status in _ENDING else Use.CONNECTED
    # Windows gives what nobody has any more to its idle process, 0.
    return _Row(simplify(local[0]), local[1], use, pid or None)


def _look_up(pid: int) -> _Process:
    try:
        found = psutil.Process(pid).as_dict(["name", "username", "cmdline"], ad_value=None)
    except _FAILURES:
        return _Process(None, None)
    name = AGENT if is_agent(found["cmdline"] or ()) else make_printable(found["name"] or "") or None
    return _Process(name, found["username"])


def is_stopped(pid: int) -> bool:
    """Whether the process was stopped (SIGSTOP, Ctrl-Z) or is held by a debugger. False where nobody can tell."""
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP)
    except (*_FAILURES, OverflowError):
        return False


def is_agent(command_line: Sequence[str]) -> bool:
    """Whether it runs connmon-agent: the script, or the module by ``-m``, by whatever Python."""
    program, *arguments = command_line or ("",)
    if not PurePath(program).name.lower().startswith(("python", "pypy")):
        return PurePath(program).stem == AGENT
    rest = iter(arguments)
    for argument in rest:
        if argument == "-m":
            return next(rest, "") == "connmon_agent"
        if argument in ("-X", "-W"):
            next(rest, None)
        elif not argument.startswith("-"):
            return PurePath(argument).stem in (AGENT, f"{AGENT}-script")
    return False


def name_user() -> str | None:
    """The name of the user as whom this process runs, on Windows with the domain; None: the system does not tell."""
    try:
        return psutil.Process().username()
    except (*_FAILURES, KeyError):
        return None


def _user_name(uid: int | None) -> str | None:
    """The name of the user; the number where it has none, or this system has no list of them."""
    if uid is None:
        return None
    try:
        import pwd  # not on Windows

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)

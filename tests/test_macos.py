"""What can be shown of macOS without one: every module is imported without what only Linux has, and nothing else is.

Most of it names something at its import that only some systems have, or does so where another system would take it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import connmon_agent

pytestmark = pytest.mark.linux_alone(reason="what Linux has is taken away to look like macOS")

# By module, what only Linux has ("Availability" in the library reference, and typeshed's branches on sys.platform).
LINUX_ALONE = {
    "os": """copy_file_range eventfd fdatasync getrandom getresuid memfd_create pidfd_open pipe2 posix_fadvise
        posix_fallocate sched_getaffinity sched_setaffinity setns setresuid splice unshare O_DIRECT O_NOATIME O_PATH
        O_TMPFILE MFD_CLOEXEC MFD_ALLOW_SEALING ST_NODEV ST_NOEXEC""",
    "socket": """AF_NETLINK AF_PACKET AF_VSOCK NETLINK_ROUTE SOCK_CLOEXEC SOCK_NONBLOCK SO_BINDTODEVICE SO_DOMAIN
        SO_MARK SO_PASSCRED SO_PEERCRED SO_PEERSEC SO_PRIORITY SO_PROTOCOL SCM_CREDENTIALS TCP_CONGESTION TCP_CORK
        TCP_DEFER_ACCEPT TCP_INFO TCP_KEEPIDLE TCP_LINGER2 TCP_QUICKACK TCP_SYNCNT TCP_USER_TIMEOUT TCP_WINDOW_CLAMP
        MSG_CMSG_CLOEXEC MSG_CONFIRM MSG_ERRQUEUE MSG_MORE MSG_NOSIGNAL IP_TRANSPARENT IP_RECVERR""",
    "select": "epoll EPOLLIN EPOLLOUT EPOLLET EPOLL_CLOEXEC",
    "signal": "pidfd_send_signal SIGPWR SIGPOLL SIGSTKFLT SIGRTMIN SIGRTMAX sigtimedwait sigwaitinfo",
    "fcntl": """F_ADD_SEALS F_GET_SEALS F_SEAL_GROW F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_WRITE F_SETPIPE_SZ F_GETPIPE_SZ
        F_NOTIFY F_OFD_SETLK F_OFD_GETLK F_OFD_SETLKW""",
    "time": "CLOCK_BOOTTIME CLOCK_TAI",
    "resource": "prlimit RLIMIT_NICE RLIMIT_RTPRIO RLIMIT_SIGPENDING RLIMIT_MSGQUEUE RLIMIT_RTTIME RUSAGE_THREAD",
    "errno": "EBADE EBADFD ECOMM EMEDIUMTYPE ENOMEDIUM ENOTUNIQ EREMCHG EREMOTEIO ERESTART EUNATCH",
}

# Runs in a process of its own: first everything as it is, so that other packages are there; then ours again.
SCRIPT = """
import importlib, json, pkgutil, sys
import connmon_agent

def names():
    return [found.name for found in pkgutil.walk_packages(connmon_agent.__path__, "connmon_agent.")
            if not found.name.endswith(".__main__")]

def load(name):
    try:
        importlib.import_module(name)
    except BaseException as error:
        return f"{type(error).__name__}: {error}"

for name in names():
    load(name)
for name in [name for name in sys.modules if name.partition(".")[0] == "connmon_agent"]:
    del sys.modules[name]
sys.platform = "darwin"
for module, attributes in json.loads(sys.argv[1]).items():
    for attribute in attributes.split():
        vars(importlib.import_module(module)).pop(attribute, None)
import connmon_agent
failed = {name: error for name in names() if (error := load(name)) is not None}
code = sys.argv[2] if len(sys.argv) > 2 else "None"
print(json.dumps({"failed": failed, "asked": eval(code)}))
"""


def on_macos(code: str = "None") -> dict[str, object]:
    """What failed to be imported, and the value of ``code`` behind that."""
    command = [sys.executable, "-c", SCRIPT, json.dumps(LINUX_ALONE), code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(answer.stdout.splitlines()[-1])
    return found


def modules_of_windows() -> set[str]:
    """Those that say at their beginning that they are for Windows alone."""
    root = Path(connmon_agent.__file__).parent
    found = (path for path in root.rglob("*.py") if 'assert sys.platform == "win32"' in path.read_text())
    return {".".join(("connmon_agent", *path.relative_to(root).with_suffix("").parts)) for path in found}


def test_every_module_but_those_of_windows_is_imported() -> None:
    failed = on_macos()["failed"]
    assert isinstance(failed, dict)
    assert set(failed) <= modules_of_windows(), failed
    assert modules_of_windows()


def test_what_a_start_asks_of_the_system_is_there() -> None:
    """The clocks, the look at routes, a process's birth, the rooms for clients and the loop's own watch of the link."""
    asked = """[
        importlib.import_module("connmon_agent.runtime.clocks").boottime() > 0,
        type(importlib.import_module("connmon_agent.routes").open_link_watch()).__name__,
        importlib.import_module("connmon_agent.sockets.hops").find_hop("192.0.2.1"),
        importlib.import_module("connmon_agent.port_forwarding.descriptors").raise_limit() > 0,
        importlib.import_module("connmon_agent.sockets.port_ranges") is not None,
    ]"""
    assert on_macos(asked)["asked"] == [True, "PollingWatch", None, True, True]

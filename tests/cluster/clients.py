"""Programs where the agent runs: one that asks a local port, and one that holds it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.site import PATIENCE, Site

_ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=15)
connection.request("GET", "/")
print(connection.getresponse().read().decode().strip())
"""
_HOLD = """
import os, socket, sys
held = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(os.getpid(), flush=True)
sys.stdin.read()
"""


def ask(site: Site, port: int, host: str = "127.0.0.1") -> str | None:
    """What the pod behind a local port says of itself: its name. None: no answer came."""
    command = site.within([sys.executable, "-c", _ASK, host, str(port)])
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    return done.stdout.strip() or None if done.returncode == 0 else None


@contextmanager
def holding(site: Site, port: int) -> Iterator[int]:
    """Another program listens on ``port`` of 127.0.0.1; gives its process id."""
    command = site.within([sys.executable, "-c", _HOLD, str(port)])
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None and program.stdout is not None
        pid = int(program.stdout.readline())  # its own, not that of the command that put it there
        try:
            yield pid
        finally:
            program.stdin.close()

"""Programs where the agent runs: one that asks a local port, and one that holds it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.cluster.places import PATIENCE, run
from tests.cluster.site import Site

_ASK = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=float(sys.argv[3]))
connection.request("GET", "/")
print(connection.getresponse().read().decode().strip())
"""
_HOLD = """
import os, socket, sys
held = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(os.getpid(), flush=True)
sys.stdin.read()
"""
_PORTAL = """
import http.server, sys, threading
class Portal(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", "http://login.portal.example/")
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer((sys.argv[1], 0), Portal)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_port, flush=True)
sys.stdin.read()
"""
_LEAD_AWAY = "table ip portal {{ chain out {{ type nat hook output priority -100; tcp dport 80 dnat to {to}; }}\n}}"


def ask(site: Site, port: int, *, within: float = 15.0) -> str | None:
    """What the pod behind a local port says of itself: its name. None: no answer came ``within`` so many seconds."""
    command = site.within([sys.executable, "-c", _ASK, "127.0.0.1", str(port), str(within)])
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
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


@contextmanager
def captive_portal(site: Site) -> Iterator[None]:
    """Every page that is asked for behind this place's link is answered with the way to the page of a login."""
    assert site.lab is not None and site.place is not None
    command = [site.lab, "exec", "internet", sys.executable, "-c", _PORTAL, site.place.gateway]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdin is not None and program.stdout is not None
        port = int(program.stdout.readline())
        run(site.within(["nft", _LEAD_AWAY.format(to=f"{site.place.gateway}:{port}")]))
        try:
            yield
        finally:
            run(site.within(["nft", "delete", "table", "ip", "portal"]))
            program.stdin.close()

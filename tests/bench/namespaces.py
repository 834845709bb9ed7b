"""Sites of their own: each two network namespaces, a virtual cable between them and a small internet at its end.

Needs root, ``ip`` and ``nft``. Several stand side by side; nothing of them reaches the machine's own network.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.bench import small_internets
from tests.bench.agents import BenchError, Json

SERVER, RESOLVER, GATEWAY, OWN = "192.0.2.1", "192.0.2.2", "198.51.100.1", "198.51.100.2"
TARGETS: list[Json] = [
    {"kind": "tcp", "host": SERVER, "port": 443},
    {"kind": "dns", "server": RESOLVER, "name": "example.com"},
    {"kind": "http", "url": f"http://{SERVER}/generate_204", "status": 204},
]
NAMED_TARGETS: list[Json] = [*TARGETS[:2], {**TARGETS[2], "url": "http://portal.example.com/generate_204"}]

_INPUT = "chain input {{ type filter hook input priority 0; {rule}; }}"
_OUTPUT = "chain output {{ type filter hook output priority 0; {rule}; }}"
_PORTAL = "chain portal { type nat hook prerouting priority -100; tcp dport 80 redirect to :8080; }"

_numbers = itertools.count()


def what_is_missing() -> str | None:
    """Why no such site can be built on this machine; None: it can."""
    missing = [tool for tool in ("ip", "nft") if shutil.which(tool) is None]
    if missing or os.geteuid() != 0:
        return f"not measured: needs {', '.join(missing) or 'root'}, to build network namespaces"
    return None


class Load(NamedTuple):
    """What went through a cable: packets, and bytes with the headers of Ethernet."""

    packets: int
    bytes: int


class CableSite:
    """One site. Whatever was broken is whole again after ``mend``."""

    def __init__(self, name: str) -> None:
        self.inside, self.outside = name, f"{name}-out"

    def enclose(self, command: Sequence[str]) -> list[str]:
        """The command that runs ``command`` behind the cable."""
        return ["ip", "netns", "exec", self.inside, *command]

    def drop(self) -> None:
        """A black hole behind the cable: every packet is lost without a word."""
        self._filter(_INPUT.format(rule="drop"))

    def reject(self) -> None:
        """A router that says no (ICMP "administratively prohibited")."""
        self._filter(_INPUT.format(rule="reject with icmpx admin-prohibited"))

    def unplug(self) -> None:
        """The carrier is gone."""
        _run("ip", "-n", self.outside, "link", "set", "wan", "down")

    def remove_route(self) -> None:
        """The default route is gone."""
        _run("ip", "-n", self.inside, "route", "del", "default")

    def silence_dns(self) -> None:
        """Every name server is silent, and nothing else."""
        self._filter(_INPUT.format(rule="meta l4proto { tcp, udp } th dport 53 drop"))

    def log_in_first(self) -> None:
        """A captive portal answers every HTTP request, and lets everything else pass."""
        self._filter(_PORTAL)

    def lose(self, percent: int) -> None:
        """So many of a hundred packets are lost by chance, each way."""
        rule = f"numgen random mod 100 < {percent} drop"
        self._filter(f"{_INPUT.format(rule=rule)}\n{_OUTPUT.format(rule=rule)}")

    def mend(self) -> None:
        """Make the link whole."""
        self._filter("")
        _run("ip", "-n", self.outside, "link", "set", "wan", "up")
        _run("ip", "-n", self.inside, "route", "replace", "default", "via", GATEWAY)

    def load(self) -> Load:
        """What has gone through the cable so far, both ways."""
        shown = _run(*self.enclose(["cat", "/proc/net/dev"]))
        numbers = next(line for line in shown.splitlines() if "wan:" in line).split(":")[1].split()
        return Load(int(numbers[1]) + int(numbers[9]), int(numbers[0]) + int(numbers[8]))

    def _filter(self, chains: str) -> None:
        """Put these chains in place of those before, at once."""
        rules = f"table inet cut {{ }}\ndelete table inet cut\ntable inet cut {{\n{chains}\n}}\n"
        _run("ip", "netns", "exec", self.outside, "nft", "-f", "-", text=rules)


@contextmanager
def cable_site() -> Iterator[CableSite]:
    """A whole site for the length of the block. Raises BenchError: this machine does not allow it."""
    site = CableSite(f"connmon-{os.getpid()}-{next(_numbers)}")
    settings = Path("/etc/netns") / site.inside
    with ExitStack() as stack:
        for namespace in (site.inside, site.outside):
            _run("ip", "netns", "add", namespace)
            stack.callback(_run, "ip", "netns", "del", namespace)
            _run("ip", "-n", namespace, "link", "set", "lo", "up")
        stack.callback(shutil.rmtree, settings, ignore_errors=True)
        settings.mkdir(parents=True)
        (settings / "resolv.conf").write_text(f"nameserver {RESOLVER}\n", encoding="ascii")
        _lay_cable(site)
        stack.enter_context(_internet(site))
        site.mend()
        yield site


def _lay_cable(site: CableSite) -> None:
    _run("ip", "-n", site.inside, "link", "add", "wan", "type", "veth", "peer", "name", "wan", "netns", site.outside)
    for namespace, address in ((site.inside, OWN), (site.outside, GATEWAY)):
        _run("ip", "-n", namespace, "addr", "add", f"{address}/24", "dev", "wan")
        _run("ip", "-n", namespace, "link", "set", "wan", "up")
    for address in (SERVER, RESOLVER):
        _run("ip", "-n", site.outside, "addr", "add", f"{address}/32", "dev", "lo")


@contextmanager
def _internet(site: CableSite) -> Iterator[None]:
    command = [sys.executable, str(Path(small_internets.__file__)), SERVER, RESOLVER]
    process = subprocess.Popen(
        ["ip", "netns", "exec", site.outside, *command], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise BenchError("the small internet did not start")
        yield
    finally:
        process.kill()
        process.communicate()


def _run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip()[:300]}")
    return done.stdout

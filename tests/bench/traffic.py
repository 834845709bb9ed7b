"""What watching costs on the line at rest, by the counters of the cable's interface; beside it mwan3 and dpinger.

Neither peer is run: their probes are echoes, and the same echoes are sent at their default pace.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import echoes
from tests.bench.agents import Json, running_agent
from tests.bench.faults import configure_site
from tests.bench.figures import Figure, Limit
from tests.bench.namespaces import NAMED_TARGETS, RESOLVER, SERVER, CableSite, cable_site, what_is_missing

WARM_UP = 75.0  # seconds after the start: the gateway is asked no more, and all targets have been asked once again
DAY = 86_400.0
ETHERNET = 14  # bytes of a frame that a provider does not count


@dataclass(frozen=True, slots=True)
class Echoes:
    """A peer's probes. ``interval`` in seconds, ``payload`` in bytes; ``source`` says where the numbers come from."""

    name: str
    interval: float
    payload: int
    addresses: tuple[str, ...]
    source: str


PEERS = (
    Echoes(
        "mwan3", 5.0, 56, (SERVER, RESOLVER), "openwrt/packages net/mwan3/files/etc/config/mwan3: 15 s to a verdict"
    ),
    Echoes("dpinger", 0.5, 0, (SERVER,), "its README and dpinger.c: 500 ms, no payload, one address"),
)


def measure_traffic(folder: Path, *, seconds: int) -> list[Figure]:
    """An agent with default settings, one on a metered connection, and the peers' probes, all at the same time."""
    if reason := what_is_missing():
        return [Figure("traffic at rest", "MB/day", note=reason)]
    with ExitStack() as stack:
        usual, metered = (configure_site(tuple(NAMED_TARGETS), metered=flag) for flag in (False, True))
        sites = [
            ("agent", Limit(12.0), stack.enter_context(_agent(folder / "usual", usual))),
            ("agent, metered", Limit(1.0), stack.enter_context(_agent(folder / "metered", metered))),
        ]
        sites += [(peer.name, None, stack.enter_context(_echoing(peer))) for peer in PEERS]
        time.sleep(WARM_UP)
        before = [site.load() for _, _, site in sites]
        time.sleep(seconds)
        after = [site.load() for _, _, site in sites]
    note = f"both ways, from {seconds} s; IP packets, as a provider counts them (with Ethernet's headers: below)"
    figures = []
    for (name, limit, _), old, new in zip(sites, before, after, strict=True):
        packets, framed = new.packets - old.packets, new.bytes - old.bytes
        scale, peer = DAY / seconds, limit is None
        plain = (framed - ETHERNET * packets) * scale / 1e6
        figures += [
            Figure(f"{name} at rest: traffic", "MB/day", (plain,), limit, peer=peer, note=note),
            Figure(f"{name} at rest: frames of Ethernet", "MB/day", (framed * scale / 1e6,), limit, peer=peer),
            Figure(f"{name} at rest: packets", "1/min", (packets * 60 / seconds,), peer=peer),
        ]
    return figures


@contextmanager
def _agent(folder: Path, config: Json) -> Iterator[CableSite]:
    with cable_site() as site, running_agent(folder, config, site.enclose) as agent:
        agent.wait_said(r"link: STARTING -> ONLINE")
        yield site


@contextmanager
def _echoing(peer: Echoes) -> Iterator[CableSite]:
    command = [sys.executable, str(Path(echoes.__file__)), str(peer.interval), str(peer.payload), *peer.addresses]
    with cable_site() as site:
        process = subprocess.Popen(site.enclose(command), stdin=subprocess.DEVNULL)
        try:
            yield site
        finally:
            process.kill()
            process.wait()

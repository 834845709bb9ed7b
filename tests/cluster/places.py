"""Where an agent of the cluster suite runs: a network namespace of its own with two links that can be cut.

One link leads to the lab's internet and one to its cluster, as those of the lab's own site do. Each worker of pytest
has a place, so that a test which cuts its links disturbs no other. They are made by the lab's ``exec``.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

# Seconds that anything may take; only a failing test waits so long. A busy machine needs 90 s at most, but Kubernetes
# itself may need two minutes after its API server was away: since 1.36 the controllers change nothing before their
# informers, which connect anew after up to a minute, have caught up, and look again for that at doubling intervals
# ("read version ... is not as new as written version ..." in the controller manager's log).
PATIENCE = 300.0
_CUT = (
    "table inet cut_{link} {{ chain out {{ type filter hook output priority 0; oifname {link} {mode}; }}\n"
    "chain in {{ type filter hook input priority 0; iifname {link} drop; }}\n}}"
)
INTERNET, API = "wan0", "api0"  # the links, as seen from here


def run(command: Sequence[str], *, text: str | None = None) -> str:
    """Run a command that must succeed; returns what it wrote."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}: {done.stderr or done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class Place:
    """The place ``number`` (0 to 99), made by the lab's command ``lab``."""

    lab: str
    number: int

    @property
    def name(self) -> str:
        """The namespace's name."""
        return f"connmon-place-{self.number}"

    def within(self, command: Sequence[str]) -> list[str]:
        """The command that runs ``command`` here."""
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def make(self) -> None:
        """Make it anew, whole."""
        self.end()
        run(["ip", "netns", "add", self.name])
        self._connect("cluster", API, self._net(201))
        self._connect("internet", INTERNET, self._net(202))
        self._script("ip link set lo up")
        self.mend(API)
        self.mend(INTERNET)

    def end(self) -> None:
        """Take it away, with its links. Nothing happens where there is none."""
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, timeout=PATIENCE, check=False)

    def cut(self, link: str, mode: str) -> None:
        """Cut a link: ``down`` (its carrier is lost), ``drop`` (a silent black hole) or ``reject``."""
        assert mode in ("down", "drop", "reject"), mode
        self.mend(link)
        if mode == "down":
            self._script(f"ip link set {link} down")
        else:
            run(self.within(["nft", _CUT.format(link=link, mode=mode)]))

    def mend(self, link: str) -> None:
        """Make a link whole, with its route."""
        targets = {INTERNET: f"default via {self._net(202)}.1", API: f"10.200.0.0/24 via {self._net(201)}.1"}
        self._script(
            f"nft delete table inet cut_{link} 2>/dev/null; ip link set {link} up && ip route replace {targets[link]}"
        )

    @property
    def gateway(self) -> str:
        """The address of the internet's end of the link."""
        return f"{self._net(202)}.1"

    def _net(self, second: int) -> str:
        return f"10.{second}.{100 + self.number}"

    def _connect(self, there: str, link: str, net: str) -> None:
        """A pair of interfaces, ``link`` here and one of the place's number in the lab's namespace ``there``."""
        other = f"place{self.number}"
        steps = (
            f"ip link del {other} 2>/dev/null",  # a namespace that has just been taken away goes a little later
            f"ip link add {other} type veth peer name {link} netns {self.name} && "
            f"ip addr add {net}.1/24 dev {other} && ip link set {other} up",
        )
        run([self.lab, "exec", there, "sh", "-c", "; ".join(steps)])
        self._script(f"ip addr add {net}.2/24 dev {link}")

    def _script(self, text: str) -> None:
        run(self.within(["sh", "-c", text]))

"""How soon a local port leads to a pod again, after what takes pods, links and API servers away.

A client of the agent's port and one of kubectl's make a new connection every 50 ms all the while. The pod says its name
to each of them.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tests.bench.agents import BenchError
from tests.bench.figures import Figure, Limit
from tests.bench.forward_sites import NAME, KubectlSide, Side, client_command, session, wait_until
from tests.bench.lab_places import LabPlace
from tests.bench.places import NAMESPACE

HOLD = Limit(1.0)
OUTAGE = 10.0  # seconds that the way to the API server is cut
DEAD = 2.0  # seconds without an API server, at least
NEVER = 10.0  # seconds after the agent's first answer in which kubectl's has not come

_LINE = (
    '{.metadata.name} {.status.conditions[?(@.type=="Ready")].status} {.metadata.deletionTimestamp}{"\\n"}'  # of a pod
)
_BY_WATCH = "from the instant at which a watch sees the new pod Ready to the first byte from it"
_BY_COMMAND = "from before the command that makes the way whole to the first byte"
_BY_READYZ = "from the API server's first good /readyz; negative: the byte was there before"


class Lines:
    """What a command writes line by line, with the times at which it came."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: list[tuple[float, str]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def all(self) -> list[tuple[float, str]]:
        """All so far."""
        return list(self._lines)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                self._lines.append((time.monotonic(), line.rstrip("\n")))
        except ValueError:  # closed with its process
            return


@contextmanager
def listening(command: list[str]) -> Iterator[Lines]:
    """A command that runs until the block is left."""
    with session(command, stdout=subprocess.PIPE) as process:
        yield Lines(process)


@dataclass(frozen=True, slots=True)
class Visits:
    """What the clients of one port met."""

    lines: Lines

    def answers(self) -> list[tuple[float, str]]:
        """When a pod answered, and which, in order."""
        documents = [json.loads(line) for _, line in self.lines.all() if line.startswith("[")]
        return sorted((ended, name) for _, ended, name in documents if name is not None)

    def first(self, *, after: float = 0.0, pod: str | None = None) -> float | None:
        """When the first one answered after ``after``: this ``pod``, or any."""
        return next((at for at, name in self.answers() if at > after and pod in (None, name)), None)


@dataclass(frozen=True, slots=True)
class Scene:
    """What an event is watched with."""

    place: LabPlace
    kubectl: KubectlSide
    ours: Visits
    theirs: Visits
    pods: Lines

    def ready(self) -> dict[str, float]:
        """When each pod was first seen Ready."""
        seen: dict[str, float] = {}
        for at, line in self.pods.all():
            name, *rest = line.split(" ")
            if rest == ["True", ""]:
                seen.setdefault(name, at)
        return seen


Times = tuple[float, float | None]  # of the agent and of kubectl; None: never


def measure_returns(place: LabPlace, agent: Side, kubectl: KubectlSide, *, runs: int) -> list[Figure]:
    """Each event in turn; everything is whole again afterwards, whatever happens."""
    figures = []
    with whole_again(place):
        for what, event, note in _EVENTS:
            taken = [_watch(place, agent, kubectl, event) for _ in range(runs)]
            figures += _tell(f"{what} ({place.name})", taken, note)
    return figures


def _tell(what: str, taken: list[Times], note: str) -> list[Figure]:
    theirs = tuple(peer for _, peer in taken if peer is not None)
    never = len(taken) - len(theirs)
    said = (
        f"kubectl: never in {never} of {len(taken)} runs; it had ended, or {NEVER:g} s were not enough" if never else ""
    )
    return [
        Figure(what, "s", tuple(ours for ours, _ in taken), HOLD, note=note),
        Figure("kubectl port-forward", "s", theirs, peer=True, note=said),
    ]


@contextmanager
def whole_again(place: LabPlace) -> Iterator[None]:
    """Within, the way to the API server and the server itself may be broken."""
    try:
        yield
    finally:
        place.run("apilink", "up")
        if "apiserver: runs" not in place.run("status"):
            place.run("apiserver", "start")


def _watch(place: LabPlace, agent: Side, kubectl: KubectlSide, event: Callable[[Scene], Times]) -> Times:
    """One event, begun when both ports lead to the one pod there is."""
    place.settle([NAME])
    kubectl.renew(NAME)
    command = place.command("kubectl", "--namespace", NAMESPACE, "get", "pods", f"--selector=app={NAME}", "--watch")
    with ExitStack() as stack:
        ours, theirs = (
            Visits(stack.enter_context(listening(client_command(place, "poll", side.port(NAME)))))
            for side in (agent, kubectl)
        )
        pods = stack.enter_context(listening([*command, f"--output=jsonpath={_LINE}"]))
        scene = Scene(place, kubectl, ours, theirs, pods)
        wait_until(lambda: bool(ours.answers() and theirs.answers() and scene.ready()), "both ports lead to the pod")
        return event(scene)


# The events.


def _restart(scene: Scene) -> Times:
    return _replace(scene, "rollout", "restart", f"deployment/{NAME}")


def _delete(scene: Scene) -> Times:
    return _replace(scene, "delete", "pods", f"--selector=app={NAME}", "--force", "--grace-period=0")


def _replace(scene: Scene, *command: str) -> Times:
    """Seconds from the new pod's readiness to its first byte."""
    before = set(scene.ready())
    scene.place.kubectl(*command)
    wait_until(lambda: bool(set(scene.ready()) - before), "there is a new pod")
    pod = next(iter(set(scene.ready()) - before))
    return _first_answers(scene, since=scene.ready()[pod], pod=pod)


def _cut(scene: Scene) -> Times:
    scene.place.run("apilink", "drop")
    time.sleep(OUTAGE)
    back = time.monotonic()
    scene.place.run("apilink", "up")
    return _first_answers(scene, since=back, after=back)


def _kill(scene: Scene) -> Times:
    with listening(client_command(scene.place, "ready", scene.place.kubeconfig)) as health:
        scene.place.run("apiserver", "kill")
        killed = time.monotonic()
        time.sleep(DEAD)
        scene.place.run("apiserver", "start")
        wait_until(lambda: _became_ready(health, killed) is not None, "the API server is ready")
        back = _became_ready(health, killed)
    assert back is not None
    return _first_answers(scene, since=back, after=killed)


def _became_ready(health: Lines, after: float) -> float | None:
    documents: list[tuple[float, bool]] = [tuple(_parse(line)) for _, line in health.all() if line.startswith("[")]
    return next((at for at, ready in documents if ready and at > after), None)


def _parse(line: str) -> list[Any]:
    return list(json.loads(line))


def _first_answers(scene: Scene, *, since: float, after: float = 0.0, pod: str | None = None) -> Times:
    """Seconds from ``since`` to each one's first answer ``after`` an instant, from this ``pod`` or any."""
    wait_until(lambda: scene.ours.first(after=after, pod=pod) is not None, "the agent's port answers again")
    ours = scene.ours.first(after=after, pod=pod)
    if ours is None:
        raise BenchError("the agent's port does not answer")
    until = time.monotonic() + NEVER
    while (theirs := scene.theirs.first(after=after, pod=pod)) is None:
        if time.monotonic() > until or not scene.kubectl.lives(NAME):
            break
        time.sleep(0.05)
    return ours - since, None if theirs is None else theirs - since


_EVENTS: tuple[tuple[str, Callable[[Scene], Times], str], ...] = (
    ("kubectl rollout restart: pod Ready -> first byte", _restart, _BY_WATCH),
    ("kubectl delete pod --force: pod Ready -> first byte", _delete, _BY_WATCH),
    (f"way to the API cut for {OUTAGE:g} s: whole -> first byte", _cut, _BY_COMMAND),
    ("API server killed and started: ready -> first byte", _kill, _BY_READYZ),
)

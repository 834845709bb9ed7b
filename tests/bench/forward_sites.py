"""What the bench of the local ports works on: pods that answer, and the two that lead to them: agent and kubectl."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil
from tests.bench import forward_clients
from tests.bench.agents import PATIENCE, AgentProcess, BenchError, Json, environment, running_agent
from tests.bench.lab_places import LabPlace, as_list, describe_pod
from tests.bench.loopback_places import LoopbackPlace
from tests.bench.places import NAMESPACE, Place, configure

from connmon_lab.kubernetes import manifests

ECHO, SOURCE, SINK, NAME = SERVICES = ("echo", "source", "sink", "name")
PORT = 9000  # of every pod
BLOCK, BLOCKS = 64 * 1024, 2048
SIZE = BLOCK * BLOCKS  # bytes of a download and of an upload

_SINK = f"dd of=/dev/null bs={BLOCK} count={BLOCKS} iflag=fullblock 2>/dev/null; echo done"
_LISTEN = ["/bin/nc", "-ll", "-p", str(PORT), "-e"]
_COMMANDS = {
    ECHO: ["/echo/echo", str(PORT)],
    SOURCE: [*_LISTEN, "/bin/dd", "if=/dev/zero", f"bs={BLOCK}", f"count={BLOCKS}"],
    SINK: [*_LISTEN, "/bin/sh", "-c", _SINK],
    NAME: [*_LISTEN, "/bin/hostname"],
}
_ECHO_SOURCE = Path(__file__).with_name("forward_echo.c")


# What is behind the ports.


def deploy_pods(place: Place, folder: Path) -> None:
    """Have one pod and one Service each that echoes, sends, takes and tells its name. Raises BenchError."""
    if isinstance(place, LabPlace):
        _clear(place)
        objects = [_describe_echo(folder), *(one for name in SERVICES for one in _describe(name))]
        place.kubectl("create", "--filename=-", text=as_list(objects))
        place.settle(SERVICES)
    elif isinstance(place, LoopbackPlace):
        for name, program in ((ECHO, _echo), (SOURCE, _send), (SINK, _take)):
            place.serve(name, PORT, program)


def expose(place: LabPlace, names: Sequence[str]) -> None:
    """Have these Deployments and a Service for each, and nothing else."""
    _clear(place)
    place.kubectl("create", "--filename=-", text=as_list([manifests.service(name, NAMESPACE) for name in names]))
    place.deploy(names)


def _clear(place: LabPlace) -> None:
    place.kubectl("delete", "deployments,services", "--all")
    place.kubectl("delete", "configmaps", ECHO, "--ignore-not-found")


def _describe(name: str) -> list[Json]:
    template = describe_pod(name)
    template["spec"]["containers"][0].update(command=_COMMANDS[name], ports=[{"containerPort": PORT}])
    if name == ECHO:
        template["spec"]["containers"][0]["volumeMounts"] = [{"name": ECHO, "mountPath": f"/{ECHO}"}]
        template["spec"]["volumes"] = [{"name": ECHO, "configMap": {"name": ECHO, "defaultMode": 0o555}}]
    template["spec"]["terminationGracePeriodSeconds"] = 1
    deployment = manifests.deployment(name, NAMESPACE, template=template)
    return [deployment, manifests.service(name, NAMESPACE, target=PORT)]


def _describe_echo(folder: Path) -> Json:
    """The echo server for the pod: busybox' own listener keeps no more than two connections waiting."""
    compiler, program = shutil.which("cc"), folder / ECHO
    if compiler is None:
        raise BenchError("the pod's echo server wants a C compiler (Debian: gcc, libc6-dev)")
    done = subprocess.run(
        [compiler, "-static", "-Os", "-s", "-o", str(program), str(_ECHO_SOURCE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BenchError(f"{compiler} does not compile {_ECHO_SOURCE.name}: {done.stderr[:300]}")
    content = base64.b64encode(program.read_bytes()).decode()
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": ECHO}, "binaryData": {ECHO: content}}


async def _echo(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(BLOCK):
        writer.write(data)
        await writer.drain()


async def _send(reader: StreamReader, writer: StreamWriter) -> None:
    block = bytes(BLOCK)
    for _ in range(BLOCKS):
        writer.write(block)
        await writer.drain()


async def _take(reader: StreamReader, writer: StreamWriter) -> None:
    left = SIZE
    while left > 0 and (data := await reader.read(BLOCK)):
        left -= len(data)
    writer.write(b"done\n")


# Who leads to them.


class Side(Protocol):
    """Whoever has local ports that lead to the Services."""

    name: str

    def port(self, service: str) -> int:
        """The local port. Raises BenchError: there is none."""

    def process(self, service: str) -> psutil.Process:
        """The process that has it."""


class AgentSide:
    """The agent: one process for all ports."""

    name = "agent"

    def __init__(self, agent: AgentProcess, ports: Mapping[str, int]) -> None:
        self._agent = agent
        self._ports = ports

    def port(self, service: str) -> int:
        return self._ports[service]

    def process(self, service: str) -> psutil.Process:
        return psutil.Process(self._agent.pid)


class KubectlSide:
    """``kubectl port-forward``: one process for each Service, begun again when it has ended."""

    name = "kubectl"

    def __init__(self, place: Place, kubectl: str, folder: Path, ports: Mapping[str, int]) -> None:
        self._place = place
        self._kubectl = kubectl
        self._folder = folder
        self._ports = ports
        self._running: dict[str, tuple[subprocess.Popen[str], contextlib.ExitStack]] = {}

    def port(self, service: str) -> int:
        if not self.lives(service):
            self.renew(service)
        return self._ports[service]

    def process(self, service: str) -> psutil.Process:
        family = psutil.Process(self._running[service][0].pid).children(recursive=True)
        return next(one for one in family if one.name() == Path(self._kubectl).name)

    def lives(self, service: str) -> bool:
        """Whether it still runs."""
        return service in self._running and self._running[service][0].poll() is None

    def renew(self, service: str) -> None:
        """Begin anew for this Service."""
        self.end(service)
        said = self._folder / f"kubectl-{service}.log"
        options = [f"--kubeconfig={self._place.kubeconfig}", f"--namespace={NAMESPACE}", "port-forward"]
        command = [self._kubectl, *options, f"service/{service}", f"{self._ports[service]}:80"]
        stack = contextlib.ExitStack()
        output = stack.enter_context(said.open("w"))
        process = stack.enter_context(session(self._place.enclose(command), stdout=output))
        self._running[service] = (process, stack)
        wait_until(lambda: "Forwarding from 127" in said.read_text() or process.poll() is not None, "kubectl forwards")
        if process.poll() is not None:
            raise BenchError(f"kubectl port-forward ended at once: {said.read_text()[:300]}")

    def end(self, service: str) -> None:
        """End the one for this Service, if there is one."""
        if service in self._running:
            self._running.pop(service)[1].close()

    def close(self) -> None:
        """End all of them."""
        for service in list(self._running):
            self.end(service)


@contextmanager
def running_sides(place: Place, folder: Path, kubectl: str | None) -> Iterator[tuple[Side, KubectlSide | None]]:
    """The agent and, where there is a ``kubectl``, its port-forwards, until the block is left."""
    free = ask(place, "ports", 2 * len(SERVICES))
    ours, theirs = (dict(zip(SERVICES, found, strict=True)) for found in (free[::2], free[1::2]))
    services = [name for name in SERVICES if name != NAME or isinstance(place, LabPlace)]
    with contextlib.ExitStack() as stack:
        config = configure_ports(place, {name: ours[name] for name in services})
        agent = stack.enter_context(running_agent(folder / "forwards", config, place.enclose))
        side, peer = AgentSide(agent, ours), None
        wait_until(lambda: ask(place, "connect", ours[ECHO], 1, 0)[0] is not None, "the agent's port answers")
        if kubectl is not None:
            peer = KubectlSide(place, kubectl, folder, theirs)
            stack.callback(peer.close)
        yield side, peer


def configure_ports(place: Place, ports: Mapping[str, int]) -> Json:
    """A configuration with these local ports. It restarts nothing, for others may break the links meanwhile; and it
    goes kubectl's way, wherever the bench is run.
    """
    config = configure(place, list(ports))
    for name, port in ports.items():
        config["services"][name]["port"] = port
    return {**config, "recovery": {"act": False}, "forwards": {"transport": "port-forward"}}


# Commands, none of which is left behind.


@contextmanager
def session(command: Sequence[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    """A command, and whatever it has begun, gone when the block is left."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT, text=True, env=environment(),
        start_new_session=True, **options,
    )  # fmt: skip
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def client_command(place: Place, role: str, *arguments: object) -> list[str]:
    """The command line of a client in this place."""
    words = [role, *map(str, arguments)]
    return place.enclose([sys.executable, str(Path(forward_clients.__file__)), *words])


def ask(place: Place, role: str, *arguments: object) -> Any:
    """What a client says. Raises BenchError: it could not do its work."""
    with session(client_command(place, role, *arguments), stdout=subprocess.PIPE) as process:
        try:
            said, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise BenchError(f"{role} took longer than {PATIENCE:g} s") from error
    if process.returncode != 0:
        raise BenchError(f"{role} failed: {said.strip()[-300:]}")
    return json.loads(said)


def wait_until(condition: Callable[[], bool], what: str, *, within: float = PATIENCE) -> None:
    """Look until ``condition`` is true. Raises BenchError after ``within`` seconds."""
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            raise BenchError(f"not within {within:g} s: {what}")
        time.sleep(forward_clients.PAUSE)

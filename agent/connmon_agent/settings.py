"""The configuration as frozen values: what a person can set, with unit, default and the meaning of None.

Durations are seconds here; the file writes them as ``500ms``, ``5s``, ``10m`` or ``1h``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import asdict

from .core.plan import Plan, Reclaim
from .errors import Problem


class TcpTarget(Struct, frozen=True):
    """A TCP connection to ``host``:``port`` that is accepted. ``family`` "ipv4" or "ipv6"; None: whatever there is."""

    host: str
    port: int
    name: str
    family: str | None = None


class DnsTarget(Struct, frozen=True):
    """A DNS query for the ``record`` ("A" or "AAAA") of ``query``, sent to ``server`` (an IP address), that is answered
    with one. ``transport`` is "udp", where only a truncated answer is asked for again over TCP, or "tcp"."""

    server: str
    query: str
    name: str
    port: int = 53
    record: str = "A"
    transport: str = "udp"


class HttpTarget(Struct, frozen=True):
    """A GET of ``url`` answered with exactly ``status`` and, unless None, exactly ``body``. No redirect is followed.

    ``proxy`` is the URL of an HTTP proxy, or "none"; None: what the environment says (http_proxy, https_proxy,
    no_proxy). ``family`` is "ipv4" or "ipv6"; None: whatever there is.
    """

    url: str
    name: str
    status: int = 200
    body: str | None = None
    proxy: str | None = None
    family: str | None = None


class InterfaceTarget(Struct, frozen=True):
    """An OS link that is up and has an address. ``interface`` None: the one of the default route; the default route
    must then exist. A named interface must be up and, where the OS tells, hold a default route."""

    interface: str | None
    name: str


class IcmpTarget(Struct, frozen=True):
    """An ICMP echo that ``host`` sends back. ``family`` "ipv4" or "ipv6"; None: whatever there is."""

    host: str
    name: str
    family: str | None = None


class GatewayTarget(Struct, frozen=True):
    """A gateway, which is there: it sends back an echo, or accepts or refuses a connection.

    ``address`` None: the default route's; else as the operating system tells it, with the zone where it needs one.
    """

    name: str
    address: str | None = None


class ApiTarget(Struct, frozen=True):
    """The cluster's API server, which accepts a TCP connection. The agent's own: no configuration names it."""

    host: str
    port: int
    name: str


Target = TcpTarget | DnsTarget | HttpTarget | IcmpTarget | GatewayTarget | InterfaceTarget

# What can answer while the internet is gone: it tells where the fault is, and has no vote in the quorum.
EVIDENCE_TARGETS = (GatewayTarget, InterfaceTarget, ApiTarget)


NOT_ASKED = "none"

LOOPBACK = ("127.0.0.1", "::1")  # the addresses of ``localhost``, of which a machine may lack one


class Transport(StrEnum):
    """How a connection gets from this machine to a pod."""

    AUTO = "auto"  # directly where the pod's network begins on this machine, else through the API server
    DIRECT = "direct"  # dial the pod, its Service or its node
    PORT_FORWARD = "port-forward"  # through the API server and the kubelet


class ForwardSettings(Struct, frozen=True):
    """The local port on which a service is to be reached, and what is behind it."""

    service: str  # the Kubernetes Service; default: the service's name
    port: int  # the primary local port
    alternatives: tuple[int, ...] = ()
    target: str | None = None  # Service port, by name or number; None: chosen by kube.backends.find_port
    check: str | None = None  # path that HTTP must answer with less than 400; None: a TCP connection is enough
    transport: Transport = Transport.AUTO


class ForwardingSettings(Struct, frozen=True):
    """What holds for all local ports. Durations in seconds."""

    bind: tuple[str, ...] = LOOPBACK
    allow_remote: bool = False  # ``bind`` may hold addresses that other machines can reach
    reclaim: Reclaim = Reclaim.IDLE
    backend_wait: float = 10.0  # how long a new connection waits for a ready pod, or for its turn
    max_connections: int = 1000  # through one local port at a time


class KubernetesSettings(Struct, frozen=True):
    """How to reach the cluster.

    ``kubeconfig`` None: $KUBECONFIG, else ~/.kube/config, else k3s' own file, else the pod's service account;
    ``context`` None: the kubeconfig's current one.
    """

    kubeconfig: Path | None = None
    context: str | None = None
    namespace: str = "default"
    connect_timeout: float = 3.0  # seconds
    read_timeout: float = 5.0  # seconds
    # What nodes pull from in a registry's place: a URL, or NOT_ASKED where this machine is not to ask it.
    registries: Mapping[str, str] = field(default_factory=dict)


class LoggingSettings(Struct, frozen=True):
    """``dir`` None: no file. ``level``: debug, info, warning or error. ``format``: text or json."""

    dir: Path | None = None
    level: str = "info"
    format: str = "text"
    console: bool = True  # write to stderr
    max_file_size: int = 10  # MB of 1024 x 1024 bytes, at which another file is begun
    max_files: int = 5  # kept at most, the newest ones
    event_log: bool = False  # on Windows, write decisions, warnings and errors to the event log, too
    journal: bool = True  # where stderr is systemd's journal, write entries with fields, whatever ``console`` says


MODES = ("foreground", "background", "task", "service", "ports")


class StartSettings(Struct, frozen=True):
    """Whether and how the agent is started.

    ``enabled`` False: `start` refuses and `autostart` starts nothing. ``autostart`` False: only `autostart` starts
    nothing. ``mode`` is one of MODES, for `autostart`; the default returns, so that the caller can go on.
    """

    enabled: bool = True
    autostart: bool = True
    mode: str = "background"


class KeyUsage(Struct, frozen=True):
    """One key of a configuration file and whether it is in force. ``value`` as written, ``line`` counts from 1.

    ``unused`` is why the key has no effect; None: it is in force.
    """

    key: str
    value: str
    line: int
    unused: str | None = None


class MetricsSettings(Struct, frozen=True):
    """Where metrics and health are served. ``listen``: an IP address and a port; None: they are not."""

    listen: tuple[str, int] | None = None
    allow_remote: bool = False  # ``listen`` may be an address that other machines can reach


class MailChannel(Struct, frozen=True, tag="mail"):
    """A mail by SMTP. ``security``: starttls, tls or none. ``port`` None: 587, 465 or 25, by ``security``.

    ``sender`` None: connmon-agent at this host. ``user`` None: no login. ``ca_file`` None: what this machine trusts.
    """

    host: str
    to: tuple[str, ...]
    sender: str | None = None
    port: int | None = None
    security: str = "starttls"
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None


class WebhookChannel(Struct, frozen=True, tag="webhook"):
    """An HTTP request with a JSON body. Either ``url`` or ``url_file``, whose first line is the URL.

    ``header_files``: files whose first line is the value of a header. ``template``: JSON whose texts name fields of the
    notice in braces; None: all fields. ``proxy`` as in ``HttpTarget``.
    """

    url: str | None = None
    url_file: Path | None = None
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict)
    header_files: Mapping[str, Path] = field(default_factory=dict)
    template: str | None = None
    proxy: str | None = None
    ca_file: Path | None = None


class NtfyChannel(Struct, frozen=True, tag="ntfy"):
    """A message to a topic of ntfy, the last part of the URL. Either ``url`` or ``url_file``.

    ``priority`` 1 to 5; None: by what the notice says. ``click`` is opened by a tap on it; None: nothing is.
    """

    url: str | None = None
    url_file: Path | None = None
    token_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    priority: int | None = None
    tags: tuple[str, ...] = ()
    click: str | None = None
    proxy: str | None = None
    ca_file: Path | None = None


class CommandChannel(Struct, frozen=True, tag="command"):
    """A program of this machine, started without a shell, with the notice in CONNMON_* variables. Seconds."""

    program: Path
    arguments: tuple[str, ...] = ()
    timeout: float = 30.0


class AppriseChannel(Struct, frozen=True, tag="apprise"):
    """One of the services that the library apprise can reach: the first line of ``url_file`` is its URL."""

    url_file: Path


Channel = MailChannel | WebhookChannel | NtfyChannel | CommandChannel | AppriseChannel


class ChannelSettings(Struct, frozen=True):
    """Where notices go, and whether it is reached without the internet, so that notices go there during an outage."""

    via: Channel
    works_offline: bool = False

    @property
    def kind(self) -> str:
        """mail, webhook, ntfy, command or apprise."""
        return str(self.via.__struct_config__.tag)


class HeartbeatSettings(Struct, frozen=True):
    """A ping every ``interval`` seconds by healthchecks' protocol. Either ``url`` or ``url_file``; ``proxy`` as in
    ``HttpTarget``.
    """

    url: str | None = None
    url_file: Path | None = None
    interval: float = 60.0
    proxy: str | None = None


class NotifySettings(Struct, frozen=True):
    """Who is told. ``site``: the name in subjects; None: this host's. ``heartbeat`` None: nobody expects one."""

    site: str | None = None
    channels: Mapping[str, ChannelSettings] = field(default_factory=dict)
    heartbeat: HeartbeatSettings | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that it names, each once: secrets and certificate authorities."""
        named: list[Path] = []
        for part in (*(channel.via for channel in self.channels.values()), self.heartbeat):
            for key, value in () if part is None else asdict(part).items():
                if key.endswith("_file") and value is not None:
                    named.append(value)
                elif key == "header_files":
                    named += value.values()
        return tuple(dict.fromkeys(named))

    @property
    def programs(self) -> tuple[Path, ...]:
        """The programs that it names."""
        return tuple(one.via.program for one in self.channels.values() if isinstance(one.via, CommandChannel))


class WebSettings(Struct, frozen=True):
    """Where `web` serves the page. ``listen``: an IP address and a port; None: `service install` installs no page.

    ``token_file`` None: nothing can be ordered from it. ``allowed_hosts``: names by which it may be asked for, besides
    ``localhost`` and IP addresses of its own.
    """

    listen: tuple[str, int] | None = ("127.0.0.1", 9181)
    token_file: Path | None = None
    allowed_hosts: tuple[str, ...] = ()


ROUNDS_KEEP = 90 * 86_400.0  # seconds
JOURNAL_KEEP = 400 * 86_400.0  # seconds
JOURNAL_MAX_SIZE = 200  # megabytes
MEGABYTE = 1024 * 1024  # bytes


class JournalSettings(Struct, frozen=True):
    """What the state file keeps. ``rounds_keep``: seconds for which each round of probes is; 0: none is. ``keep``:
    seconds for which events are; ``max_size``: megabytes from which on the oldest go, however old they are.
    """

    rounds_keep: float = ROUNDS_KEEP
    keep: float = JOURNAL_KEEP
    max_size: int = JOURNAL_MAX_SIZE


BUILT_IN = "built-in defaults"  # the source of a configuration that comes from no file
STOP_TIMEOUT = 5.0  # seconds


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration, checked."""

    source: str  # the file it came from, or BUILT_IN
    state_dir: Path
    plan: Plan
    targets: tuple[Target, ...]
    timeout: float  # seconds; one probe
    kubernetes: KubernetesSettings
    forwards: dict[str, ForwardSettings]  # by the service's name; a service without a port has none
    logging: LoggingSettings
    forwarding: ForwardingSettings = dataclasses.field(default_factory=ForwardingSettings)
    state_group: str | None = None  # the group that may read the state; None: the agent's user alone
    warnings: tuple[Problem, ...] = ()  # what is probably not meant as it is written
    metrics: MetricsSettings = dataclasses.field(default_factory=MetricsSettings)
    web: WebSettings = dataclasses.field(default_factory=WebSettings)
    journal: JournalSettings = dataclasses.field(default_factory=JournalSettings)
    notify: NotifySettings = dataclasses.field(default_factory=NotifySettings)
    stop_timeout: float = STOP_TIMEOUT  # seconds from SIGTERM to the end of the process, whatever hangs
    start: StartSettings = dataclasses.field(default_factory=StartSettings)
    # Of every key of the file, in its order. No difference between two configurations.
    usages: tuple[KeyUsage, ...] = dataclasses.field(default=(), compare=False)

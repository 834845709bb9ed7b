"""Every key of ``connmon.yaml``: its type and limits, its default, its meaning, and where the default comes from.

The reader of the file, ``config show``, ``config schema`` and the tables of docs/configuration.md come from here. A
default that is not written here is the field of that name in the settings which the table is made with.
"""

from __future__ import annotations

from typing import NamedTuple

from ..core.plan import AfterGap, Reclaim, When
from ..settings import MODES, ForwardSettings, Transport
from .defaults import DEFAULTS
from .file_paths import PATH
from .key_tables import Key, KeyTable, MappingOf
from .network_values import ENDPOINT, HOST, REQUEST_PATH, Bind, Listen, TargetPort
from .nodes import MappingNode
from .notify_keys import NOTIFY
from .sections import open_section
from .targets import TARGETS
from .values import (
    FLAG,
    LABEL,
    OBJECT_NAME,
    PORT,
    TEXT,
    Choice,
    Duration,
    FlagOr,
    ListOf,
    Number,
    OrNull,
    Rejected,
    Schema,
    Value,
    ValueType,
    WholeNumber,
)

HOUR = 3600.0  # seconds
DAY = 24 * HOUR
WEEK = 7 * DAY
YEARS = 10 * 365 * DAY
SHORTEST = 0.01  # seconds; below it an agent would only keep the machine busy
LONGEST_STOP = 80.0  # seconds; systemd kills what has not ended after 90 s
LONGEST_WAIT = 300.0  # seconds; whoever waits longer for a connection has given up
MOST_LOSS = 0.99  # more could never be exceeded by a link that works
LEAST_PENALTY, MOST_PENALTY = 1.0, 1_000_000.0  # what is not above zero would never be reached by halving
MOST_ATTEMPTS = 100
MOST_CONNECTIONS = 20_000  # through one port: with two descriptors each, what a usual hard limit allows
MOST_SERVICES = 300  # three times the largest site that is measured; a chain of that many still fits the stack
MOST_ALTERNATIVES = 100  # ports; each is looked for whenever the ports are given out
MOST_MEGABYTES = 1_000_000
FEWEST_MEGABYTES = 10  # of the state file: the newest outages of a large site fit in
SHORTEST_KEEP = DAY
MOST_FILES = 1000  # each is looked for whenever another one is begun
LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")

_PENALTY = Number(LEAST_PENALTY, MOST_PENALTY)

START = KeyTable(
    Key(
        "enabled",
        FLAG,
        "`false`: `start` refuses with exit code 2, and `autostart` starts nothing. A running agent is not stopped",
    ),
    Key("autostart", FLAG, "`false`: `autostart` starts nothing; `start` still works"),
    Key("mode", Choice(*MODES), "how `autostart` starts the agent"),
    defaults=DEFAULTS.start,
)

QUALITY = KeyTable(
    Key("window", Duration(1.0, DAY), "the time that is measured", source="dpinger and OPNsense: 60 s"),
    Key(
        "enter_loss",
        Number(0, MOST_LOSS),
        "lossy above this share of lost probes",
        source="OPNsense's upper limit; mwan3 has 40 %",
    ),
    Key(
        "leave_loss",
        Number(0, MOST_LOSS),
        "no longer lossy at or below it",
        limits="below `enter_loss`",
        source="OPNsense's lower limit, mwan3's recovery",
    ),
    Key(
        "enter_latency",
        Duration(0.001, 60),
        "slow when the p95 is above it",
        limits="below `timeout`",
        source="OPNsense's upper limit; mwan3 has 1 s",
    ),
    Key(
        "leave_latency",
        Duration(0.001, 60),
        "no longer slow at or below it",
        limits="below `enter_latency`",
        source="OPNsense's lower limit; mwan3 has 500 ms",
    ),
    Key(
        "least",
        WholeNumber(1, 5000),
        "how many probes the window must hold before there is a verdict",
        source="one of twenty is the p95",
    ),
    defaults=DEFAULTS.link.quality,
)

DAMPING = KeyTable(
    Key("penalty", _PENALTY, "what an outage adds", source="the penalty of a withdrawn route in BGP"),
    Key("half_life", Duration(1.0, DAY), "the time in which the sum decays by half", source="FRR's default"),
    Key(
        "suppress",
        _PENALTY,
        "restarts wait once the sum has reached this",
        limits="above `reuse`, at most `ceiling`",
        source="RFC 7196; the older 2000 proved harmful",
    ),
    Key("reuse", _PENALTY, "restarts wait until the sum has decayed to this", source="FRR's default"),
    Key("ceiling", _PENALTY, "the sum never grows beyond it", source="`reuse` x 2^(60 min / 15 min), as in FRR"),
    defaults=DEFAULTS.link.damping,
)

LINK = KeyTable(
    Key("check_interval", Duration(SHORTEST, HOUR), "the pause between rounds while the verdict is sure"),
    Key(
        "confirm_interval",
        Duration(SHORTEST, HOUR),
        "the pause between rounds while the verdict is not sure",
        limits="at most `check_interval`",
    ),
    Key(
        "offline_interval",
        Duration(SHORTEST, DAY),
        "the longest pause between rounds of an outage: it doubles up to this, until anything changes",
        limits="at least `check_interval`",
    ),
    Key(
        "timeout",
        Duration(SHORTEST, 60),
        "how long one probe may take",
        default=DEFAULTS.timeout,
        limits="at most `check_interval`",
    ),
    Key(
        "quorum",
        WholeNumber(1, 1000),
        "how many counted targets answer in a good round",
        limits="at most the number of targets with a vote",
    ),
    Key("fall", WholeNumber(1, 1000), "bad rounds in a row until OFFLINE; the first one means DEGRADED"),
    Key("rise", WholeNumber(1, 1000), "good rounds in a row until RECOVERING"),
    Key("hold", Duration(0, DAY), "how long the link must stay good before the first restart"),
    Key("boot_grace", Duration(0, HOUR), "how long the machine's own network may take after a boot"),
    Key("after_gap", Choice(*AfterGap), "what is done after a monitoring gap", formerly="after_blind"),
    Key("metered", FlagOr("auto"), "whether every byte is paid for; `auto`: what NetworkManager says"),
    Key("quality", QUALITY, "when the link counts as lossy or slow"),
    Key("damping", DAMPING, "when restarts wait on a flapping link"),
    Key("targets", TARGETS, "what is probed", default=DEFAULTS.targets, usual="three targets"),
    defaults=DEFAULTS.link,
)

_LENGTH = Duration(0, WEEK)
_OUTAGE = KeyTable(Key("outage_longer_than", _LENGTH, "restart after outages longer than this", needed=True))


class Occasion(NamedTuple):
    """After which outages services are restarted. ``outage_longer_than`` in seconds, only with that ``when``."""

    when: When
    outage_longer_than: float = 0.0


class OccasionType(ValueType[Occasion]):
    """``always``, ``unhealthy``, or a mapping with the length of the outage."""

    limits = f"`always`, `unhealthy`, `{{outage_longer_than: 30s}}` with {_LENGTH.limits}"

    def schema(self) -> Schema:
        return {"anyOf": [{"enum": [When.ALWAYS.value, When.UNHEALTHY.value]}, _OUTAGE.schema()]}

    def read(self, value: Value) -> Occasion:
        if not isinstance(value.node, MappingNode):
            word = value.scalar("a word or {outage_longer_than: 30s}").text
            if word not in (When.ALWAYS, When.UNHEALTHY):
                value.reject("is none of the choices", "write always, unhealthy or {outage_longer_than: 30s}")
            return Occasion(When(word))
        section = open_section(value)
        written = _OUTAGE.read_section(section)
        if not section.is_sound():
            raise Rejected
        return Occasion(When.OUTAGE_LONGER_THAN, **written)

    def write(self, found: Occasion) -> str:
        return _OUTAGE.write(found._asdict()) if found.when is When.OUTAGE_LONGER_THAN else found.when


BACKOFF = KeyTable(
    Key(
        "first",
        Duration(SHORTEST, DAY),
        "the pause before the second attempt; each further one is twice as long",
        default=DEFAULTS.recovery.backoff_first,
        limits="at most `max`",
    ),
    Key("max", Duration(SHORTEST, DAY), "the longest pause", default=DEFAULTS.recovery.backoff_max),
)

RECOVERY = KeyTable(
    Key("act", FLAG, "`false`: shadow mode, decisions are recorded and nothing is restarted"),
    Key(
        "when",
        OccasionType(),
        "which services are restarted, after which outages",
        default=Occasion(DEFAULTS.recovery.when),
    ),
    Key(
        "max_restart_attempts",
        WholeNumber(1, MOST_ATTEMPTS),
        "restarts of one service until its budget is reset, by `healthy_for` or by `rearm`",
    ),
    Key("parallel", WholeNumber(1, 1000), "restarts under way at once; 1: one after another, in the file's order"),
    Key("ready_timeout", Duration(SHORTEST, DAY), "a rollout that takes longer has failed"),
    Key("healthy_for", Duration(SHORTEST, WEEK), "availability without a break that resets the budget of a service"),
    Key("backoff", BACKOFF, "the pauses between attempts"),
    Key(
        "postpone_limit",
        Duration(0, WEEK),
        "how long a restart may be postponed, or refused by the cluster, before the service is skipped",
    ),
    defaults=DEFAULTS.recovery,
)

KUBERNETES = KeyTable(
    Key(
        "kubeconfig",
        OrNull(PATH),
        "`null`: `$KUBECONFIG`, else `~/.kube/config`, else k3s' own file, else the pod's service account",
    ),
    Key("context", OrNull(TEXT), "`null`: the kubeconfig's current one"),
    Key("namespace", LABEL, "the namespace of every service that names none"),
    Key("connect_timeout", Duration(SHORTEST, 300), "until the API server accepts a connection"),
    Key("read_timeout", Duration(SHORTEST, 300), "until the API server has answered"),
    Key(
        "registries",
        MappingOf(ENDPOINT, quoted=True),
        "what nodes pull from in a registry's place, by its name in images: the URL of a mirror, or `none` to never "
        "ask it",
        default={},
    ),
    defaults=DEFAULTS.kubernetes,
)

FORWARDS = KeyTable(
    Key(
        "bind",
        Bind(),
        "where local ports listen; `localhost` is 127.0.0.1 and ::1, of which a machine may lack one",
        usual="`localhost`",
    ),
    Key("allow_remote", FLAG, "`true`: `bind` may name addresses that other machines can reach"),
    Key("reclaim", Choice(*Reclaim), "`idle`: back to the primary port once it is free and no connection is open"),
    Key(
        "transport",
        Choice(*Transport),
        "`direct` dials pods; `port-forward` goes through the API server; `auto` dials pods where this machine is in "
        "their or their node's network, else goes through the API server",
        default=Transport.AUTO,
    ),
    Key("backend_wait", Duration(0, LONGEST_WAIT), "how long a new connection waits for a ready pod, or for its turn"),
    Key("max_connections", WholeNumber(1, MOST_CONNECTIONS), "connections through one local port at a time"),
    defaults=DEFAULTS.forwarding,
)

_FORWARD = ForwardSettings("", 0)
_WORKLOAD = "the workload; a service names one kind of the three"
SERVICE = KeyTable(
    Key("deployment", OBJECT_NAME, _WORKLOAD, usual="a Deployment of the service's name"),
    Key("statefulset", OBJECT_NAME, _WORKLOAD),
    Key("daemonset", OBJECT_NAME, _WORKLOAD),
    Key("namespace", LABEL, "the workload's and the Service's", usual="`kubernetes.namespace`"),
    Key(
        "depends_on",
        ListOf(TEXT, most=MOST_SERVICES),
        "services before this one in the order of restarts; no cycles",
        default=(),
    ),
    Key("port", PORT, "the local port that is forwarded to the service; each belongs to one service", usual="none"),
    Key(
        "alternatives",
        ListOf(PORT, most=MOST_ALTERNATIVES),
        "local ports to use, in this order, while `port` is taken",
        default=_FORWARD.alternatives,
    ),
    Key("service", LABEL, "the Kubernetes Service behind the port", usual="the service's name"),
    Key(
        "target",
        OrNull(TargetPort()),
        "the Service's port; `null`: its only one, the one with the number of `port`, or the one named like a web page",
        default=_FORWARD.target,
    ),
    Key(
        "check",
        OrNull(REQUEST_PATH),
        "a path that answers HTTP with a status below 400; `null`: a TCP connection is enough",
        default=_FORWARD.check,
    ),
    Key(
        "transport", Choice(*Transport), "how connections get to the pods of this service", usual="`forwards.transport`"
    ),
)

LOGGING = KeyTable(
    Key(
        "dir",
        OrNull(PATH),
        "the folder of the [log files](logs.md); `null`: none in a terminal and under systemd, `logs` in the state "
        "directory in the modes without a terminal. Only files and the journal get the tracebacks of internal errors",
    ),
    Key("level", Choice(*LEVELS), "the least severe entries that are written"),
    Key("format", Choice(*FORMATS), "how entries are written"),
    Key(
        "console",
        FLAG,
        "write to stderr; with `false` and no log folder there is no log, and only `replay` shows what happened",
    ),
    Key(
        "journal",
        FLAG,
        "where stderr is systemd's journal: write entries with fields to it, and not to stderr, whatever `console` "
        "says",
    ),
    Key(
        "event_log",
        FLAG,
        "on Windows: also write decisions, warnings and errors to the [event log](logs.md#the-windows-event-log); "
        "no effect elsewhere",
    ),
    Key(
        "max_file_size",
        WholeNumber(1, MOST_MEGABYTES, "MB"),
        "the size at which the file becomes `connection_monitor.log.1`, the one before it `.2`, and a new one is begun",
    ),
    Key(
        "max_files",
        WholeNumber(1, MOST_FILES),
        "how many files are kept, the newest ones; with 1, the one file is begun anew. The logs of single runs and the "
        "launcher's log share one more `max_file_size`",
    ),
    defaults=DEFAULTS.logging,
)

JOURNAL = KeyTable(
    Key(
        "rounds_keep",
        Duration(0.0, YEARS),
        "how long each round of probes is kept in the [state file](state-file.md), for `history --rounds` and later "
        "questions: which targets were asked, how each answered, and in what time. 0 keeps none, and removes those "
        "that are there",
    ),
    Key(
        "keep",
        Duration(SHORTEST_KEEP, YEARS),
        "how long events, outages and restarts are kept. Whole [segments](state-file.md#how-long-it-is-kept) of the "
        "journal are removed, the oldest first. The newest outage and open restarts stay, however old they are",
    ),
    Key(
        "max_size",
        WholeNumber(FEWEST_MEGABYTES, MOST_MEGABYTES, "MB"),
        "size of the state file above which the oldest events and rounds are removed, however young they are",
    ),
    defaults=DEFAULTS.journal,
)

METRICS = KeyTable(
    Key(
        "listen",
        OrNull(Listen()),
        "address and port of `/metrics`, `/livez` and `/readyz`, as `127.0.0.1:9180` or `[::1]:9180`; `null`: they are "
        "not served. See [monitoring](monitoring.md)",
    ),
    Key(
        "allow_remote",
        FLAG,
        "`true`: `listen` may be an address that other machines can reach. There is neither a password nor encryption: "
        "whoever reaches it sees the names of workloads and targets, and when the site is down",
    ),
    defaults=DEFAULTS.metrics,
)

WEB = KeyTable(
    Key(
        "listen",
        OrNull(Listen("write 127.0.0.1:9181, [::1]:9181, or null to install no page")),
        "address and port of the page, as `127.0.0.1:9181` or `[::1]:9181`; `null`: `service install` installs none. "
        "Every user of this machine can see it. An address that other machines can reach shows them the names of "
        "workloads and targets, and when the site is down, without a password or encryption",
    ),
    Key(
        "token_file",
        OrNull(PATH),
        "a file with a token of at least 16 characters. Whoever has it can pause, resume, recover and rearm from the "
        "page; `null`: nothing can be ordered from it",
    ),
    Key(
        "allowed_hosts",
        ListOf(HOST),
        "names by which browsers may ask for the page, besides `localhost`, loopback addresses and the address of "
        "`listen`; a request for any other name is refused, because a foreign page could have made it",
    ),
    defaults=DEFAULTS.web,
)

ROOT = KeyTable(
    Key(
        "state_dir",
        OrNull(PATH),
        "the state directory; `null`: by the rules of [Where the state is kept](#where-the-state-is-kept)",
    ),
    Key(
        "stop_timeout", Duration(1.0, LONGEST_STOP), "from SIGTERM or Ctrl-C to the end of the process, whatever hangs"
    ),
    Key("state_group", OrNull(TEXT), "the group whose members may read the state; `null`: only the agent's user may"),
    Key("start", START, "whether and how the agent is started"),
    Key("link", LINK, "when the internet counts as reachable"),
    Key("recovery", RECOVERY, "what is done when the link is back"),
    Key("kubernetes", KUBERNETES, "how to reach the cluster"),
    Key("forwards", FORWARDS, "what holds for all local ports"),
    Key(
        "services",
        MappingOf(SERVICE, nullable=False),
        "what is restarted, by the services' names",
        usual="the ERP's seven",
        limits=f"at most {MOST_SERVICES}; {{}} for none",
    ),
    Key("logging", LOGGING, "what the agent writes about its work"),
    Key("journal", JOURNAL, "what the state file keeps"),
    Key("metrics", METRICS, "what monitoring systems read"),
    Key("notify", NOTIFY, "who is notified of outages. See [notices](notices.md)"),
    Key("web", WEB, "where [`connmon-agent web`](commands.md#connmon-agent-web) serves the page"),
    defaults=DEFAULTS,
)

"""What each kind of line means, for ``journalctl -x``: journald's message catalog, by MESSAGE_ID.

The ids follow from the kinds' names and never change: dashboards and alert rules name them.
"""

from __future__ import annotations

import uuid
from functools import cache

HEAD = "# Explanations of connmon-agent's messages for `journalctl -x`."  # the file's first line

OTHER_EVENT = 1  # the number of an entry in Windows' event log that is about no decision

_NAMESPACE = uuid.UUID("5d0a8f4c-2f0e-4b1f-9d67-6a1c3a7e9b52")

_LINE = "@CONNMON_SOURCE@ -> @CONNMON_DEST@ in event @CONNMON_SEQ@."
_EXPLAIN = "Run `connmon-agent explain @CONNMON_SEQ@` to see what this decision was based on."
_SERVICE = "Run `connmon-agent explain @CONNMON_SERVICE@` for the reason and for what would change it."

# By kind: the subject, then what it means and what to do.
KINDS: dict[str, tuple[str, str]] = {
    "link-starting": ("The state of the internet link is not known yet", _EXPLAIN),
    "link-online": ("The internet link is online", f"{_LINE}\nNo action is needed."),
    "link-degraded": (
        "The internet link is degraded",
        f"{_LINE}\nThe last rounds of probes failed, or the link is slow or loses packets. Nothing is restarted yet.\n"
        "Run `connmon-agent status` to see which targets answer.",
    ),
    "link-offline": (
        "The internet link is down",
        f"{_LINE}\nServices are restarted when it is back. Run `connmon-agent status` for the cause and the advice.",
    ),
    "link-recovering": (
        "The internet link is back; services are being restarted",
        f"{_LINE}\nRun `connmon-agent status --watch` to follow the restarts.",
    ),
    "link-note": ("About the internet link", _EXPLAIN),
    "service-unknown": (
        "The state of service @CONNMON_SERVICE@ is not certain",
        f"The cluster did not answer, or the workload cannot be judged. {_SERVICE}",
    ),
    "service-ready": ("Service @CONNMON_SERVICE@ is ready", "No action is needed."),
    "service-waiting": ("Service @CONNMON_SERVICE@ waits for its restart", _SERVICE),
    "service-restarting": ("Service @CONNMON_SERVICE@ is being restarted", f"One attempt was charged. {_SERVICE}"),
    "service-verifying": ("Service @CONNMON_SERVICE@ is rolling out", _SERVICE),
    "service-backoff": ("Service @CONNMON_SERVICE@ waits before its next attempt", f"The last one failed. {_SERVICE}"),
    "service-gave-up": (
        "Service @CONNMON_SERVICE@ gave up",
        "All restart attempts are used. Fix the cause, then run `connmon-agent rearm @CONNMON_SERVICE@`.\n" + _SERVICE,
    ),
    "service-note": ("About service @CONNMON_SERVICE@", _SERVICE),
    "restart-answered": ("A restart of service @CONNMON_SERVICE@ was settled", _SERVICE),
    "forward-closed": ("The local port of @CONNMON_SERVICE@ is closed", "Run `connmon-agent ports` to see all ports."),
    "forward-listening": ("A local port for @CONNMON_SERVICE@ was opened", "It is checked next."),
    "forward-open": ("The local port of @CONNMON_SERVICE@ works", "Run `connmon-agent url @CONNMON_SERVICE@`."),
    "forward-conflict": (
        "No local port is free for @CONNMON_SERVICE@",
        "Run `connmon-agent ports` to see which programs use them, and stop one or set another port.",
    ),
    "forward-note": ("About the local port of @CONNMON_SERVICE@", "Run `connmon-agent ports` to see all ports."),
    "agent-started": ("connmon-agent started", "No action is needed."),
    "agent-stopped": ("connmon-agent stopped", "Nothing is watched or restarted until it is started again."),
    "agent-configured": ("connmon-agent uses a configuration", "Run `connmon-agent config show` to print it."),
    "agent-ordered": ("An operator gave connmon-agent an order", _EXPLAIN),
    "agent-blind": (
        "connmon-agent could not watch for a while",
        "The machine slept, the process stood still, or a clock was set. The gap counts as neither uptime nor outage.",
    ),
    "agent-note": ("About connmon-agent", _EXPLAIN),
}


# By kind, the event id in Windows' event log: 1 to 1000, all that its general message file has. They never change.
EVENT_NUMBERS: dict[str, int] = {
    "link-starting": 100,
    "link-online": 101,
    "link-degraded": 102,
    "link-offline": 103,
    "link-recovering": 104,
    "link-note": 199,
    "service-unknown": 200,
    "service-ready": 201,
    "service-waiting": 202,
    "service-restarting": 203,
    "service-verifying": 204,
    "service-backoff": 205,
    "service-gave-up": 206,
    "restart-answered": 207,
    "service-note": 299,
    "forward-closed": 300,
    "forward-listening": 301,
    "forward-open": 302,
    "forward-conflict": 303,
    "forward-note": 399,
    "agent-started": 400,
    "agent-stopped": 401,
    "agent-configured": 402,
    "agent-ordered": 403,
    "agent-blind": 404,
    "agent-note": 499,
}


def event_number(kind: str | None) -> int:
    """The event id of a kind in Windows' event log; None: the line is about no decision."""
    return OTHER_EVENT if kind is None else EVENT_NUMBERS[kind]


@cache
def message_id(kind: str) -> str:
    """The MESSAGE_ID of a kind: 32 hexadecimal digits."""
    return uuid.uuid5(_NAMESPACE, kind).hex


def catalog_text() -> str:
    """The catalog file, for ``/usr/lib/systemd/catalog/connmon-agent.catalog`` and ``journalctl --update-catalog``."""
    entries = (
        f"-- {message_id(kind)}\nSubject: {subject}\nDefined-By: connmon-agent\n\n{body}\n"
        for kind, (subject, body) in KINDS.items()
    )
    return f"{HEAD}\n\n" + "\n".join(entries)

"""What the table of keys says in other forms: the effective configuration as YAML, and the JSON Schema of the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.plan import LinkPlan, RecoveryPlan, ServicePlan
from ..settings import ForwardSettings, Settings
from .key_tables import KeyTable
from .keys import (
    DAMPING,
    FORWARDS,
    JOURNAL,
    KUBERNETES,
    LINK,
    LOGGING,
    METRICS,
    QUALITY,
    RECOVERY,
    ROOT,
    START,
    WEB,
    Occasion,
)
from .notify import list_notify
from .services import FORWARD_KEYS, KINDS
from .values import Schema, quote_text


def describe_settings(settings: Settings) -> str:
    """``settings`` as YAML, every key written out, default or not. Loading it gives the same settings."""
    lines = ROOT.write_keys(list_values(settings))
    return "\n".join([f"# The effective configuration, from {quote_text(settings.source)}.", *lines]) + "\n"


def list_values(settings: Settings) -> dict[str, Any]:
    """What a file with the whole configuration says, by the names of its keys, mappings within it likewise."""
    return {
        "state_dir": settings.state_dir,
        "stop_timeout": settings.stop_timeout,
        "state_group": settings.state_group,
        "start": _fields(settings.start, START),
        "link": _list_link(settings.plan.link, settings),
        "recovery": _list_recovery(settings.plan.recovery),
        "kubernetes": _fields(settings.kubernetes, KUBERNETES),
        "forwards": _fields(settings.forwarding, FORWARDS),
        "services": {
            service.name: _list_service(service, settings.forwards.get(service.name))
            for service in settings.plan.services
        },
        "logging": _fields(settings.logging, LOGGING),
        "journal": _fields(settings.journal, JOURNAL),
        "metrics": _fields(settings.metrics, METRICS),
        "notify": list_notify(settings.notify),
        "web": _fields(settings.web, WEB),
    }


def _fields(settings: object, table: KeyTable) -> dict[str, Any]:
    """The fields that keys name; a key of another form has no field of its name."""
    return {name: getattr(settings, name) for name in table.keys if hasattr(settings, name)}


def _list_link(link: LinkPlan, settings: Settings) -> Mapping[str, Any]:
    quality, damping = _fields(link.quality, QUALITY), _fields(link.damping, DAMPING)
    own = {"timeout": settings.timeout, "quality": quality, "damping": damping, "targets": settings.targets}
    return {**_fields(link, LINK), **own}


def _list_recovery(recovery: RecoveryPlan) -> Mapping[str, Any]:
    backoff = {"first": recovery.backoff_first, "max": recovery.backoff_max}
    occasion = Occasion(recovery.when, recovery.outage_longer_than)
    return {**_fields(recovery, RECOVERY), "when": occasion, "backoff": backoff}


def _list_service(service: ServicePlan, forward: ForwardSettings | None) -> Mapping[str, Any]:
    """A service without a port has none of the keys beside ``port``, which would have no effect."""
    kind = next(word for word, kind in KINDS.items() if kind is service.kind)
    own = {kind: service.workload, "namespace": service.namespace, "depends_on": service.depends_on}
    return own if forward is None else {**own, **{name: getattr(forward, name) for name in FORWARD_KEYS}}


def make_schema() -> Schema:
    """The JSON Schema of ``connmon.yaml`` by draft 2020-12, for editors that complete and check by one.

    What a schema cannot say, such as that a quorum is above the number of targets, is left to ``config check``.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "connmon.yaml, the configuration of connmon-agent",
        **ROOT.schema(),
    }

"""The names under which the state file keeps what has other names in the code.

The file's format outlives names: a file that an older version wrote is read, verified and continued, and the hash chain
rests on its bytes. What was called otherwise when a file was first written is therefore stored under the first name.
"""

from __future__ import annotations

import re
from typing import Any

_STORED = {
    # classes, as they stand under ``is``
    "MonitoringGapEnded": "WentBlind",
    "Observation": "Sighting",
    "Unobserved": "Unseen",
    # fields
    "after_gap": "after_blind",
    "flapping": "wavering",
    "inconclusive": "void",
    "measured_quality": "sight",
    "monitoring_gap": "blind",
}

# The names in a statechart of an older version, and what they are called now. No state has one of them.
_IN_CHARTS = {
    "blind_restart": "gap_is_outage",
    "open_blind_outage": "open_gap_outage",
    "round_void": "round_inconclusive",
    "unseen": "unobserved",
    "void_reached": "inconclusive_reached",
    "wavering": "flapping",
    "went_blind": "monitoring_gap_ended",
}


# What stands between braces in a reason of such a chart.
_IN_REASONS = {"blind": "monitoring_gap", "sight": "observation", "wavering": "flapping"}
_FIELD = re.compile(r"\{(\w+)\}")


def stored_name(name: str) -> str:
    """What the class or field ``name`` is called in the state file."""
    return _STORED.get(name, name)


def chart_name(name: str) -> str:
    """What the event, guard or action ``name`` of a chart of any version is called now."""
    return _IN_CHARTS.get(name, name)


def renew_chart(data: Any) -> Any:
    """The plain data of a chart of any version, with today's names."""
    if isinstance(data, dict):
        return {chart_name(key): renew_chart(value) for key, value in data.items()}
    if isinstance(data, list):
        return [renew_chart(item) for item in data]
    if isinstance(data, str):
        return chart_name(_FIELD.sub(lambda field: f"{{{_IN_REASONS.get(field[1], field[1])}}}", data))
    return data

"""The fields of a notice that a webhook's template may name in braces: ``{subject}``. Two braces are one."""

from __future__ import annotations

import re

# In the order in which the documentation lists them.
FIELDS = (
    "subject",
    "body",
    "site",
    "kind",
    "channel",
    "number",
    "id",
    "outage",
    "state",
    "cause",
    "started",
    "ended",
    "duration",
    "gap",
    "restarts",
    "gave_up",
    "remedy",
)
PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]*)\}")


def find_fields(text: str) -> list[str]:
    """The names in braces, in their order; what is no name is text."""
    return [found[1] for found in PLACEHOLDER.finditer(text) if found[1]]

"""Cells of a CSV file that a spreadsheet opens: texts in it come from names and answers of others."""

from __future__ import annotations

from typing import Any

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def defuse(value: Any) -> Any:
    """``value``; a text that a spreadsheet would run as a formula gets an apostrophe in front.

    https://owasp.org/www-community/attacks/CSV_Injection, which names the full-width characters too.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def defuse_all(row: dict[str, Any]) -> dict[str, Any]:
    """The row with each of its values made safe."""
    return {name: defuse(value) for name, value in row.items()}

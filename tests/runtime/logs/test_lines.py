"""The two forms of a line, and the schema that programs may rely on."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.core.timestamps import Timestamp
from connmon_agent.message_catalog import KINDS
from connmon_agent.runtime.log_records import AREAS, LogRecord, Mark
from connmon_agent.runtime.logs.lines import clean, to_json, to_text

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "log-line.schema.json").read_text())

marks = st.builds(
    Mark,
    st.sampled_from(sorted(KINDS)),
    st.none() | st.integers(1, 10**9),
    st.sampled_from([(), (3,), (3, 4)]),
)
records = st.builds(
    LogRecord,
    st.builds(Timestamp, st.floats(0, 1e9), st.floats(0, 4e9)),
    st.sampled_from(["debug", "info", "warning", "error"]),
    st.sampled_from(["agent", "link", "cluster", "web"]),
    st.text(max_size=200),
    st.text(max_size=100),
    st.sampled_from(["", *AREAS]),
    st.none() | marks,
)

TYPES: dict[str, Any] = {"string": str, "null": type(None), "integer": int}


def check(entry: dict[str, Any]) -> None:
    """Hold ``entry`` against the schema, as far as the schema uses JSON Schema."""
    assert SCHEMA["additionalProperties"] is False
    assert set(entry) == set(SCHEMA["required"]) == set(SCHEMA["properties"])
    for key, rule in SCHEMA["properties"].items():
        value, known = entry[key], {"type", "enum", "pattern", "minLength", "minimum"}
        assert rule.keys() <= known
        types = [rule["type"]] if isinstance(rule.get("type"), str) else rule.get("type", ["string"])
        assert type(value) in [TYPES[name] for name in types], key
        assert value in rule.get("enum", [value]), key
        assert value is None or re.search(rule.get("pattern", ""), str(value)), key
        assert value is None or len(str(value)) >= rule.get("minLength", 0), key
        assert value is None or rule.get("minimum") is None or value >= rule["minimum"], key


@given(records)
def test_every_line_of_json_has_the_keys_of_the_schema(record: LogRecord) -> None:
    line = to_json(clean(record))
    assert "\n" not in line
    check(json.loads(line))


@given(records)
def test_both_forms_say_the_same(record: LogRecord) -> None:
    safe = clean(record)
    entry, text = json.loads(to_json(safe)), to_text(safe)
    assert (
        f" {entry['level']:<8} {entry['about']}: {' '.join(entry['text'].splitlines())}" in text.splitlines()[0] + " "
    )
    assert (f"[{entry['event']}]" in text) or entry["event"] is None


def test_the_schema_is_that_of_the_page() -> None:
    page = (ROOT / "docs" / "logs.md").read_text()
    table = page[page.index("| key | value |") :].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)`", table, re.MULTILINE) == SCHEMA["required"]

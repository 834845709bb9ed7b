"""What `journalctl -x` explains."""

from __future__ import annotations

import re
from pathlib import Path

from connmon_agent.core.world import ForwardState, LinkState, ServiceState
from connmon_agent.message_catalog import EVENT_NUMBERS, KINDS, catalog_text, event_number, message_id

ROOT = Path(__file__).parents[1]


def read_catalog() -> dict[str, dict[str, str]]:
    """By message id: the headers, and the text as "". Read by the letter of https://systemd.io/CATALOG/."""
    entries: dict[str, dict[str, str]] = {}
    for block in re.split(r"^-- ", catalog_text(), flags=re.MULTILINE)[1:]:
        number, _, rest = block.partition("\n")
        assert re.fullmatch(r"[0-9a-f]{32}", number)
        head, gap, text = rest.partition("\n\n")
        assert gap and text.strip()
        entries[number] = {**dict(line.split(": ", 1) for line in head.splitlines()), "": text.strip()}
    return entries


def test_each_kind_has_an_entry_with_a_subject() -> None:
    entries = read_catalog()
    assert len(entries) == len(KINDS)
    for kind, (subject, _) in KINDS.items():
        assert entries[message_id(kind)]["Subject"] == subject
        assert entries[message_id(kind)]["Defined-By"] == "connmon-agent"


def test_each_state_of_each_chart_has_a_kind() -> None:
    states = {"link": LinkState, "service": ServiceState, "forward": ForwardState}
    for chart, names in states.items():
        for name in names:
            assert f"{chart}-{name.lower().replace('_', '-')}" in KINDS


def test_it_names_only_fields_that_entries_have() -> None:
    fields = {"CONNMON_SEQ", "CONNMON_SERVICE", "CONNMON_SOURCE", "CONNMON_DEST"}
    assert set(re.findall(r"@(\w+)@", catalog_text())) <= fields


def test_the_file_that_is_shipped_is_the_catalog() -> None:
    assert (ROOT / "config" / "connmon-agent.catalog").read_text() == catalog_text()
    assert "config/connmon-agent.catalog" in (ROOT / "setup.cfg").read_text()


def test_the_ids_never_change() -> None:
    """Dashboards and alert rules name them."""
    assert message_id("link-offline") == "beb41b26254256d8b0b4200ad74ac9f0"
    assert message_id("service-gave-up") == "89bd8ef4eab35f4bbfdafc16f3cd4915"


def test_each_kind_has_an_event_id_of_its_own_that_windows_general_messages_have() -> None:
    assert set(EVENT_NUMBERS) == set(KINDS)
    numbers = [event_number(None), *EVENT_NUMBERS.values()]
    assert len(set(numbers)) == len(numbers) and min(numbers) >= 1 and max(numbers) <= 1000
    text = (ROOT / "docs/logs.md").read_text(encoding="utf-8")
    assert all(f"| {number} | `{kind}` |" in text for kind, number in EVENT_NUMBERS.items())

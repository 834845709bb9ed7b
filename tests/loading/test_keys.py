"""The table of keys holds every setting, and each default is what a file would have to say to mean it."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import Struct
from msgspec.structs import fields
from tests.docs.configuration import list_sections

from connmon_agent.core.plan import DampingPlan, LinkPlan, QualityPlan, RecoveryPlan
from connmon_agent.loading.documents import parse_document
from connmon_agent.loading.key_tables import Key, KeyTable, MappingOf
from connmon_agent.loading.keys import ROOT
from connmon_agent.loading.notify_keys import CHANNEL_KINDS
from connmon_agent.loading.places import PathRules
from connmon_agent.loading.sections import Section
from connmon_agent.loading.targets import KINDS
from connmon_agent.settings import (
    ForwardingSettings,
    HeartbeatSettings,
    JournalSettings,
    KubernetesSettings,
    LoggingSettings,
    MetricsSettings,
    NotifySettings,
    StartSettings,
)

TABLES = [*(table for _, table in list_sections()), *(kind.keys for kind in KINDS.values())]
KEYS = [key for table in TABLES for key in table.keys.values()]
WITH_DEFAULT = [key for key in KEYS if key.has_default and not isinstance(key.type, MappingOf)]


def table_of(path: str) -> KeyTable:
    table = ROOT.find(path).type
    assert isinstance(table, KeyTable)
    return table


@pytest.mark.parametrize(
    ("path", "settings", "other_keys", "other_fields"),
    [
        ("start", StartSettings, set(), set()),
        ("link", LinkPlan, {"timeout", "targets"}, set()),
        ("link.quality", QualityPlan, set(), set()),
        ("link.damping", DampingPlan, set(), set()),
        # `when` holds the length of the outage, the section `backoff` both pauses.
        ("recovery", RecoveryPlan, {"backoff"}, {"outage_longer_than", "backoff_first", "backoff_max"}),
        ("kubernetes", KubernetesSettings, set(), set()),
        ("forwards", ForwardingSettings, {"transport"}, set()),
        ("logging", LoggingSettings, set(), set()),
        ("journal", JournalSettings, set(), set()),
        ("metrics", MetricsSettings, set(), set()),
        ("notify", NotifySettings, set(), set()),
        ("notify.heartbeat", HeartbeatSettings, set(), set()),
    ],
)
def test_every_field_of_the_settings_is_a_key(
    path: str, settings: type[Struct], other_keys: set[str], other_fields: set[str]
) -> None:
    assert table_of(path).keys.keys() - other_keys == {field.name for field in fields(settings)} - other_fields


@pytest.mark.parametrize("word", CHANNEL_KINDS)
def test_every_field_of_a_channel_is_a_key(word: str) -> None:
    kind = CHANNEL_KINDS[word]
    assert kind.settings.__struct_config__.tag == word
    assert {kind.fields.get(name, name) for name in kind.keys.keys} == {field.name for field in fields(kind.settings)}


@pytest.mark.parametrize("key", WITH_DEFAULT, ids=lambda key: key.name)
def test_a_default_is_read_from_the_file_that_says_it(key: Key, tmp_path: Path) -> None:
    document = parse_document("\n".join(key.type.write_lines(key.name, key.default)), tmp_path / "connmon.yaml")
    document.problems.paths = PathRules(tmp_path, None, {}, "linux")
    read = Section(document.problems, "", document.root).take(key.name, ..., key.type.read)
    assert (read, type(read)) == (key.default, type(key.default))


def test_a_key_that_there_is_not_is_not_found() -> None:
    for path in ("limk", "link.fal", "link.fall.x", ""):
        with pytest.raises(KeyError):
            ROOT.find(path)

"""The page's tables are those of the declarations: no key is missing on it, and none is told otherwise."""

from __future__ import annotations

from tests.docs.configuration import COMMAND, PAGE, fill_page, list_sections, list_tables, make_tables

from connmon_agent.loading.keys import ROOT
from connmon_agent.loading.system_keys import SYSTEM_KEYS
from connmon_agent.loading.targets import KINDS


def test_the_page_holds_the_tables_that_the_declarations_make() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == fill_page(page), f"write them anew: {COMMAND}"


def test_every_table_is_on_the_page_once() -> None:
    assert sorted(list_tables(PAGE.read_text(encoding="utf-8"))) == sorted(make_tables())


def test_every_key_has_a_row_with_a_meaning() -> None:
    tables = [*(table for _, table in list_sections()), *(kind.keys for kind in KINDS.values())]
    keys = [key for table in tables for key in table.keys.values()]
    assert len(keys) > 80
    assert [key.name for key in keys if not key.help or "\n" in key.help or " | " in key.help] == []


def test_every_key_of_the_erps_file_becomes_one_of_ours_or_says_what_it_means() -> None:
    assert [key.path for key in SYSTEM_KEYS if not key.becomes and not key.help] == []
    assert all(ROOT.find(key.becomes) for key in SYSTEM_KEYS if key.becomes)

"""docs/notices.md: the digest is the one that is sent, and each kind of channel and each field is on the page."""

from __future__ import annotations

import re
from datetime import timedelta, timezone
from pathlib import Path

import pytest
import yaml
from tests.fakes.hard_days import live_through_a_hard_day

from connmon_agent.core.notice_fields import FIELDS
from connmon_agent.loading.configuration import load_settings
from connmon_agent.loading.notify_keys import CHANNEL_KINDS
from connmon_agent.loading.places import MACHINE_STATE_DIRS
from connmon_agent.notices.command import REFUSALS
from connmon_agent.notices.jobs import Notice
from connmon_agent.notices.outage_facts import read_outage
from connmon_agent.notices.texts import Place, compose
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.report_reading import ReportReader

PAGE = (Path(__file__).parents[2] / "docs" / "notices.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"^## ([^\n]+)\n(?:(?!^## ).)*?^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE))


def test_the_digest_on_the_page_is_the_one_that_is_sent(tmp_path: Path) -> None:
    live_through_a_hard_day(tmp_path)
    notice = Notice("digest", "office", outage=1)
    place = Place("berlin-7", str(MACHINE_STATE_DIRS[0] / DATABASE_FILE), timezone(timedelta(hours=1)))
    with ReportReader(tmp_path / DATABASE_FILE) as reader:
        text = compose(notice, read_outage(reader, notice), place)
    assert f"```\nSubject: {text.subject}\n\n{text.body}\n```\n" in PAGE


@pytest.mark.parametrize("kind", CHANNEL_KINDS)
def test_each_kind_has_a_complete_example(tmp_path: Path, kind: str) -> None:
    block = BLOCKS[kind if kind == "ntfy" else kind.capitalize()]
    file = tmp_path / "connmon.yaml"
    file.write_text(block, encoding="utf-8")
    channels = load_settings(file, state_dir=tmp_path, environment={}).notify.channels
    assert {channel.kind for channel in channels.values()} == {kind}
    assert yaml.safe_load(block)["notify"]["channels"].keys() == channels.keys()


def test_each_field_is_in_the_table() -> None:
    table = PAGE.partition("| field | value |")[2].partition("\n\n")[0]
    assert sorted(
        name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    ) == sorted(FIELDS)


def test_the_exit_codes_that_refuse_are_the_ones_of_the_page() -> None:
    found = re.search(r"a success\. ([\d, and]+) of `sysexits\.h`", PAGE)
    assert found is not None
    assert tuple(map(int, re.findall(r"\d+", found[1]))) == REFUSALS

"""Nothing changed, nothing decided otherwise: on every journal that there is."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.fakes.hard_days import events_of_a_hard_day, live_through_a_hard_day
from tests.fakes.memories import live_through_an_outage, remember
from tests.fakes.recorded_lives import cuts, random_cuts, record_life
from tests.fakes.recorded_months import record_months
from tests.fakes.sites import Site, plan_of
from tests.fakes.statefiles import load_dump

from connmon_agent.cli.decisions import EngineShelf, verify_journal
from connmon_agent.cli.what_if import Change, Record, ask
from connmon_agent.errors import ConnmonError
from connmon_agent.loading.overrides import apply_overrides, read_overrides
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.reading import Reader
from connmon_agent.what_if.clusters import Experience, Model, ModelledCluster
from connmon_agent.what_if.hypotheses import HypotheticalAgent

DUMPS = sorted((Path(__file__).parents[1] / "store").glob("memory-of-schema-*.sql"))


def assert_unchanged(path: Path) -> None:
    """Both ways through the record end in its own world, and decide every event as it was."""
    with Reader(path) as reader:
        found = ask(reader, (), Model.NEVER)
        assert found.unlike == []
        assert found.first_difference is None
        assert found.recorded == found.what_if
        assert {one.fate for one in found.answers} <= {"same"}
        for paced in (False, True):
            record, shelf = Record.of(reader), EngineShelf(reader)
            cluster = ModelledCluster(Experience(), Model.NEVER)
            agent = HypotheticalAgent(
                record.start, change=lambda plan: plan, engine_for=shelf.take, cluster=cluster, paced=paced
            )
            recording = record.recording()
            for moment in recording.moments():
                agent.take(moment)
            agent.finish(recording.last)
            assert agent.world == recording.world
            assert agent.assumed.spans == []


def a_month(folder: Path) -> object:
    return record_months(folder, days=2, interval=10.0)


@pytest.mark.parametrize(
    "live",
    [
        live_through_an_outage,
        live_through_a_hard_day,
        lambda folder: remember(folder, events_of_a_hard_day(), sparing=True),
        a_month,
    ],
    ids=["an outage", "a hard day", "a hard day, sparing", "days"],
)
def test_nothing_changes_in_a_journal_of_the_tests(tmp_path: Path, live: Callable[[Path], object]) -> None:
    live(tmp_path)
    assert_unchanged(tmp_path / DATABASE_FILE)


@pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)
def test_nothing_changes_in_a_file_of_an_older_agent(tmp_path: Path, dump: Path) -> None:
    path = tmp_path / DATABASE_FILE
    with closing(sqlite3.connect(path)) as connection:
        load_dump(connection, dump)
    with Reader(path) as reader:
        try:
            verify_journal(reader).raise_if_failed()
        except ConnmonError as error:  # nothing can decide it again
            with pytest.raises(ConnmonError, match=re.escape(error.message[:60])):
                ask(reader, (), Model.NEVER)
            assert dump.stem == "memory-of-schema-1"
            return
    assert_unchanged(path)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), fall=st.integers(1, 4), rise=st.integers(1, 4), killed=st.booleans())
def test_nothing_changes_in_a_life_of_the_real_agent(
    tmp_path_factory: pytest.TempPathFactory, seed: int, fall: int, rise: int, killed: bool
) -> None:
    plan = plan_of("web", "db", depends_on={"web": ("db",)})
    plan = replace(plan, link=replace(plan.link, fall=fall, rise=rise))
    script = cuts(*random_cuts(random.Random(seed), 5), rest=60.0)

    async def live(site: Site) -> None:
        await script(site)
        if killed:
            await site.stop()
            await site.wait(30.0)
            await site.start()
            await cuts((20.0, 15.0), rest=120.0)(site)

    path = record_life(tmp_path_factory.mktemp("life"), plan, live, seed=seed)
    assert_unchanged(path)


def test_the_months_of_the_tests_are_the_agents_own(tmp_path: Path) -> None:
    """What is made without waiting, and without asking about quiet rounds, verifies as what an agent recorded."""
    path = record_months(tmp_path, days=2, interval=10.0)
    with Reader(path) as reader:
        verify_journal(reader).raise_if_failed()
        assert reader.outages()


def test_a_setting_as_it_is_changes_nothing(tmp_path: Path) -> None:
    live_through_an_outage(tmp_path)
    overrides = read_overrides(["link.fall=3", "link.hold=10s", "recovery.when=always"], option="--what-if")
    with Reader(tmp_path / DATABASE_FILE) as reader:
        assert ask(reader, overrides, Model.AS_RECORDED).unlike == []
        change, plan = Change(overrides), Record.of(reader).plan
        assert apply_overrides(plan, overrides) == change(plan) == plan
        assert not change.changed


def test_the_same_month_is_the_same_again(tmp_path: Path) -> None:
    stories = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        with Reader(record_months(tmp_path / name, days=2, interval=20.0)) as reader:
            stories.append([(row.at, row.event, row.transitions) for row in reader.recorded()])
    assert stories[0] == stories[1]

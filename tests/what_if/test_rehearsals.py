"""A rehearsal decides as the real agent does when it really happens."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest
from tests.fakes.recorded_lives import cuts, record_life
from tests.fakes.sites import plan_of

from connmon_agent.cli.injections import LinkFault, RestartFault, run_rehearsal
from connmon_agent.core.plan import Plan
from connmon_agent.store.reading import Reader
from connmon_agent.store.records import Recorded
from connmon_agent.what_if.clusters import Model
from connmon_agent.what_if.rehearsals import Fault

PLAN = plan_of("web", "db", depends_on={"web": ("db",)})
BLACK_HOLE = LinkFault("now", 40.0, Fault.BLACK_HOLE)


def rehearse(folder: Path, *faults: LinkFault | RestartFault, plan: Plan = PLAN) -> list[Recorded]:
    path = record_life(folder, plan, cuts((60.0, 20.0), rest=120.0))
    with Reader(path) as reader:
        return run_rehearsal(reader, faults, (), Model.AS_RECORDED)


def moves(rows: Iterable[Recorded]) -> dict[str, list[tuple[str, str]]]:
    """What each instance of a chart went through."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        for one in row.transitions:
            if one.source != one.dest:
                found[one.instance].append((one.source, one.dest))
    return found


@pytest.mark.parametrize(
    "plan", [PLAN, plan_of("web", "db", parallel=1), plan_of()], ids=["stages", "one by one", "none"]
)
def test_it_goes_as_it_really_goes(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "real").mkdir()
    rehearsed = rehearse(tmp_path, BLACK_HOLE, plan=plan)
    with Reader(record_life(tmp_path / "real", plan, cuts((60.0, 20.0), (120.0, 40.0), rest=120.0))) as reader:
        begun = next(row.seq for row in reader.recorded(outage=2))
        real = [row for row in reader.recorded() if row.seq >= begun - 1]
    assert moves(rehearsed)["link"] == moves(real)["link"]
    for name in ("web", "db"):
        assert moves(rehearsed)[name] == moves(real)[name]


def test_a_restart_that_does_not_help_uses_up_the_attempts(tmp_path: Path) -> None:
    rows = rehearse(tmp_path, BLACK_HOLE, RestartFault("db", refused=False))
    restarts = [effect.service for row in rows for effect in row.effects]
    assert restarts.count("db") == PLAN.recovery.max_restart_attempts - 1  # the recorded outage has used one
    assert moves(rows)["db"][-1][1] == "GAVE_UP"
    assert moves(rows)["link"][-1] == ("RECOVERING", "ONLINE")


def test_a_refused_restart_is_not_charged(tmp_path: Path) -> None:
    rows = rehearse(tmp_path, BLACK_HOLE, RestartFault("db", refused=True))
    assert {one.outcome for row in rows for one in row.resolutions if one.service == "db"} == {"refused"}
    assert moves(rows)["link"][-1] == ("RECOVERING", "ONLINE")


def test_faults_follow_each_other(tmp_path: Path) -> None:
    """A second one within the hold is a relapse, as it is on a real link."""
    rows = rehearse(tmp_path, BLACK_HOLE, LinkFault("now", 46.0, Fault.DNS))
    assert "OFFLINE" in {dest for _, dest in moves(rows)["link"]}
    numbers = [row.seq for row in rows]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    times = [row.at.steady for row in rows]
    assert times == sorted(times)

"""What an agent did, counted from its decisions."""

from __future__ import annotations

from msgspec.structs import replace
from tests.fakes.mornings import at

from connmon_agent.core.events import TimerDue
from connmon_agent.core.steps import Step
from connmon_agent.core.world import Outage, World
from connmon_agent.what_if.tallies import OutageSeen, Tally


def live(*outages: tuple[float, Outage]) -> Tally:
    tally, world = Tally(), World(store="k7")
    for second, outage in outages:
        after = replace(world, outage=outage)
        tally.note(world, TimerDue(at(second), "x"), Step(after))
        world = after
    return tally


FIRST = Outage(1, at(10), "unreachable")


def test_between_relapses_there_is_a_link() -> None:
    back, relapsed = replace(FIRST, back=at(30)), replace(FIRST, relapses=1)
    (one,) = live((11, FIRST), (30, back), (100, relapsed), (105, replace(relapsed, back=at(105)))).outages
    assert (one.detected, one.relapses) == (at(11), 1)
    assert one.lasted(at(1000)) == 25
    (open,) = live((11, FIRST), (30, back), (100, relapsed)).outages
    assert open.lasted(at(200)) == 120


def test_what_nobody_watched_does_not_count() -> None:
    (one,) = live((11, FIRST), (60, replace(FIRST, back=at(60), monitoring_gap=20.0))).outages
    assert one.lasted(at(1000)) == 30


def test_an_outage_that_the_next_one_overtakes_ends_with_it() -> None:
    ordered = Outage(1, at(10), "ordered", by_operator=True)
    first, second = live((10, ordered), (20, Outage(2, at(19), "dns"))).outages
    assert (first.ended, first.watched, second.watched) == (at(20), False, True)


def test_an_outage_of_before_is_known_as_such() -> None:
    tally, world = Tally(), replace(World(store="k7"), outage=FIRST)
    tally.note(world, TimerDue(at(30), "x"), Step(replace(world, outage=replace(FIRST, back=at(30)))))
    assert [(one.id, one.begun_before, one.watched) for one in tally.outages] == [(1, True, False)]


def test_an_outage_that_was_over_before_what_is_kept_is_none_of_it() -> None:
    """The world keeps the last outage; it does not go on until the next one."""
    over, following = replace(FIRST, back=at(30), ended=at(40)), Outage(2, at(899), "dns")
    tally, world = Tally(), replace(World(store="k7"), outage=over)
    tally.note(world, TimerDue(at(900), "x"), Step(replace(world, outage=following)))
    assert [(one.id, one.begun_before) for one in tally.outages] == [(2, False)]


def test_an_outage_of_before_has_the_end_that_it_had() -> None:
    tally, world = Tally(), replace(World(store="k7"), outage=replace(FIRST, back=at(30)))
    tally.note(world, TimerDue(at(900), "x"), Step(replace(world, outage=Outage(2, at(899), "dns"))))
    old, new = tally.outages
    assert (old.back, old.ended, old.lasted(at(1000))) == (at(30), at(900), 20)
    assert not old.overlaps(new, at(1000))


def test_outages_overlap_where_they_are_of_the_same_time() -> None:
    def seen(start: float, back: float | None) -> OutageSeen:
        return OutageSeen(1, at(start), at(start), "dns", False, back=None if back is None else at(back))

    assert seen(10, 20).overlaps(seen(15, 30), at(99))
    assert not seen(10, 20).overlaps(seen(21, 30), at(99))
    assert seen(10, None).overlaps(seen(50, 60), at(99))

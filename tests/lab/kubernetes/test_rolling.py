"""How far a rolling update may go in one step."""

from __future__ import annotations

import pytest

from connmon_lab.kubernetes.controllers.rolling import Fleet, grow_new, resolve_fenceposts, shrink_old


@pytest.mark.parametrize(
    ("surge", "unavailable", "desired", "expected"),
    [
        ("25%", "25%", 1, (1, 0)),
        ("25%", "25%", 4, (1, 1)),
        ("25%", "25%", 10, (3, 2)),
        ("25%", "25%", 0, (0, 1)),
        (0, 0, 3, (0, 1)),
        (0, 1, 1, (0, 1)),
        (1, "100%", 3, (1, 3)),
        (0, 5, 3, (0, 3)),
    ],
)
def test_surge_rounds_up_and_unavailable_down(
    surge: int | str, unavailable: int | str, desired: int, expected: tuple[int, int]
) -> None:
    assert resolve_fenceposts(surge, unavailable, desired) == expected


@pytest.mark.parametrize(
    ("desired", "surge", "total", "new", "expected"),
    [(3, 1, 3, 0, 1), (3, 1, 4, 1, 1), (3, 1, 0, 0, 3), (3, 1, 3, 2, 3), (3, 0, 3, 0, 0), (1, 1, 3, 3, 1)],
)
def test_the_new_replica_set_grows_within_the_surge(
    desired: int, surge: int, total: int, new: int, expected: int
) -> None:
    assert grow_new(desired, surge, total=total, new=new) == expected


@pytest.mark.parametrize(
    ("unavailable", "new", "old", "kept"),
    [
        pytest.param(0, Fleet(1, 0), [Fleet(3, 3)], [3], id="nothing-goes-before-a-new-pod-works"),
        pytest.param(0, Fleet(1, 1), [Fleet(3, 3)], [2], id="one-for-one"),
        pytest.param(1, Fleet(0, 0), [Fleet(3, 3)], [2], id="one-may-be-missing"),
        pytest.param(0, Fleet(1, 0), [Fleet(3, 2)], [3], id="the-new-pod-counts-as-missing-already"),
        pytest.param(0, Fleet(1, 1), [Fleet(3, 2)], [2], id="a-broken-pod-goes-first"),
        pytest.param(0, Fleet(1, 0), [Fleet(1, 0), Fleet(3, 3)], [0, 3], id="a-broken-revision-goes-first"),
        pytest.param(0, Fleet(3, 3), [Fleet(0, 0), Fleet(1, 1)], [0, 0], id="the-last-one"),
        pytest.param(0, Fleet(1, 1), [Fleet(2, 3)], [2], id="a-status-that-lags-behind"),
    ],
)
def test_old_replica_sets_shrink(unavailable: int, new: Fleet, old: list[Fleet], kept: list[int]) -> None:
    assert shrink_old(3, unavailable, new=new, old=old) == kept

"""Who is in an access list of Windows, by its text. On any system."""

from __future__ import annotations

import pytest

from connmon_agent.windows_api.access_lists import (
    admit_to,
    admits_anybody,
    describe_file,
    describe_folder,
    lets_service_read,
)

USER = "S-1-5-21-1-2-3-1001"


def test_a_list_of_ours_admits_nobody_but_the_user_and_those_who_may_do_everything() -> None:
    assert describe_file(USER) == f"D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{USER})"
    assert describe_folder(USER) == f"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{USER})"
    assert not admits_anybody(describe_file(USER))
    assert not admits_anybody(describe_folder(USER))


@pytest.mark.parametrize(
    "sddl",
    [
        pytest.param("D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)(A;OICIID;0x1200a9;;;BU)", id="C:\\ProgramData's"),
        pytest.param("D:AI(A;ID;0x1301bf;;;AU)", id="a folder of C:\\"),
        pytest.param("D:(A;;FA;;;WD)", id="everybody"),
        pytest.param("D:PAI(A;;FR;;;S-1-1-0)", id="everybody by number"),
        pytest.param("D:NO_ACCESS_CONTROL", id="no list"),
        pytest.param("", id="nothing"),
        pytest.param('D:(XA;;FA;;;WD;(Member_of {SID(BA)}))', id="under a condition"),
    ],
)  # fmt: skip
def test_a_list_that_admits_whoever_can_log_on(sddl: str) -> None:
    assert admits_anybody(sddl)


@pytest.mark.parametrize(
    "sddl",
    [
        pytest.param("D:PAI", id="an empty list lets nobody in"),
        pytest.param(f"D:PAI(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;{USER})", id="ours, as Windows writes it"),
        pytest.param("D:AI(A;;FR;;;S-1-5-21-1-2-3-2002)", id="somebody who was let in on purpose"),
        pytest.param("D:(A;OICIIO;GA;;;WD)(A;;FA;;;SY)", id="what only others inherit"),
        pytest.param("D:(D;;FA;;;WD)(A;;FA;;;SY)", id="everybody is kept out"),
        pytest.param("D:AI(A;ID;FA;;;CO)", id="the owner"),
    ],
)
def test_a_list_that_does_not(sddl: str) -> None:
    assert not admits_anybody(sddl)


LOCAL_SERVICE = ("S-1-5-19", "LS")


@pytest.mark.parametrize(
    ("sddl", "reads"),
    [
        ("D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;S-1-5-21-1-2-3-1001)", False),  # a user's profile
        ("D:(A;ID;FA;;;SY)(A;ID;0x1200a9;;;BU)", True),
        ("D:(A;;FR;;;LS)", True),
        ("D:(A;;FR;;;S-1-5-19)", True),
        ("D:(A;;0x1200a9;;;WD)", True),
        ("D:(D;;FR;;;LS)(A;;FR;;;WD)", False),
        ("D:(A;;FW;;;WD)", False),  # may write, not read
        ("D:(A;;0x2;;;WD)", False),
        ("D:(A;OICIIO;FA;;;WD)", False),  # of what is made in a folder
        ("D:(A;;GRGX;;;AU)", True),
        ("D:NO_ACCESS_CONTROL", True),
        ("D:P", False),
    ],
)
def test_what_a_service_may_read(sddl: str, reads: bool) -> None:
    assert lets_service_read(sddl, LOCAL_SERVICE) == reads


def test_an_account_is_admitted_once() -> None:
    before = describe_folder(USER)
    after = admit_to(before, "S-1-5-19")
    assert after == f"{before}(A;OICI;FA;;;S-1-5-19)" and admit_to(after, "S-1-5-19") == after
    assert lets_service_read(after, LOCAL_SERVICE) and not lets_service_read(before, LOCAL_SERVICE)
    assert not admits_anybody(after)
    assert admit_to("D:NO_ACCESS_CONTROL", "S-1-5-19") == "D:NO_ACCESS_CONTROL"  # everybody may already

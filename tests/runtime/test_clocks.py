"""Steady time goes on over restarts of the agent and of the machine, and never back."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest
from tests.fakes.virtual_time import run_virtually

from connmon_agent.runtime.clocks import Anchor, SystemClock, anchor_time, awaketime, boot_id, boottime

WALL = 1_795_000_000.0
KEPT = {"boot_id": "boot-1", "boot_offset": repr(WALL - 500.0)}


@pytest.mark.parametrize(
    ("kept", "boot", "since_boot", "wall", "steady"),
    [
        pytest.param({}, "boot-1", 500.0, WALL, WALL, id="a new state file begins with the wall clock"),
        pytest.param(KEPT, "boot-1", 560.0, WALL + 60.0, WALL + 60.0, id="the same boot"),
        pytest.param(
            KEPT, "boot-1", 560.0, WALL - 9e6, WALL + 60.0, id="the same boot, the wall clock was turned back"
        ),
        pytest.param(KEPT, "boot-1", 560.0, WALL + 9e6, WALL + 60.0, id="the same boot, the wall clock was turned on"),
        pytest.param(KEPT, "boot-1", 30.0, WALL + 900.0, WALL + 900.0, id="another boot of the same name"),
        pytest.param(KEPT, "boot-2", 30.0, WALL + 900.0, WALL + 900.0, id="another boot: only the wall clock knows"),
        pytest.param(KEPT, "boot-2", 30.0, WALL - 9e6, WALL + 60.0, id="another boot, the wall clock was turned back"),
    ],
)
def test_where_steady_time_stands(
    kept: dict[str, str], boot: str, since_boot: float, wall: float, steady: float
) -> None:
    last = WALL + 60.0 if kept else 0.0
    anchor = anchor_time(kept, last_steady=last, boot=boot, since_boot=since_boot, wall=wall)
    assert anchor.boot_id == boot
    assert since_boot + anchor.offset == pytest.approx(steady)


def test_an_anchor_survives_the_state_file_to_the_last_bit() -> None:
    anchor = Anchor("boot-1", 1_794_999_500.123456789)
    assert anchor_time(anchor.as_text(), last_steady=0.0, boot="boot-1", since_boot=9.0, wall=WALL) == anchor


def test_now_is_told_on_both_clocks() -> None:
    clock = SystemClock(Anchor("boot-1", 1_000.0), since_boot=lambda: 5.0, wall=lambda: WALL)
    assert clock.now() == (1_005.0, WALL)


@pytest.mark.parametrize("seconds", [-5.0, 0.0, 2.0])
def test_sleep_takes_its_time_and_none_for_what_is_over(seconds: float) -> None:
    async def sleep() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await SystemClock(Anchor("boot-1", 0.0)).sleep(seconds)
        return loop.time() - began

    assert run_virtually(sleep()) == pytest.approx(max(0.0, seconds))


def test_the_machine_has_a_boot_and_its_time_runs() -> None:
    assert boot_id() == boot_id() != ""
    assert 0.0 < boottime() <= boottime()
    assert 0.0 < awaketime() <= awaketime()


@pytest.mark.skipif(sys.platform != "win32", reason="Windows counts its boots, or does not")
def test_windows_asks_its_own_count_and_no_folder_that_anybody_may_have_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (made := tmp_path / "boot_id").write_text("anybody's")
    monkeypatch.setattr("connmon_agent.runtime.clocks.BOOT_ID_FILE", made)
    assert re.fullmatch(r"boot-\d+(min)?", boot_id())
    monkeypatch.setattr("connmon_agent.windows_api.clocks.boot_number", lambda: None)
    assert re.fullmatch(r"boot-\d+min", boot_id())


@pytest.mark.linux_alone(reason="a machine of Unix without /proc")
def test_a_machine_without_proc_has_a_name_for_its_boot_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("connmon_agent.runtime.clocks.BOOT_ID_FILE", tmp_path / "none")
    named_by_the_system = boot_id()
    monkeypatch.setattr("psutil.boot_time", _no_proc)
    assert boot_id().startswith("boot-")
    assert boot_id() != named_by_the_system


def _no_proc() -> float:
    raise FileNotFoundError(2, "No such file or directory", "/proc/stat")

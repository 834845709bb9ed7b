"""The clocks of this very Windows."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "win32":
    pytest.skip("these clocks are Windows'", allow_module_level=True)

import time
import winreg

from tests.fakes.wine import on_wine

from connmon_agent.windows_api import clocks

STEP = 0.1  # seconds; both clocks go on in steps


def test_a_machine_was_awake_for_no_longer_than_it_runs() -> None:
    assert 0.0 < clocks.awake() <= clocks.since_boot() + STEP


def test_time_since_boot_is_the_time_that_windows_tells_everybody() -> None:
    assert clocks.since_boot() <= time.monotonic() + STEP


def test_a_boot_has_a_number_or_none() -> None:
    number = clocks.boot_number()
    assert number is None or number > 0


@pytest.mark.skipif(not on_wine(), reason="the registry of a real Windows is left alone")
def test_the_number_is_what_the_registry_says() -> None:
    with winreg.CreateKey(winreg.HKEY_LOCAL_MACHINE, clocks._COUNTS) as key:
        try:
            winreg.SetValueEx(key, clocks._COUNT, 0, winreg.REG_DWORD, 41)
            assert clocks.boot_number() == 41
            winreg.SetValueEx(key, clocks._COUNT, 0, winreg.REG_SZ, "many")
            assert clocks.boot_number() is None
        finally:
            winreg.DeleteValue(key, clocks._COUNT)
    assert clocks.boot_number() is None

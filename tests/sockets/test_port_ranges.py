"""Ports that the system sets aside, out of what Windows' netsh and Linux' tables say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from connmon_agent.sockets.port_ranges import (
    KEPT,
    SHOW_DYNAMIC,
    SHOW_EXCLUDED,
    WINDOWS_DEFAULT,
    ReservedRange,
    ReservedRanges,
    ask_netsh,
    parse_dynamic,
    parse_excluded,
    read_ephemeral_range,
)

ENGLISH = """
Protocol tcp Port Exclusion Ranges

Start Port    End Port
----------    --------
      5357        5357
     49680       49779
     50000       50059     *

* - Administered port exclusions.

"""
GERMAN = """
Portausschlussbereiche für das Protokoll "tcp"

Startport   Endport
----------  --------
      5357        5357
     49680       49779
     50000       50059     *

* - Verwaltete Portausschlüsse.
"""
RUSSIAN = ENGLISH.replace("Start Port    End Port", "Начальный порт   Конечный порт")
RANGES = (ReservedRange(5357, 5357), ReservedRange(49680, 49779), ReservedRange(50000, 50059, administered=True))


@pytest.mark.parametrize("text", [ENGLISH, GERMAN, RUSSIAN, ENGLISH.replace("\n", "\r\n")])
def test_the_ranges_are_read_in_any_language(text: str) -> None:
    assert parse_excluded(text) == RANGES


@pytest.mark.parametrize(
    "text", ["", "netsh is not here", "1 2 3\n", "70000 70001\n", "0 5\n", "90 80\n", "123456 5\n"]
)
def test_what_is_no_range_is_none(text: str) -> None:
    assert parse_excluded(text) == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Protocol tcp Dynamic Port Range\n---\nStart Port      : 49152\nNumber of Ports : 16384\n", (49152, 65535)),
        ("Startport               : 1025\r\nAnzahl von Ports : 64510\r\n", (1025, 65534)),
        ("", None),
        ("Start Port : 60000\nNumber of Ports : 16384\n", None),
        ("Start Port : 60000\n", None),
    ],
)
def test_the_range_of_outgoing_connections(text: str, found: tuple[int, int] | None) -> None:
    assert parse_dynamic(text) == found


def test_each_system_is_asked_in_its_own_way(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(command: str) -> str:
        asked.append(command)
        return "a : 1025\nb : 10\n" if len(asked) == 1 else ""

    assert read_ephemeral_range("win32", ask=answer) == (1025, 1034)
    assert read_ephemeral_range("win32", ask=answer) == WINDOWS_DEFAULT
    assert asked == [SHOW_DYNAMIC] * 2
    table = tmp_path / "range"
    assert read_ephemeral_range("linux", table=table) is None
    table.write_text("32768\t60999\n")
    assert read_ephemeral_range("linux", table=table) == (32768, 60999)


def test_a_port_is_found_in_its_range_and_the_ranges_are_read_now_and_then() -> None:
    asked: list[str] = []
    now = [0.0]

    def answer(command: str) -> str:
        asked.append(command)
        return GERMAN

    ranges = ReservedRanges(answer, now=lambda: now[0])
    found = {port: ranges.find(port) for port in (5357, 49679, 49680, 49779, 49780, 50059)}
    assert found == {5357: RANGES[0], 49679: None, 49680: RANGES[1], 49779: RANGES[1], 49780: None, 50059: RANGES[2]}
    assert asked == [SHOW_EXCLUDED]
    now[0] = KEPT
    ranges.find(80)
    assert len(asked) == 2


def test_who_has_reserved_it_is_said() -> None:
    assert str(RANGES[0]) == f"is reserved by Windows for Hyper-V, WSL or Docker (5357 in {SHOW_EXCLUDED})"
    assert str(RANGES[2]) == f"is reserved by an administrator (50000 to 50059 in {SHOW_EXCLUDED})"


@pytest.mark.skipif(sys.platform != "win32", reason="netsh is Windows'")
def test_this_windows_netsh_is_asked() -> None:
    """Wine's prints nothing."""
    assert isinstance(ask_netsh(SHOW_EXCLUDED), str)
    low, high = read_ephemeral_range() or (0, 0)
    assert 0 < low < high

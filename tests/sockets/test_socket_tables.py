"""Linux' tables of sockets, as the kernel writes them and as it must not be trusted to."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sockets.holders import held

from connmon_agent.sockets.socket_tables import Socket, read_sockets, simplify

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
REST = "00000000:00000000 00:00000000 00000000"

pytestmark = pytest.mark.skipif(sys.byteorder != "little", reason="the table below was written on such a machine")


def table_of(folder: Path, *lines: str) -> Path:
    table = folder / "tcp"
    table.write_text(HEAD + "".join(f"{line}\n" for line in lines))
    return table


def test_addresses_ports_users_and_listeners_are_read(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        f"   0: 0100007F:1F90 00000000:0000 0A {REST}    33        0 35988 1 0 100 0 0 10 0",
        f"   1: 0100007F:1F91 0100007F:0050 01 {REST}  1000        0 28352 1 0 20 4 30 10 -1",
        f"   2: 00000000000000000000000001000000:1F90 {'0' * 32}:0000 0A {REST}     0        0 7 1 0 100 0 0 10 0",
        f"   3: 0000000000000000FFFF00000100007F:1F90 {'0' * 32}:0000 01 {REST}     0        0 8 1 0 100 0 0 10 0",
    )
    assert read_sockets({8080, 8081}, [table]) == [
        Socket("127.0.0.1", 8080, True, 33, 35988),
        Socket("127.0.0.1", 8081, False, 1000, 28352),
        Socket("::1", 8080, True, 0, 7),
        Socket("127.0.0.1", 8080, False, 0, 8),
    ]


def test_other_ports_and_sockets_of_nobody_are_left_out(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        f"   0: 0100007F:1F90 0100007F:0050 06 {REST}     0        0 0 3 0",
        f"   1: 0100007F:1F91 00000000:0000 0A {REST}     0        0 9 1 0",
    )
    assert read_sockets({8080}, [table]) == []


def test_lines_that_nobody_understands_are_passed_over(tmp_path: Path) -> None:
    sound = f"   1: 0100007F:1F90 00000000:0000 0A {REST}     0        0 9 1 0"
    table = table_of(tmp_path, "", "nonsense", f"0: zz:1F90 0 0A {REST} 0 0 1", "0: 0100007F:1F90", sound)
    assert read_sockets({8080}, [tmp_path / "missing", table]) == [Socket("127.0.0.1", 8080, True, 0, 9)]


@pytest.mark.linux_alone(reason="the tables in /proc")
@pytest.mark.skipif(not Path("/proc/net/tcp6").exists(), reason="needs the tables of Linux")
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_the_tables_of_this_machine_are_understood(address: str) -> None:
    with held(address) as port:
        (found,) = read_sockets({port})
        assert found.inode > 0
        assert replace(found, inode=0) == Socket(address, port, True, os.geteuid())


@pytest.mark.parametrize(
    ("address", "simple"),
    [("::ffff:192.0.2.1", "192.0.2.1"), ("0:0::1", "::1"), ("fe80::1%eth0", "fe80::1"), ("*", "*")],
)
def test_an_address_has_one_spelling(address: str, simple: str) -> None:
    assert simplify(address) == simple

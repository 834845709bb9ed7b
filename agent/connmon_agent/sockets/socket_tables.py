"""The kernel's tables of TCP sockets on Linux: anybody may read whose a socket is, though not which process has it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

# Elsewhere anybody may have made a folder of this name.
TABLES: tuple[Path, ...] = (Path("/proc/net/tcp"), Path("/proc/net/tcp6")) if sys.platform == "linux" else ()

_LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class Socket:
    """One socket: where it is bound, and the id of the user who opened it."""

    address: str
    port: int
    listening: bool
    uid: int
    inode: int = 0  # the number of this very socket, which another one on the same port does not have


def read_sockets(ports: Collection[int], tables: Collection[Path] = TABLES) -> list[Socket]:
    """The sockets bound to one of ``ports`` that belong to somebody. Empty where there are no such tables."""
    return [found for table in tables for found in _read_table(table, ports)]


def simplify(address: str) -> str:
    """The address in its usual spelling, an IPv4 one also where an IPv6 socket has it (::ffff:127.0.0.1)."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


def _read_table(table: Path, ports: Collection[int]) -> Iterator[Socket]:
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except (OSError, ValueError):
        return
    for line in lines:
        try:
            found = _parse(line, ports)
        except (ValueError, IndexError):  # a kernel that writes it otherwise
            continue
        if found is not None:
            yield found


def _parse(line: str, ports: Collection[int]) -> Socket | None:
    """``sl local remote st queues timer retransmits uid timeout inode ...``.

    None: it has another port, or nobody has the socket any more.
    """
    fields = line.split()
    address, port = fields[1].split(":")
    if int(port, 16) not in ports or fields[9] == "0":
        return None
    return Socket(_decode(address), int(port, 16), fields[3] == _LISTENING, int(fields[7]), int(fields[9]))


def _decode(digits: str) -> str:
    """An address that the kernel printed as words of 32 bits, as if each were a number of this machine."""
    words = (int(digits[start : start + 8], 16) for start in range(0, len(digits), 8))
    return simplify(str(ip_address(b"".join(word.to_bytes(4, sys.byteorder) for word in words))))

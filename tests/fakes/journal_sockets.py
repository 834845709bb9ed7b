"""systemd's journal as far as a program sees it: a datagram socket, and a parser of its protocol that is not ours."""

from __future__ import annotations

import array
import os
import socket
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

Entry = dict[str, list[str]]

LONGEST_DATAGRAM = 1 << 20


class FakeJournal:
    """Listens at ``path``. ``entries`` are all that came so far; each field may have several values."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.entries: list[Entry] = []
        self.passed = 0  # entries that came as a descriptor
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def __enter__(self) -> FakeJournal:
        return self

    def __exit__(self, *failure: object) -> None:
        self._socket.close()

    def read(self) -> list[Entry]:
        """Take what has come; returns all entries so far."""
        with suppress(BlockingIOError):
            while True:
                self._take()
        return self.entries

    def _take(self) -> None:
        data, ancillary, _, _ = self._socket.recvmsg(LONGEST_DATAGRAM, socket.CMSG_SPACE(4))
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                (descriptor,) = array.array("i", content)
                data, self.passed = read_sealed(descriptor), self.passed + 1
        self.entries.append(parse(data))


def read_sealed(descriptor: int) -> bytes:
    """What a passed descriptor holds. As journald does, it takes only memory that cannot change any more."""
    import fcntl

    try:
        wanted = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        assert fcntl.fcntl(descriptor, fcntl.F_GET_SEALS) & wanted == wanted
        return os.pread(descriptor, os.fstat(descriptor).st_size, 0)
    finally:
        os.close(descriptor)


def parse(data: bytes) -> Entry:
    """One entry, read strictly by the letter of https://systemd.io/JOURNAL_NATIVE_PROTOCOL/."""
    entry: Entry = defaultdict(list)
    for name, value in _split(data):
        assert 1 <= len(name) <= 64 and name[0].isalpha(), name
        assert all(c.isascii() and (c.isupper() or c.isdigit() or c == "_") for c in name), name
        entry[name].append(value.decode())
    return dict(entry)


def _split(data: bytes) -> Iterator[tuple[str, bytes]]:
    position = 0
    while position < len(data):
        end = data.index(b"\n", position)
        line = data[position:end]
        if b"=" in line:
            name, _, value = line.partition(b"=")
            position = end + 1
        else:
            name = line
            length = int.from_bytes(data[end + 1 : end + 9], "little")
            value = data[end + 9 : end + 9 + length]
            assert len(value) == length and data[end + 9 + length : end + 10 + length] == b"\n"
            position = end + 10 + length
        yield name.decode("ascii"), value

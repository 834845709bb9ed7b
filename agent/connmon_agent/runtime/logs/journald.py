"""The native protocol of systemd's journal: one datagram an entry, with fields.

https://systemd.io/JOURNAL_NATIVE_PROTOCOL/: ``NAME=value\\n``, or ``NAME\\n``, the value's length as 64 bits
little-endian, the value and ``\\n`` where it has several lines. What is too long for a datagram goes into a sealed
memfd, whose descriptor is sent instead.
"""

from __future__ import annotations

import array
import errno
import os
import socket
import struct
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from ...message_catalog import message_id
from ..log_records import LogRecord, Mark

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "connmon-agent"
PATIENCE = 1.0  # seconds that the journal may take for one entry
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3}  # as in syslog(3)

_TOO_LONG = (errno.EMSGSIZE, errno.ENOBUFS)


def is_journal(stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    """Whether ``stream`` is connected to the journal, as systemd says in $JOURNAL_STREAM (``device:inode``)."""
    try:
        if stream is None:
            return False
        status = os.fstat(stream.fileno())
        return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
    except (OSError, ValueError):
        return False


def fields_of(record: LogRecord) -> list[tuple[str, str]]:
    """The fields of a sentence's entry. A name may come several times."""
    mark = record.mark
    fields = [
        ("MESSAGE", f"{record.about}: {record.text}"),
        ("PRIORITY", str(PRIORITIES[record.level])),
        ("SYSLOG_IDENTIFIER", IDENTIFIER),
        ("CONNMON_AREA", record.part),
        ("CONNMON_WALL", f"{record.at.wall:.6f}"),
    ]
    if record.part != record.about and record.about not in ("agent", "link", "cluster"):
        fields.append(("CONNMON_SERVICE", record.about))
    if record.detail:
        fields.append(("CONNMON_TRACEBACK", record.detail))
    return fields + (list(_fields_of_mark(mark)) if mark else [])


def _fields_of_mark(mark: Mark) -> Iterable[tuple[str, str]]:
    yield "MESSAGE_ID", message_id(mark.kind)
    yield "CONNMON_KIND", mark.kind
    if mark.seq is not None:
        yield "CONNMON_SEQ", str(mark.seq)
    for outage in mark.outages:
        yield "CONNMON_OUTAGE", str(outage)
    for name, value in (("SOURCE", mark.source), ("DEST", mark.dest), ("TRIGGER", mark.trigger)):
        if value:
            yield f"CONNMON_{name}", value


def encode(fields: Iterable[tuple[str, str]]) -> bytes:
    """The fields as the protocol writes them."""
    return b"".join(_encode_field(name.encode(), value.encode("utf-8", "backslashreplace")) for name, value in fields)


def _encode_field(name: bytes, value: bytes) -> bytes:
    if b"\n" in value:
        return name + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"
    return name + b"=" + value + b"\n"


class JournalSocket:
    """Sends entries to the journal."""

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = str(path)
        self._socket: socket.socket | None = None

    def send(self, fields: Iterable[tuple[str, str]]) -> None:
        """Send one entry. Raises OSError: the journal does not take it."""
        data = encode(fields)
        connection = self._open()
        try:
            connection.sendto(data, self._path)
        except OSError as error:
            if error.errno not in _TOO_LONG:
                raise
            self._send_descriptor(connection, data)

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.settimeout(PATIENCE)
        return self._socket

    def _send_descriptor(self, connection: socket.socket, data: bytes) -> None:
        descriptor = _seal(data)
        try:
            passed = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
            connection.sendmsg([], passed, 0, self._path)
        finally:
            os.close(descriptor)


def _seal(data: bytes) -> int:
    """A descriptor of memory that holds ``data`` and cannot be changed any more, as the journal demands."""
    import fcntl  # not on Windows

    descriptor = os.memfd_create("connmon-agent-journal", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    try:
        os.write(descriptor, data)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    return descriptor

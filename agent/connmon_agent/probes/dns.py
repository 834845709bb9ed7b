"""A DNS query of our own for an address: RFC 1035 and 3596, without the system's resolver and its caches."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from functools import partial

from ..core.observations import Failure
from ..settings import DnsTarget
from ..staggered import Address
from .costs import count_connection, count_datagrams
from .failures import ProbeFailure, WrongAnswer, classify_error, explain_error
from .lookups import name_family, parse_address
from .network import Network, report_errors

_HEADER = struct.Struct("!6H")  # id, flags, then how many questions, answers, authorities, additionals
_RECORD = struct.Struct("!2HLH")  # type, class, time to live, length of the data
_CNAME, _IN = 5, 1
_TYPES = {"A": 1, "AAAA": 28}
_SIZES = {1: 4, 28: 16}  # of an address, by type
_ANSWER, _TRUNCATED, _RECURSION_DESIRED = 0x8000, 0x0200, 0x0100
_OPCODE, _RCODE = 0x7800, 0x000F
_RCODES = {
    1: "FORMERR: the server does not understand the query",
    2: "SERVFAIL: the server could not resolve the name",
    3: "NXDOMAIN: the name does not exist",
    4: "NOTIMP: the server does not support such queries",
    5: "REFUSED: the server refuses queries from this machine",
}
_FAILURES = {2: Failure.SERVFAIL, 3: Failure.NXDOMAIN, 5: Failure.REFUSED}
_MAX_LABEL, _MAX_NAME, _MAX_DATAGRAM = 63, 255, 65_535

Name = tuple[bytes, ...]  # labels in lower case, the root left out


async def probe_dns(target: DnsTarget, network: Network) -> None:
    """Ask for the addresses of ``target.query`` and check the answer. Raises ProbeFailure and OSError."""
    address = parse_address(target.server, target.port)
    if address is None:
        raise ProbeFailure(f'"{target.server}" is not an IP address')
    network.family = name_family(address[0])
    if target.transport == "tcp":
        await _ask_by_stream(target, network)
        return
    if not await network.ask_again(partial(_ask_by_datagram, target, address, network)):
        await _ask_again_by_stream(target, network)


async def _ask_by_datagram(target: DnsTarget, address: Address, network: Network) -> bool:
    """Whether the answer, which is good so far, is complete."""
    query = _new_query(target)
    loop = asyncio.get_running_loop()
    with socket.socket(address[0], socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        report_errors(sock)
        # Connected, the kernel drops datagrams from strangers and reports a closed port.
        await loop.sock_connect(sock, address[1])
        await loop.sock_sendall(sock, query)
        network.bytes += count_datagrams(address[0], len(query))
        answer = await loop.sock_recv(sock, _MAX_DATAGRAM)
        network.bytes += count_datagrams(address[0], len(answer))
    check_header(query, answer)
    if is_truncated(answer):
        return False
    check_records(query, answer)
    return True


async def _ask_again_by_stream(target: DnsTarget, network: Network) -> None:
    try:
        await _ask_by_stream(target, network)
    except OSError as error:
        reason = f"the answer is truncated, and over TCP: {explain_error(error)}"
        raise ProbeFailure(reason, classify_error(error)) from error


async def _ask_by_stream(target: DnsTarget, network: Network) -> None:
    query = _new_query(target)
    loop = asyncio.get_running_loop()
    with await network.connect(target.server, target.port) as sock:
        await loop.sock_sendall(sock, struct.pack("!H", len(query)) + query)
        (length,) = struct.unpack("!H", await _receive(sock, 2))
        answer = await _receive(sock, length)
        network.bytes += count_connection(sock)
    check_header(query, answer)
    check_records(query, answer)


def _new_query(target: DnsTarget) -> bytes:
    return build_query(target.query, secrets.randbits(16), target.record)


async def _receive(sock: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < count:
        part = await loop.sock_recv(sock, count - len(received))
        if not part:
            raise WrongAnswer("closed the connection before the answer was complete", Failure.REFUSED)
        received += part
    return received


def build_query(name: str, identity: int, record: str = "A") -> bytes:
    """A recursive query for the ``record`` of ``name``. Raises ProbeFailure where ``name`` cannot be a domain name."""
    try:
        text = name.encode("ascii") if name.isascii() else name.encode("idna")
    except UnicodeError:
        raise ProbeFailure(f'"{name}" is not a domain name') from None
    labels = text.removesuffix(b".").split(b".")
    encoded = b"".join(bytes((len(label) & 0xFF,)) + label for label in labels) + b"\0"
    if len(encoded) > _MAX_NAME or not all(0 < len(label) <= _MAX_LABEL for label in labels):
        raise ProbeFailure(f'"{name}" is not a domain name')
    header = _HEADER.pack(identity, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + encoded + struct.pack("!2H", _TYPES[record], _IN)


def is_truncated(answer: bytes) -> bool:
    """Whether the answer did not fit into a datagram, so that the query is to be repeated over TCP."""
    return bool(_unpack(_HEADER, answer, 0)[1] & _TRUNCATED)


def check_header(query: bytes, answer: bytes) -> None:
    """Check that ``answer`` belongs to ``query`` and reports no error. Raises WrongAnswer."""
    identity, flags, questions, *_ = _unpack(_HEADER, answer, 0)
    if identity != _HEADER.unpack_from(query)[0]:
        raise WrongAnswer("the id of the answer does not match the query")
    if not flags & _ANSWER or flags & _OPCODE:
        raise WrongAnswer("the answer is not flagged as a response")
    rcode = flags & _RCODE
    if rcode:  # before the question, which servers leave out of some errors
        words = _RCODES.get(rcode, f"error {rcode}")
        raise WrongAnswer(f"answered {words}", _FAILURES.get(rcode, Failure.WRONG))
    if questions != 1 or _read_question(answer) != _read_question(query):
        raise WrongAnswer("the question in the answer does not match the query")


def check_records(query: bytes, answer: bytes) -> None:
    """Check that ``answer`` holds an address of the name asked for, or of an alias of it. Raises WrongAnswer."""
    wanted = struct.unpack("!H", _read_question(query)[1][:2])[0]
    name, offset = _read_name(answer, _HEADER.size)
    offset += 4  # the question's type and class
    names, addressed = {name}, set()
    for _ in range(_unpack(_HEADER, answer, 0)[3]):
        owner, offset = _read_name(answer, offset)
        kind, group, _, length = _unpack(_RECORD, answer, offset)
        offset += _RECORD.size
        if offset + length > len(answer):
            raise _malformed()
        if (kind, group, length) == (wanted, _IN, _SIZES[wanted]):
            addressed.add(owner)
        elif (kind, group) == (_CNAME, _IN):
            names.add(_read_name(answer, offset)[0])
        offset += length
    if not names & addressed:
        raise WrongAnswer(f"answered without {'an address' if wanted == _TYPES['A'] else 'an IPv6 address'}")


def _read_question(packet: bytes) -> tuple[Name, bytes]:
    name, offset = _read_name(packet, _HEADER.size)
    if offset + 4 > len(packet):
        raise _malformed()
    return name, packet[offset : offset + 4]


def _read_name(packet: bytes, offset: int) -> tuple[Name, int]:
    """The name at ``offset``, and the offset behind it."""
    labels: list[bytes] = []
    size, barrier, behind = 1, offset, None
    while True:
        length = _byte_at(packet, offset)
        if length >= 0xC0:
            behind = offset + 2 if behind is None else behind
            offset = (length & 0x3F) << 8 | _byte_at(packet, offset + 1)
            # Compression only ever points back (RFC 1035, 4.1.4); forward or in place it could go round for ever.
            if offset >= barrier:
                raise _malformed()
            barrier = offset
            continue
        offset += 1
        if length == 0:
            return tuple(labels), offset if behind is None else behind
        size += length + 1
        if length > _MAX_LABEL or size > _MAX_NAME or offset + length > len(packet):
            raise _malformed()
        labels.append(packet[offset : offset + length].lower())
        offset += length


def _byte_at(packet: bytes, offset: int) -> int:
    if offset >= len(packet):
        raise _malformed()
    return packet[offset]


def _unpack(layout: struct.Struct, packet: bytes, offset: int) -> tuple[int, ...]:
    if offset + layout.size > len(packet):
        raise _malformed()
    return layout.unpack_from(packet, offset)


def _malformed() -> WrongAnswer:
    return WrongAnswer("the answer is malformed")

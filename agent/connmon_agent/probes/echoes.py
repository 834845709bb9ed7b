"""ICMP echoes over unprivileged ping sockets: RFC 792 and RFC 4443, Linux' net/ipv4/ping.c, macOS' icmp(4).

Windows has functions for them instead, which wait in a thread.
"""

from __future__ import annotations

import asyncio
import errno
import secrets
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..staggered import Address
from .costs import ICMP, count_datagrams
from .failures import WrongAnswer
from .lookups import FAMILIES
from .network import Network, report_errors

_HEADER = struct.Struct("!BBHHH")  # type, code, checksum, identifier, sequence
_REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
_REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
_PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
_PAYLOAD = 32  # random bytes: whoever sends them back has received them
_MAX_MESSAGE = 65_535
_NOT_HERE = (errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EPROTOTYPE)
_RANGE = Path("/proc/sys/net/ipv4/ping_group_range")


def find_obstacle(family: str | None) -> str | None:
    """Why this user can send no echo here in ``family`` ("ipv6", else IPv4), with the remedy; None: he can."""
    version = FAMILIES[family or "ipv4"]
    if sys.platform == "win32":
        from ..windows_api import icmp  # Windows alone has it

        possible = icmp.can_send(six=version == socket.AF_INET6)
        return None if possible else "Windows does not let this user send pings (IcmpCreateFile)"
    try:
        socket.socket(version, socket.SOCK_DGRAM, _PROTOCOL[version]).close()
    except PermissionError:
        setting = f", which is {_read_range()}" if _RANGE.exists() else ""
        return f"the kernel does not allow this user ping sockets; widen net.ipv4.ping_group_range{setting}"
    except OSError as error:
        # A machine without IPv6 lacks the family, not the right to ping: that is a fault of the link.
        return "this system has no ping sockets for unprivileged users" if error.errno in _NOT_HERE else None
    return None


def _read_range() -> str:
    return " ".join(_RANGE.read_text(encoding="ascii").split())


async def send_echo(address: Address, network: Network) -> None:
    """Send an echo to ``address`` over a socket of its own and check what comes back. Raises OSError, WrongAnswer."""
    if sys.platform == "win32":
        from ..windows_api import icmp  # Windows alone has it

        await send_by_function(address, network, icmp.send_echo)
        return
    family, place = address
    with socket.socket(family, socket.SOCK_DGRAM, _PROTOCOL[family]) as sock:
        sock.setblocking(False)
        report_errors(sock)
        # Connected, the kernel hands over nothing from strangers. The event loop's own connect would look the address
        # up first, in a thread and in vain: it knows no ICMP.
        sock.connect(place)
        network.bytes += count_datagrams(family, _PAYLOAD, header=ICMP)
        await exchange_echo(sock, family)
        network.bytes += count_datagrams(family, _PAYLOAD, header=ICMP)


async def send_by_function(address: Address, network: Network, send: Callable[[str, bytes, float], bytes]) -> None:
    """The same by a function that waits: it is given an address, what to send and a number of seconds, and returns what
    came back. It goes on in its thread, for as long at most, where the probe is ended meanwhile.
    """
    family, place = address
    payload = secrets.token_bytes(_PAYLOAD)
    network.bytes += count_datagrams(family, _PAYLOAD, header=ICMP)
    answer = await asyncio.to_thread(send, _write_address(place), payload, network.timeout)
    if answer != payload:
        raise WrongAnswer("the echo does not match the request")
    network.bytes += count_datagrams(family, _PAYLOAD, header=ICMP)


def _write_address(place: tuple[Any, ...]) -> str:
    scope = place[3] if len(place) > 3 else 0
    host = str(place[0]).partition("%")[0]
    return f"{host}%{scope}" if scope else host


async def exchange_echo(sock: socket.socket, family: int) -> None:
    """Send an echo over a connected socket and check the answer. Raises OSError and WrongAnswer."""
    loop = asyncio.get_running_loop()
    sequence, payload = secrets.randbits(16), secrets.token_bytes(_PAYLOAD)
    await loop.sock_sendall(sock, build_echo(family, sequence, payload))
    check_echo(await loop.sock_recv(sock, _MAX_MESSAGE), family, sequence, payload)


def build_echo(family: int, sequence: int, payload: bytes) -> bytes:
    """An echo request. The kernel fills in identifier (the socket's) and checksum."""
    return _HEADER.pack(_REQUEST[socket.AddressFamily(family)], 0, 0, 0, sequence) + payload


def check_echo(answer: bytes, family: int, sequence: int, payload: bytes) -> None:
    """Check that ``answer`` is the reply to the echo with this sequence and payload. Raises WrongAnswer."""
    message = _strip_ip_header(answer) if family == socket.AF_INET else answer
    if len(message) < _HEADER.size:
        raise WrongAnswer("the answer is malformed")
    kind, code, _, _, answered = _HEADER.unpack_from(message)
    if (kind, code) != (_REPLY[socket.AddressFamily(family)], 0):
        raise WrongAnswer(f"answered ICMP type {kind}, code {code}, not an echo")
    if (answered, message[_HEADER.size :]) != (sequence, payload):
        raise WrongAnswer("the echo does not match the request")


def _strip_ip_header(answer: bytes) -> bytes:
    # macOS hands the IP header over as well. No type of ICMP that could come here has a 4 as its upper half.
    return answer[(answer[0] & 0x0F) * 4 :] if answer and answer[0] >> 4 == 4 else answer

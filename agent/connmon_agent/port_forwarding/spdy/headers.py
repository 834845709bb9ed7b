"""The header blocks of SPDY/3: names and values, compressed by zlib in one go over the whole connection.

Format and dictionary: https://www.chromium.org/port_forwarding/spdy/spdy-protocol/spdy-protocol-draft3 (2.6.10).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping

from .errors import SpdyError

LARGEST_BLOCK = 64 * 1024  # bytes of a block once it is inflated
MOST_HEADERS = 256

# fmt: off
_WORDS = (
    "options", "head", "post", "put", "delete", "trace", "accept", "accept-charset", "accept-encoding",
    "accept-language", "accept-ranges", "age", "allow", "authorization", "cache-control", "connection",
    "content-base", "content-encoding", "content-language", "content-length", "content-location", "content-md5",
    "content-range", "content-type", "date", "etag", "expect", "expires", "from", "host", "if-match",
    "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified", "location",
    "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization", "range", "referer", "retry-after",
    "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary", "via", "warning",
    "www-authenticate", "method", "get", "status", "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie",
    "keep-alive", "origin",
)
# fmt: on
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden"
    "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,"
    "publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
DICTIONARY = b"".join(struct.pack("!I", len(word)) + word.encode() for word in _WORDS) + _REST.encode()


class Deflater:
    """Writes the header blocks of one connection."""

    def __init__(self) -> None:
        # The smallest window there is: a few hundred bytes are sent here, and zlib would keep 256 KiB for them.
        self._deflate = zlib.compressobj(level=1, wbits=9, memLevel=1, zdict=DICTIONARY)

    def write(self, headers: Mapping[str, str]) -> bytes:
        """The next block. The names are sent in lower case."""
        parts = [struct.pack("!I", len(headers))]
        for name, value in headers.items():
            for text in (name.lower().encode("latin-1"), value.encode("latin-1")):
                parts += (struct.pack("!I", len(text)), text)
        return self._deflate.compress(b"".join(parts)) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


class Inflater:
    """Reads the header blocks of one connection. Each must be read, for each needs those before it."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def read(self, block: bytes) -> dict[str, str]:
        """The headers of the next block; several values of one name are joined by zero bytes. Raises SpdyError."""
        try:
            plain = self._inflate.decompress(block, LARGEST_BLOCK + 1)
        except zlib.error as error:
            raise SpdyError(f"a header block cannot be inflated: {error}") from error
        if len(plain) > LARGEST_BLOCK:
            raise SpdyError(f"a header block has more than {LARGEST_BLOCK} bytes")
        return _read_headers(plain)


def _read_headers(plain: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    try:
        (count,) = struct.unpack_from("!I", plain)
        if count > MOST_HEADERS:
            raise SpdyError(f"a header block has {count} headers")
        start = 4
        for _ in range(count):
            name, start = _read_text(plain, start)
            headers[name], start = _read_text(plain, start)
    except struct.error as error:
        raise SpdyError("a header block is cut short") from error
    return headers


def _read_text(plain: bytes, start: int) -> tuple[str, int]:
    """The text at ``start``, and where it ends. Raises SpdyError, struct.error."""
    (size,) = struct.unpack_from("!I", plain, start)
    begin, end = start + 4, start + 4 + size
    if end > len(plain):
        raise SpdyError("a header block is cut short")
    return plain[begin:end].decode("latin-1"), end

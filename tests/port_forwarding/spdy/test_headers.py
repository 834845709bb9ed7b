from __future__ import annotations

import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connmon_agent.port_forwarding.spdy.errors import SpdyError
from connmon_agent.port_forwarding.spdy.headers import DICTIONARY, Deflater, Inflater

TEXTS = st.text(st.characters(max_codepoint=255), max_size=100)
NAMES = TEXTS.map(str.lower).filter(lambda name: name == name.lower() and name.isascii())


def deflate(plain: bytes) -> bytes:
    compressor = zlib.compressobj(zdict=DICTIONARY)
    return compressor.compress(plain) + compressor.flush(zlib.Z_SYNC_FLUSH)


def test_the_dictionary_is_spdy_s() -> None:
    assert (len(DICTIONARY), zlib.adler32(DICTIONARY)) == (1423, 0xE3C6A7C2)


@given(st.lists(st.dictionaries(NAMES, TEXTS, max_size=5), max_size=4))
def test_one_block_after_another_comes_back(blocks: list[dict[str, str]]) -> None:
    deflater, inflater = Deflater(), Inflater()
    assert [inflater.read(deflater.write(block)) for block in blocks] == blocks


def test_names_are_sent_in_lower_case() -> None:
    assert Inflater().read(Deflater().write({"streamType": "Data"})) == {"streamtype": "Data"}


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (b"nonsense", "cannot be inflated"),
        (zlib.compress(b"x" * 200_000), "has more than 65536 bytes"),
        (deflate(b""), "is cut short"),
        (deflate(struct.pack("!I", 1_000_000)), "has 1000000 headers"),
        (deflate(struct.pack("!II", 1, 9) + b"port"), "is cut short"),
        (deflate(struct.pack("!II", 1, 4) + b"port"), "is cut short"),
    ],
    ids=["no zlib", "too much", "empty", "too many", "half a name", "no value"],
)
def test_what_is_no_header_block(block: bytes, words: str) -> None:
    with pytest.raises(SpdyError, match=words):
        Inflater().read(block)

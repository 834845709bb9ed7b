"""The messages of v4.channel.k8s.io, as a real server writes and reads them."""

from __future__ import annotations

import pytest

from connmon_lab.kubernetes.channels import data_message, error_message, opening_messages, read_data


def test_each_channel_begins_with_its_port() -> None:
    assert list(opening_messages((8080, 17777))) == [b"\x00\x90\x1f", b"\x01\x90\x1f", b"\x02qE", b"\x03qE"]


def test_data_and_errors_have_channels_of_their_own() -> None:
    assert (data_message(1, b"x"), error_message(1, "no")) == (b"\x02x", b"\x03no")


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (b"\x00GET", (0, b"GET")),
        (b"\x02", (1, b"")),
        (b"\x01x", None),
        (b"\x04x", None),
        (b"", None),
    ],
)
def test_only_what_comes_on_a_data_channel_is_data(message: bytes, found: tuple[int, bytes] | None) -> None:
    assert read_data(message, 2) == found

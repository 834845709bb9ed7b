"""How much of what an API server sends is taken in: bytes, and what they would grow to in memory."""

from __future__ import annotations

from ..errors import ClusterError

MAX_BODY = 16 * 1024 * 1024  # bytes of an answer; a page of a list has 2 MB
MAX_EVENT = 4 * 1024 * 1024  # bytes of an event of a watch, which holds one object; etcd stores up to 1.5 MB of one
# Values in the JSON of an answer; a page of a list has 100,000. Each takes up to 100 bytes, were it only "[]" or "{}".
MAX_VALUES = 500_000

_MIB = 1024 * 1024


def too_long(what: str, limit: int) -> ClusterError:
    """What is said of something that is longer than ``limit`` bytes. ``what`` names the server and what it sent."""
    return ClusterError("protocol", f"{what} of more than {limit // _MIB} MiB", hint=_HINT)


def check_values(body: bytes, server: str) -> None:
    """Raises ClusterError where the JSON in ``body`` may have more than MAX_VALUES values.

    Each value stands after a comma or at the beginning of a list or an object, so that these are counted, also those
    in texts.
    """
    if len(body) <= MAX_VALUES:  # a value has a byte at least
        return
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MAX_VALUES:
        raise ClusterError("protocol", f"{server} sent JSON of more than {MAX_VALUES} values", hint=_HINT)


_HINT = "Check that this address is the Kubernetes API, and look there for very large objects"

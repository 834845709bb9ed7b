"""What SPDY cannot be."""

from __future__ import annotations


class SpdyError(Exception):
    """What came is no SPDY/3.1, or more of it than is taken. What follows cannot be read either."""

"""The frames in which data is written to a pod, whatever the way: with room before it for what the way needs."""

from __future__ import annotations

from .websockets import HEADROOM as WEBSOCKET_HEADROOM
from .websockets import LARGEST

HEADROOM = WEBSOCKET_HEADROOM + 1  # bytes before the data: a WebSocket's head and the channel; SPDY needs 8
FRAME = WEBSOCKET_HEADROOM + LARGEST  # bytes of the largest frame, with its headroom

"""Orders from the page, given as the commands `pause`, `resume`, `recover` and `rearm` give them."""

from __future__ import annotations

from pathlib import Path

from ..core.events import Order
from ..web.views import Document
from .operate import give

_SAID = {
    Order.PAUSE: "Paused. Nothing is restarted until resume.",
    Order.RESUME: "Resumed.",
    Order.RECOVER: "Recovery requested.",
    Order.REARM: "Restart attempts reset. Recover restarts now.",
}
_LATER = " The agent is not running. This is recorded; it takes effect when the agent next starts."


class AgentOrders:
    """``web.views.Orders`` for the agent of one state directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def give(self, order: Order, services: tuple[str, ...]) -> Document:
        running = give(self._folder, order, services)
        return {"accepted": True, "running": running, "message": _SAID[order] + ("" if running else _LATER)}

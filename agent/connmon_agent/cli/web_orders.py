"""Orders from the page, given as the commands `pause`, `resume`, `recover` and `rearm` give them."""

from __future__ import annotations

from pathlib import Path

from ..core.events import Order
from ..presence import find_agent
from ..runtime.control import send_order
from ..web.views import Document
from .own_commands import run_command

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
        running = find_agent(self._folder) is not None
        if running:
            send_order(self._folder, order, services)
        else:  # who records an order loads all of the agent
            run_command(self._folder, order.value, *(("--", *services) if services else ()))
        return {"accepted": True, "running": running, "message": _SAID[order] + ("" if running else _LATER)}

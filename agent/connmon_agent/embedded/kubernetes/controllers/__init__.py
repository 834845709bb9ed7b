"""The controllers of the embedded cluster: they turn specs into pods and pods into status, over time."""

from .context import Pace
from .manager import ControllerManager

__all__ = ["ControllerManager", "Pace"]

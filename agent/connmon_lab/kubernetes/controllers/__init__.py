"""The controllers of the embedded cluster: they turn specs into pods and pods into status, over time."""

from .context import Timing
from .manager import ControllerManager

__all__ = ["ControllerManager", "Timing"]

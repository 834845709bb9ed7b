"""The machine's clocks. Nothing else in the agent reads them."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.timestamps import Timestamp

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Anchor:
    """How steady time follows from the time since boot: ``steady = boottime + offset``, during the boot ``boot_id``."""

    boot_id: str
    offset: float

    def as_text(self) -> dict[str, str]:
        """The anchor as the state file keeps it."""
        return {"boot_id": self.boot_id, "boot_offset": repr(self.offset)}


def boottime() -> float:
    """Seconds since the machine booted, or any time before, sleep included."""
    if sys.platform == "win32":
        from ..windows_api import clocks  # Windows alone has it

        return clocks.since_boot()
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.clock_gettime(time.CLOCK_MONOTONIC)  # of macOS, goes on during sleep (clock_gettime(3) there)


def awaketime() -> float:
    """Seconds that the machine was awake, since any time in the past.

    Python's monotonic clock goes on during sleep on Windows (GetTickCount64), and stands still on Linux and on macOS
    (mach_absolute_time).
    """
    if sys.platform == "win32":
        from ..windows_api import clocks  # Windows alone has it

        return clocks.awake()
    return time.monotonic()


def walltime() -> float:
    """Unix seconds, as far as the machine knows."""
    return time.time()


def boot_id() -> str:
    """A name of this boot of the machine, another one after each boot."""
    if sys.platform == "win32":
        from ..windows_api import clocks  # Windows alone has it

        number = clocks.boot_number()
        return _name_by_clocks() if number is None else f"boot-{number}"
    try:
        return BOOT_ID_FILE.read_text(encoding="ascii").strip()
    except OSError:
        import psutil  # only where the kernel has no name for its boots

        try:
            return f"boot-{psutil.boot_time():.0f}"
        except (OSError, RuntimeError, psutil.Error):
            return _name_by_clocks()  # no /proc, or only a part of it (systemd's ProcSubset=pid)


def _name_by_clocks() -> str:
    """To the minute, because the wall clock is corrected now and then.

    Where it jumps, the time until then counts as one in which nobody watched.
    """
    return f"boot-{(walltime() - boottime()) / 60:.0f}min"


def anchor_time(
    kept: Mapping[str, str],
    *,
    last_steady: float,
    boot: str,
    since_boot: float,
    wall: float,
) -> Anchor:
    """Where steady time stands now.

    In the same boot it simply goes on, whatever happened to the wall clock. In another boot nobody can know how long
    the machine was off but the wall clock: it is believed, except where it would turn time back. So it is where a boot
    of the same name would turn it back: names that are made of a count or of the wall clock may come twice.
    """
    if kept.get("boot_id") == boot and "boot_offset" in kept:
        offset = float(kept["boot_offset"])
        if since_boot + offset >= last_steady:
            return Anchor(boot, offset)
    return Anchor(boot, max(wall, last_steady) - since_boot)


class SystemClock:
    """The port Clock on the machine's own clocks."""

    def __init__(
        self,
        anchor: Anchor,
        *,
        since_boot: Callable[[], float] = boottime,
        wall: Callable[[], float] = walltime,
        awake: Callable[[], float] = awaketime,
    ) -> None:
        self._anchor = anchor
        self._since_boot = since_boot
        self._wall = wall
        self._awake = awake

    def now(self) -> Timestamp:
        return Timestamp(self._since_boot() + self._anchor.offset, self._wall())

    def awake(self) -> float:
        return self._awake()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds))

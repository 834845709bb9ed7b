"""State files that the real agent writes in virtual time, round log and all, while the link does as a script says."""

from __future__ import annotations

import random
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from connmon_agent.core.plan import Plan
from connmon_agent.store import DATABASE_FILE
from connmon_agent.store.journal import SqliteJournal

from .charts import real_charts
from .direct_journals import DirectJournal
from .sites import Site
from .virtual_time import WALL_START, run_virtually

Script = Callable[[Site], Coroutine[None, None, None]]


def record_life(folder: Path, plan: Plan, script: Script, *, seed: int = 5) -> Path:
    """Run the agent with ``plan`` while ``script`` goes on; returns the state file.

    Two lives with the same seed probe at the same times, as long as their agents want the same.
    """
    path = folder / DATABASE_FILE

    async def life() -> None:
        random.seed(seed)  # the agent's own dice, which spread its rounds
        journal = SqliteJournal.open(path, boottime=lambda: 1.0, boot_id="boot-1", wall=lambda: WALL_START)
        for name, chart in real_charts().items():
            journal.save_chart(name, chart.sha256, chart.text)
        site = Site(plan, fast=True)
        site.journal = DirectJournal(journal)
        await site.start()
        await script(site)
        await site.stop()
        journal.close()

    run_virtually(life())
    return path


def cuts(*times: tuple[float, float], rest: float = 900.0) -> Script:
    """Cut the link again and again: after so many seconds for so many seconds. ``rest``: seconds at the end."""

    async def script(site: Site) -> None:
        for before, dark in times:
            await site.wait(before)
            site.link.up = False
            await site.wait(dark)
            site.link.up = True
        await site.wait(rest)

    return script


def random_cuts(dice: random.Random, number: int) -> Sequence[tuple[float, float]]:
    """Cuts of every length, close together and far apart."""
    return [(10 ** dice.uniform(0.3, 2.6), 10 ** dice.uniform(-0.5, 2.2)) for _ in range(number)]

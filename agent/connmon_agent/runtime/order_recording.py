"""Orders that are given while no agent runs: decided as the agent would, and recorded for the next one."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from ..core.engine import Engine
from ..core.events import Configured, Event, Order, Ordered
from ..core.orders import refuse_order
from ..core.world import LinkState, World
from ..errors import ConnmonError
from ..store import DATABASE_FILE
from ..store.journal import SqliteJournal
from .build import open_memory
from .log_records import tell_damage
from .notice_requests import describe_drop, describe_dropped


def record_order(state_dir: Path, order: Order, services: tuple[str, ...], *, by: str) -> str | None:
    """Carry out an order while no agent runs, as the agent would: decided by the engine, durable on return.

    The plan is the one that the last agent had, whatever configuration the one who gives the order stands beside. A
    refused order is recorded, and changes nothing.

    Returns a sentence on a damaged state file that had to be set aside for a new one (None: it was sound).
    Raises AlreadyRunning, StoreError, and ConnmonError with the reason when the order is refused.
    """
    if order in (Order.RECOVER, Order.REARM) and not (state_dir / DATABASE_FILE).exists():
        raise ConnmonError(
            f"no agent has run with the state directory {state_dir} yet; no services are known",
            hint="Check --state-dir and --config, or start the agent first",
        )
    with open_memory(state_dir) as memory:
        engine, journal = Engine(memory.charts), memory.journal
        ordered = Ordered(memory.clock.now(), order, services, by)
        refusal = refuse_order(journal.load(), ordered)
        if journal.load().charts != engine.chart_hashes and refusal is None:
            # Another version of the agent decides now: its steps must name their charts.
            _commit(journal, engine, Configured(ordered.at, journal.load().plan, engine.chart_hashes))
        if refusal is None or journal.load().charts == engine.chart_hashes:
            _commit(journal, engine, ordered)
        if refusal is not None:
            raise _refuse(refusal, journal.load(), ordered)
        return tell_damage(journal.damage, journal.set_aside)


def record_drop(
    state_dir: Path, numbers: Collection[int] | None, *, by: str
) -> tuple[list[dict[str, object]], str | None]:
    """Drop notices while no agent runs: those with these numbers (None: all), durable on return.

    Returns what ``describe_dropped`` tells, and a sentence on a damaged state file as ``record_order`` does. Raises
    AlreadyRunning, StoreError, and ConnmonError where there is no state file.
    """
    if not (state_dir / DATABASE_FILE).exists():
        raise ConnmonError(
            f"no agent has run with the state directory {state_dir} yet; there are no notices",
            hint="Check --state-dir and --config",
        )
    with open_memory(state_dir) as memory:
        dropped = memory.journal.drop_notices(numbers, describe_drop(by), memory.clock.now())
        return describe_dropped(dropped), tell_damage(memory.journal.damage, memory.journal.set_aside)


def _commit(journal: SqliteJournal, engine: Engine, event: Event) -> None:
    journal.commit(event, engine.step(journal.load(), event))


def _refuse(refusal: str, world: World, ordered: Ordered) -> ConnmonError:
    """The refusal of an order while no agent runs: to wait for the link would be in vain."""
    known = all(name in world.services for name in ordered.services)
    if ordered.order is not Order.RECOVER or world.paused or not known or world.link.state == LinkState.ONLINE:
        return ConnmonError(refusal)
    again = " ".join(("connmon-agent recover", *ordered.services))
    return ConnmonError(
        f"no agent is running, and the link was last seen {world.link.state}; its current state is unknown",
        hint=f"Run `connmon-agent start`, wait until `connmon-agent status` shows ONLINE, then run `{again}`",
    )

"""Installing and uninstalling, the same for every service manager: nothing that is not ours is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import ConnmonError
from ..seals import Ownership, judge
from .interface import Condition, Installation, ServiceManager, Unit


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, in sentences; ``changed`` False: nothing had to be. ``troubles`` could not be done."""

    changed: bool
    done: tuple[str, ...]
    troubles: tuple[str, ...] = ()


def install(manager: ServiceManager, installation: Installation, *, agent: int | None = None) -> Outcome:
    """Write the unit and have it run, now and at boot. What is so already stays as it is.

    ``agent`` is the process id of the agent that runs on the same state directory; None: none does. Raises
    ConnmonError.
    """
    manager.check(installation)
    unit = manager.unit(installation)
    found = unit.place.read()
    for one in (unit, *unit.companions):
        refuse_others(one, judge(one.place.read()))
    if agent is not None and manager.supervises and (found is None or not manager.inspect(unit).running):
        raise ConnmonError(
            f"a manually started agent is running (pid {agent}), so {unit.name} cannot start",
            hint="Run `connmon-agent stop`, then repeat this command",
        )
    changed, done = found != unit.text, []
    if changed:
        unit.place.write(unit.text)
        done.append(f"Wrote {unit.place.name}" if found is None else f"Replaced {unit.place.name}")
    done += manager.activate(unit, changed=changed)
    troubles: list[str] = []
    try:
        done += _accompany(manager, unit.companions)
    except ConnmonError as error:  # the agent itself runs
        troubles.append(str(error).rstrip("."))
    return Outcome(bool(done), tuple(done), tuple(troubles))


def _accompany(manager: ServiceManager, companions: tuple[Unit, ...]) -> list[str]:
    """Have them as they are wanted. Those that are started by another come before it."""
    wanted = [one for one in companions if one.text]
    done = _remove(manager, [one for one in companions if not one.text])
    changed = False
    for one in wanted:
        found = one.place.read()
        if found != one.text:
            one.place.write(one.text)
            done.append(f"Wrote {one.place.name}" if found is None else f"Replaced {one.place.name}")
            changed = True
    for one in wanted:
        if not one.passive:
            done += manager.activate(one, changed=changed)
    return done


def _remove(manager: ServiceManager, companions: Sequence[Unit]) -> list[str]:
    """End them and take them away, as far as they are there: first those that start others."""
    done = []
    for one in sorted(companions, key=lambda one: one.passive):
        if judge(one.place.read()) is Ownership.ABSENT:
            continue
        done += manager.deactivate(one)
        one.place.remove()
        done.append(f"Removed {one.place.name}")
    return done


def uninstall(manager: ServiceManager, installation: Installation) -> Outcome:
    """End the agent and take the unit away; state and logs stay. Raises ConnmonError."""
    manager.check(installation)
    unit = manager.unit(installation)
    ownership = judge(unit.place.read())
    if ownership is Ownership.ABSENT:
        return Outcome(False, ())
    for one in (unit, *unit.companions):
        refuse_others(one, judge(one.place.read()))
    done = _remove(manager, unit.companions)
    done += manager.deactivate(unit)
    if manager.forget(unit):
        unit.place.remove()
        done.append(f"Removed {unit.place.name}")
    manager.removed(unit)
    return Outcome(True, tuple(done))


def inspect(manager: ServiceManager, unit: Unit) -> tuple[Ownership, Condition | None]:
    """Whose the unit is, and how it is doing (None: it is not ours). Raises ConnmonError."""
    ownership = judge(unit.place.read())
    ours = ownership in (Ownership.OURS, Ownership.EDITED)
    return ownership, manager.inspect(unit) if ours else None


def refuse_others(unit: Unit, ownership: Ownership) -> None:
    """Raise ConnmonError where the unit is somebody else's, or somebody has changed it."""
    where = unit.place.name
    if ownership is Ownership.FOREIGN:
        raise ConnmonError(
            f"{where} was not written by `connmon-agent service install`; it is not changed",
            hint=f"{unit.place.removal}, or install a named agent beside it with --instance NAME",
        )
    if ownership is Ownership.EDITED:
        raise ConnmonError(
            f"{where} was edited after it was installed; it is not changed",
            hint=f"Move the changes into a drop-in (systemd: `systemctl edit {unit.name}`), delete {where}, "
            "and repeat the command",
        )

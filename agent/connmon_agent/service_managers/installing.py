"""Installing and uninstalling, the same for every service manager: nothing that is not ours is touched."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import ConnmonError
from ..seals import Ownership, judge
from .interface import Condition, Installation, ServiceManager, Unit


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was done, in sentences; ``changed`` False: nothing had to be."""

    changed: bool
    done: tuple[str, ...]


def install(manager: ServiceManager, installation: Installation, *, agent: int | None = None) -> Outcome:
    """Write the unit and have it run, now and at boot. What is so already stays as it is.

    ``agent`` is the process id of the agent that runs on the same state directory; None: none does. Raises
    ConnmonError.
    """
    manager.check(installation)
    unit = manager.unit(installation)
    found = unit.place.read()
    refuse_others(unit, judge(found))
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
    return Outcome(bool(done), tuple(done))


def uninstall(manager: ServiceManager, installation: Installation) -> Outcome:
    """End the agent and take the unit away; state and logs stay. Raises ConnmonError."""
    manager.check(installation)
    unit = manager.unit(installation)
    ownership = judge(unit.place.read())
    if ownership is Ownership.ABSENT:
        return Outcome(False, ())
    refuse_others(unit, ownership)
    done = manager.deactivate(unit)
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

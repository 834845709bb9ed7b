"""``config``: check the configuration, and show what is in force."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import click

from ..redaction import redact
from ..settings import BUILT_IN, KeyUsage, Settings
from ..texts import make_printable
from . import screens
from .rendering.tables import lay_out
from .wording import cut, wrap

WIDEST_VALUE = 40  # columns of a value in the list of keys


class Invocation(Protocol):
    """What these commands need of the group above them."""

    def settings(self) -> Settings:
        """The configuration in force. Raises ConfigurationError."""

    def config_candidates(self) -> list[Path]:
        """The files that are looked for when none is named."""


@click.group()
def config() -> None:
    """Check the configuration, and show what is in force."""


@config.command()
@click.option("--keys", is_flag=True, help="List every key of the file. For the ERP's .json this is the default.")
@click.pass_obj
def check(invocation: Invocation, keys: bool) -> None:
    """Say whether the configuration can be used; if not, name every mistake in it (exit code 2).

    Keys of the file that are not in force are listed with the reason.
    """
    settings = invocation.settings()
    if settings.source == BUILT_IN:
        places = ", ".join(map(str, invocation.config_candidates()))
        click.echo(f"no configuration file; looked for {places}")
    for text in (summarise(settings), *map(str, settings.warnings), *list_missing_targets(settings)):
        for line in wrap(text, width=screens.width_of_output(), indent="  ", first=""):
            click.echo(line)
    for line in tabulate_usages(settings, every=keys or settings.source.lower().endswith(".json")):
        click.echo(line)


def tabulate_usages(settings: Settings, *, every: bool) -> list[str]:
    """The keys of the file with value and effect: ``every`` one, or those that are not in force."""
    rows = [_tabulate_usage(usage) for usage in settings.usages if every or usage.unused is not None]
    return list(lay_out(rows, width=screens.width_of_output())) if rows else []


def _tabulate_usage(usage: KeyUsage) -> tuple[str, str]:
    written = f"{usage.key} = {cut(make_printable(redact(usage.value)), WIDEST_VALUE)}"
    return ("in force", written) if usage.unused is None else ("not used", f"{written}: {usage.unused}")


@config.command()
@click.pass_obj
def show(invocation: Invocation) -> None:
    """Print the configuration in force as YAML, defaults included. It can be used as --config again."""
    # Reading and writing configurations is needed by no other command that must start quickly.
    from ..loading.descriptions import describe_settings

    click.echo(describe_settings(invocation.settings()), nl=False)


def summarise(settings: Settings) -> str:
    """One sentence on a configuration that is good."""
    plan = settings.plan
    stages = 1 + max((service.stage for service in plan.services), default=-1)
    parts = [
        f"{_count(len(settings.targets), 'target')} (quorum {plan.link.quorum})",
        f"{_count(len(plan.services), 'service')} in {_count(stages, 'stage')}",
        _count(len(settings.forwards), "forwarded port"),
        f"state in {settings.state_dir}",
    ]
    shadow = "" if plan.recovery.act else "; shadow mode: nothing is restarted"
    return f"{settings.source}: good: {', '.join(parts)}{shadow}"


def list_missing_targets(settings: Settings) -> list[str]:
    """A sentence for each service whose Service had several ports to choose from when an agent last looked.

    It is read from the state file; the cluster is not asked. Empty where no agent has looked yet.
    """
    from ..errors import ConnmonError
    from ..kube.backends import SET_TARGET
    from ..store import DATABASE_FILE
    from ..store.reading import Reader

    try:
        with Reader(settings.state_dir / DATABASE_FILE) as reader:
            world = reader.world()
    except ConnmonError:
        return []  # there is none yet, or this user may not read it: the configuration is good all the same
    known = {} if world is None else world.forwards
    return [
        f"services.{name}.target is missing: {known[name].trouble}"
        for name, forward in settings.forwards.items()
        if forward.target is None and name in known and SET_TARGET in (known[name].trouble or "")
    ]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

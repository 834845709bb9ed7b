"""``config``: check the configuration, and show what is in force."""

from __future__ import annotations

from typing import Protocol

import click

from ..settings import Settings
from . import screens
from .wording import wrap


class Invocation(Protocol):
    """What these commands need of the group above them."""

    def settings(self) -> Settings:
        """The configuration in force. Raises ConfigurationError."""


@click.group()
def config() -> None:
    """Check the configuration, and show what is in force."""


@config.command()
@click.pass_obj
def check(invocation: Invocation) -> None:
    """Say whether the configuration can be used; if not, name every mistake in it (exit code 2)."""
    for line in wrap(summarise(invocation.settings()), width=screens.width_of_output(), indent="  ", first=""):
        click.echo(line)


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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

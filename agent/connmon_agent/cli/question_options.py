"""The options of ``replay`` that ask what would happen: ``--what-if``, ``--sweep`` and ``--inject``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from ..store.reading import Reader
    from .injections import LinkFault, RestartFault

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; ``asked`` False: nothing."""

    what_if: tuple[str, ...]
    sweep: str | None
    inject: tuple[LinkFault | RestartFault, ...]
    model: str
    processes: int

    @property
    def asked(self) -> bool:
        """Whether anything is."""
        return bool(self.what_if or self.inject) or self.sweep is not None

    def check(self, *, alone: bool) -> None:
        """Raise UsageError where it cannot be answered; ``alone``: nothing else is asked for."""
        if self.asked and not alone:
            raise click.UsageError(
                "Use --what-if, --sweep or --inject without OUTAGE, --since, --until, --at, --verify and --output, "
                "and with no format but text and json."
            )
        if self.sweep is not None and (self.what_if or self.inject):
            raise click.UsageError("Use --sweep without --what-if and --inject.")

    def answer(self, reader: Reader, *, json: bool) -> None:
        """Print the answer. Raises ConnmonError."""
        from .questions import answer  # the engine, which only questions and --verify need

        answer(reader, self, json=json)


def _read_faults(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[LinkFault | RestartFault, ...]:
    if not value:
        return ()
    from .injections import read_injections  # not for --help

    return read_injections(ctx, param, value)


_OPTIONS = (
    click.option(
        "--what-if",
        metavar="KEY=VALUE",
        multiple=True,
        is_flag=False,
        flag_value="",
        help="Decide everything again with another setting, as link.fall=5; repeatable. Without KEY=VALUE: with the "
        "recorded settings; exits with 4 if anything differs.",
    ),
    click.option(
        "--sweep",
        metavar="RANGES",
        help="Compare many settings, as link.fall=2..6,link.hold=0s..60s:10s.",
    ),
    click.option(
        "--inject",
        metavar="FAULT",
        multiple=True,
        callback=_read_faults,
        help="Rehearse on a copy: '10:00+5m black-hole', 'restart grafana fails'; repeatable.",
    ),
    click.option(
        "--model",
        type=click.Choice(("as-recorded", "ready-after-median", "never")),
        default="as-recorded",
        show_default=True,
        help="How services react to restarts that are not recorded.",
    ),
    click.option("--processes", type=click.IntRange(1, 64), default=2, show_default=True, help="For --sweep."),
)


def question_options(command: F) -> F:
    """Adds the options to a command, as the keyword arguments of ``Question``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command

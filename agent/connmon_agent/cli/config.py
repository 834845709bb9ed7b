"""``config``: check the configuration, show what is in force, and convert the ERP's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import click

from ..errors import ConnmonError
from ..platform_terms import quote_argument
from ..redaction import redact
from ..settings import BUILT_IN, KeyUsage, Settings
from ..texts import make_printable
from . import screens
from .outputs import echo_json
from .rendering.tables import lay_out
from .wording import cut, wrap

WIDEST_VALUE = 40  # columns of a value in the list of keys


class Invocation(Protocol):
    """What these commands need of the group above them."""

    def settings(self) -> Settings:
        """The configuration in force. Raises ConfigurationError."""

    environment: Mapping[str, str]

    def config_candidates(self) -> list[Path]:
        """The files that are looked for when none is named."""

    def system_config(self) -> Path:
        """The ERP's file that is meant when none is named. Raises ConnmonError where there is none."""


@click.group()
def config() -> None:
    """Check the configuration, show what is in force, and convert the ERP's."""


@config.command()
@click.option("--keys", is_flag=True, help="List every key of the file. For the ERP's .json this is the default.")
@click.pass_obj
def check(invocation: Invocation, keys: bool) -> None:
    """Check the configuration and list every mistake (exit code 2).

    Keys of the file that are not in force are listed with the reason.
    """
    settings = invocation.settings()
    if settings.source == BUILT_IN:
        places = ", ".join(map(str, invocation.config_candidates()))
        click.echo(f"no configuration file; looked for {places}")
    notes = (*map(str, settings.warnings), *list_missing_targets(settings), *_list_other_files(settings))
    for text in (summarise(settings), *notes):
        for line in wrap(text, width=screens.width_of_output(), indent="  ", first=""):
            click.echo(line)
    for line in tabulate_usages(settings, every=keys or settings.source.lower().endswith(".json")):
        click.echo(line)


def _list_other_files(settings: Settings) -> list[str]:
    """The ERP's file beside ours, of which little counts."""
    from .autostart import find_erp_file  # not for --help

    path = find_erp_file(settings)
    if path is None or path.parent != Path(settings.source).parent:
        return []
    return [f"{path}: not in force; only Enabled, AutoStart and, without start.mode, Mode count, for autostart"]


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
    """Print the configuration in force as YAML, including defaults. The output can be used as --config."""
    # Reading and writing configurations is needed by no other command that must start quickly.
    from ..loading.descriptions import describe_settings

    click.echo(describe_settings(invocation.settings()), nl=False)


@config.command("import")
@click.argument(
    "system_config", required=False, type=click.Path(path_type=Path, dir_okay=False), metavar="[SYSTEM_CONFIG]"
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="File to write; - prints to stdout.  [default: connmon.yaml beside SYSTEM_CONFIG]",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@click.pass_obj
def import_(invocation: Invocation, system_config: Path | None, output: Path | None, force: bool) -> None:
    """Convert the ERP's system_config.json to connmon.yaml with the same settings.

    SYSTEM_CONFIG defaults to the file of --config, else config/system_config.json. It is not changed. A connmon.yaml
    beside it is used instead of it from then on.
    """
    from ..generated_files import holds, write_file  # not for --help
    from ..loading.conversions import convert_system_config

    source = system_config or invocation.system_config()
    path = output or source.parent / "connmon.yaml"
    if path == Path("-"):
        path = source.parent / "connmon.yaml"
        click.echo(convert_system_config(source, output=path, environment=invocation.environment), nl=False)
        return
    data = convert_system_config(source, output=path, environment=invocation.environment).encode()
    if holds(path, data):
        click.echo(f"{path} is up to date.")
        return
    try:
        write_file(path.resolve() if force else path, data, replace=force)  # through a link, which stays
    except FileExistsError as error:
        hint = "Choose another file with --output, or overwrite it with --force"
        raise ConnmonError(f"{path} already exists", hint=hint) from error
    click.echo(f"Wrote {path}. Check it: connmon-agent --config {quote_argument(str(path))} config check")


@config.command()
def schema() -> None:
    """Print the JSON Schema of connmon.yaml, for editors with completion and checks."""
    from ..loading.descriptions import make_schema  # not for --help

    echo_json(make_schema())


def summarise(settings: Settings) -> str:
    """One sentence on a configuration that is good."""
    plan = settings.plan
    stages = 1 + max((service.stage for service in plan.services), default=-1)
    parts = [
        f"{_count(len(settings.targets), 'target')} (quorum {plan.link.quorum})",
        f"{_count(len(plan.services), 'service')} in {_count(stages, 'stage')}",
        _count(len(settings.forwards), "forwarded port"),
        *([_count(len(channels), "channel") + " for notices"] if (channels := settings.notify.channels) else []),
        f"state in {settings.state_dir}",
    ]
    shadow = "" if plan.recovery.act else "; shadow mode: nothing is restarted"
    return f"{settings.source}: good: {', '.join(parts)}{shadow}"


def list_missing_targets(settings: Settings) -> list[str]:
    """A sentence for each service whose Service had several ports to choose from when an agent last looked.

    It is read from the state file; the cluster is not asked. Empty where no agent has looked yet.
    """
    from ..kube.backends import SET_TARGET  # not for --help
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

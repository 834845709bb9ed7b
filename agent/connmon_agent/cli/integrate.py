"""``connmon-agent integrate``: scripts with the names that the ERP calls."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..errors import ConnmonError
from ..processes import own_program
from .invocations import Invocation


@click.command(short_help="Write the scripts that the ERP calls.")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--force", is_flag=True, help="Overwrite scripts that were edited.")
@click.pass_obj
def integrate(invocation: Invocation, directory: Path, force: bool) -> None:
    """Write the PowerShell and shell scripts that the ERP calls into DIRECTORY.

    The scripts are start_connection_monitor (-Mode MODE, -Force), connection_monitor_integration (called by the ERP's
    starter) and connection_monitor, each as .ps1 and .sh. They call this connmon-agent with the current configuration.
    Files from another source are never changed, and edited scripts only with --force; otherwise nothing is written.
    """
    from ..generated_files import holds, refuse_others, write_file  # not for --help
    from .wrappers import BY, make_wrappers

    if not directory.is_dir():
        raise ConnmonError(f"{directory} is not a directory", hint="Create it, or use the ERP's scripts directory")
    wrappers = list(make_wrappers(_write_command(invocation)))
    refuse_others([directory / wrapper.name for wrapper in wrappers], by=BY, force=force)
    for wrapper in wrappers:
        path = directory / wrapper.name
        if holds(path, wrapper.data) and (os.name == "nt" or path.stat().st_mode & 0o777 == wrapper.mode):
            click.echo(f"unchanged  {path}")
        else:
            write_file(path, wrapper.data, mode=wrapper.mode, replace=True)
            click.echo(f"written    {path}")


def _write_command(invocation: Invocation) -> list[str]:
    """This program, with the options that name what is used here, whatever the directory of the caller.

    Raises ConnmonError where a path holds what no script can hold.
    """
    command, config = own_program(), invocation.config_of_this_place()
    if config is not None:
        command += ["--config", os.path.abspath(config)]
    if invocation.state_dir is not None:
        command += ["--state-dir", os.path.abspath(invocation.state_dir)]
    for word in command:
        if not word.isprintable():
            raise ConnmonError(f"the path {word!r} cannot be written into a script", hint="Move or rename it")
    return command

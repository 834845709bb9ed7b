"""``connmon-agent service``: installed with the platform's service manager, and what became of it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConnmonError, NotRunning
from .invocations import Invocation
from .outputs import echo_data

if TYPE_CHECKING:
    from ..seals import Ownership
    from ..service_managers.interface import Host, Installation, ServiceManager

NOT_RUNNING = 3
MANAGERS = ("systemd", "cron", "launchd", "windows-service", "task-scheduler")


@click.group(short_help="Run the agent as a service.")
def service() -> None:
    """Install the agent with this platform's service manager, so that it starts at boot.

    systemd or cron on Linux, launchd on macOS, a service or a scheduled task on Windows. Installing for the machine
    needs root or an administrator; `--user` installs it for this user only.
    """


def _options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--instance", metavar="NAME", help="One of several agents on this machine, by name."),
        click.option(
            "--manager", type=click.Choice(MANAGERS), help="The service manager.  [default: the one that runs]"
        ),
        click.option("--user", is_flag=True, help="For this user only, without root."),
    ):
        command = option(command)
    return click.pass_obj(command)


_ACCOUNT = click.option(
    "--account",
    metavar="NAME",
    help="Windows: the account to run as: LocalService, LocalSystem, NetworkService or a user (asks for the password)."
    "  [default: LocalService; for a scheduled task, this user]",
)


@service.command(short_help="Start the agent now and at boot.")
@click.option("--force", is_flag=True, help="Stop a running agent first, even if it does not answer.")
@_ACCOUNT
@_options
def install(
    invocation: Invocation, user: bool, manager: str | None, instance: str | None, account: str | None, force: bool
) -> None:
    """Write the unit, start the agent and enable it at boot. Run it again after an upgrade or after moving the
    configuration; it changes only what differs.

    Files that were edited, or written by something else, are not changed.
    """
    from ..service_managers.installing import install as install_unit  # not for --help

    chosen = _choose(manager)
    installation, notes = _plan(invocation, chosen, user=user, instance=instance, account=account)
    chosen.check(installation)
    installation = replace(installation, password=_ask_password(chosen, account))
    agent = _find_agent(invocation, chosen, installation)
    if force and agent is not None:
        _end_agent(invocation, chosen, installation)
        agent = None
    outcome = install_unit(chosen, installation, agent=agent)
    for line in outcome.done:
        click.echo(f"{line}.")
    if not outcome.changed:
        click.echo("Nothing to change: installed and running.")
    for note in (*outcome.troubles, *notes, *chosen.notes(installation)):
        click.echo(f"Note: {note}.", err=True)


@service.command(short_help="Stop the agent and remove it.")
@_options
def uninstall(invocation: Invocation, user: bool, manager: str | None, instance: str | None) -> None:
    """Stop the agent and remove the unit. State and logs are kept."""
    from ..service_managers.installing import uninstall as uninstall_unit  # not for --help

    outcome = uninstall_unit(_choose(manager), _bare(user=user, instance=instance))
    for line in outcome.done:
        click.echo(f"{line}.")
    click.echo("State and logs are kept." if outcome.changed else "Nothing to change: not installed.")


@service.command(short_help="Print the unit that install writes.")
@click.option("--page", is_flag=True, help="systemd: the units of the page instead, each after its path.")
@_ACCOUNT
@_options
def show(
    invocation: Invocation, user: bool, manager: str | None, instance: str | None, account: str | None, page: bool
) -> None:
    """Print the unit that `service install` would write, byte for byte. Changes nothing."""
    chosen = _choose(manager, absent=True)
    installation, _ = _plan(invocation, chosen, user=user, instance=instance, account=account)
    unit = chosen.unit(installation)
    if not page:
        echo_data(unit.text)
        return
    texts = [f"# {one.place.name}\n{one.text}" for one in unit.companions if one.text]
    if not texts:
        raise ConnmonError(
            "no page is installed: web.listen is null, or this service manager has no sockets",
            hint="Run `connmon-agent web` to serve it in the foreground",
        )
    echo_data("\n".join(texts))


@service.command(short_help="Show whether it is installed and running.")
@_options
@click.pass_context
def status(ctx: click.Context, invocation: Invocation, user: bool, manager: str | None, instance: str | None) -> None:
    """Show the service manager's state of the agent. Exits with 3 if it is not installed or not running.

    `connmon-agent status` shows the state of the link and the services.
    """
    from ..service_managers.installing import inspect  # not for --help

    chosen = _choose(manager)
    unit = chosen.unit(_bare(user=user, instance=instance))
    ownership, condition = inspect(chosen, unit)
    if condition is None:
        click.echo(f"{unit.place.name}: {_tell(ownership)}")
        ctx.exit(NOT_RUNNING)
    click.echo(condition.summary + (f", pid {condition.pid}" if condition.pid is not None else ""))
    click.echo(f"  Unit: {unit.place.name}, {_tell(ownership)}")
    click.echo(f"  Starts at {'login' if user else 'boot'}: {'yes' if condition.at_boot else 'no'}")
    for line in condition.details:
        click.echo(f"  {line}")
    if not condition.running:
        ctx.exit(NOT_RUNNING)


def start_installed() -> list[str]:
    """Start what `service install` has installed, of the machine for root, else of this user; what was done, in
    sentences. Raises ConnmonError where nothing is installed.
    """
    from ..service_managers.installing import inspect  # not for --help

    chosen = _choose(None)
    unit = chosen.unit(_bare(user=not _host().superuser, instance=None))
    _, condition = inspect(chosen, unit)
    if condition is None:
        message = f"the mode is service, but {unit.place.name} is not installed"
        raise ConnmonError(message, hint="Run `connmon-agent service install`, or set another mode")
    return chosen.activate(unit, changed=False)


def _tell(ownership: Ownership) -> str:
    from ..seals import Ownership  # not for --help

    return {
        Ownership.ABSENT: "not installed. Run `connmon-agent service install`",
        Ownership.FOREIGN: "not written by `connmon-agent service install`",
        Ownership.EDITED: "edited since it was installed",
        Ownership.OURS: "unchanged since it was installed",
    }[ownership]


def _choose(name: str | None, *, absent: bool = False) -> ServiceManager:
    from ..service_managers.registry import choose_manager  # not for --help

    return choose_manager(sys.platform, _host(), name, absent=absent)


def _host() -> Host:
    from ..service_managers.interface import Host  # not for --help

    home = os.environ.get("USERPROFILE" if sys.platform == "win32" else "HOME")
    number = os.geteuid() if hasattr(os, "geteuid") else 0
    return Host(
        superuser=_is_superuser(),
        home=Path(home) if home else None,
        environment=os.environ,
        find_program=_find_program,
        user_id=number,
    )


def _is_superuser() -> bool:
    if sys.platform == "win32":
        from ..windows_api.security import is_administrator  # Windows alone has it

        return is_administrator()
    return os.geteuid() == 0


def _ask_password(manager: ServiceManager, account: str | None) -> str | None:
    """The password of a user's account, which Windows keeps; None: none is needed."""
    from ..service_managers.windows_accounts import needs_password  # not for --help

    if manager.name != "windows-service" or account is None or not needs_password(account):
        return None
    password: str = click.prompt(f"Password of {account}", hide_input=True, err=True)
    return password


def _find_program(name: str) -> str | None:
    """A daemon is often in a folder that only root's PATH has."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def _plan(
    invocation: Invocation, manager: ServiceManager, *, user: bool, instance: str | None, account: str | None = None
) -> tuple[Installation, list[str]]:
    from ..kube.kubeconfig import Places  # not for --help
    from ..loading.places import ProcessContext
    from ..loading.state_dirs import find_state_dir
    from ..runtime.logs import LAUNCHER_LOG, log_folder
    from ..service_managers.planning import plan_installation, require_config

    if instance is not None and invocation.config_path is None and sys.platform != "win32":
        from ..service_managers.systemd_units import instance_files  # not for --help

        invocation = replace(invocation, config_path=instance_files(instance)[0])
    settings = invocation.settings()
    config = require_config(settings, Path.cwd())
    process_context = ProcessContext.of_this_process(invocation.environment)
    if account is not None and sys.platform != "win32":
        raise ConnmonError("--account works on Windows only", hint="Omit --account")
    named = invocation.state_dir
    installation, notes = plan_installation(
        settings,
        config,
        user=user,
        sandboxed=manager.sandboxed and not user,
        instance=instance,
        places=Places.of_this_machine(),
        state_dir=named or find_state_dir(config, process_context),
        account=account,
    )
    if sys.platform != "win32":
        return installation, notes
    logs = log_folder(settings.logging, settings.state_dir, mode="service")
    return replace(
        installation,
        state_dir=None if named is None else Path(os.path.abspath(named)),
        folders=(settings.state_dir, *([logs] if logs and not logs.is_relative_to(settings.state_dir) else [])),
        log=None if logs is None else logs / LAUNCHER_LOG,
    ), notes


def _find_agent(invocation: Invocation, manager: ServiceManager, installation: Installation) -> int | None:
    """The agent that runs where the installed one is to run; None: none does, or this user may not know."""
    from ..presence import find_agent  # not for --help

    try:
        return find_agent(_folder_of(invocation, manager, installation))
    except ConnmonError:
        return None


def _end_agent(invocation: Invocation, manager: ServiceManager, installation: Installation) -> None:
    """End the agent that runs where the installed one is to run. Raises ConnmonError where it cannot be ended."""
    from .stop import describe, stop_running  # not for --help

    with suppress(NotRunning):  # it has just ended
        click.echo(describe(stop_running(_folder_of(invocation, manager, installation), force=True)))


def _folder_of(invocation: Invocation, manager: ServiceManager, installation: Installation) -> Path:
    """The state directory of the installed agent."""
    from ..service_managers.planning import find_state_dir  # not for --help

    sandboxed = manager.sandboxed and not installation.user
    return find_state_dir(installation) if sandboxed else invocation.state_directory()


def _bare(*, user: bool, instance: str | None) -> Installation:
    """Enough to find the unit by, however broken the configuration is."""
    from ..service_managers.interface import Installation  # not for --help
    from ..service_managers.systemd_units import CONFIG_FOLDER, instance_files

    config = CONFIG_FOLDER / "connmon.yaml" if instance is None else instance_files(instance)[0]
    return Installation(("connmon-agent",), config, user=user, instance=instance)

"""From a configuration to what is to be installed, with everything that the service could not do found beforehand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from .. import __file__ as package_file
from ..errors import ClusterError, ConnmonError
from ..kube.kubeconfig import Access, Places, find_kubeconfigs, read_access
from ..loading.charts import find_charts_folder
from ..processes import own_program
from ..settings import BUILT_IN, GatewayTarget, IcmpTarget, Settings
from .interface import NAME, Installation
from .sandbox import find_obstacle, refuse_unreachable
from .systemd_units import CONFIG_FOLDER, LOGS, STATE, instance_files
from .windows_accounts import name_account, refuse_unreadable, warn_of_account
from .windows_commands import own_interpreter

LOWEST_FREE_PORT = 1024
PING_RANGE = Path("/proc/sys/net/ipv4/ping_group_range")
DYNAMIC_IDS = range(61184, 65520)  # the users that systemd makes for DynamicUser=, systemd.exec(5)


def find_command() -> tuple[tuple[str, ...], tuple[Path, ...]]:
    """How to start this very connmon-agent, absolute, and the files and folders that this needs.

    Raises ConfigurationError where the statecharts are missing.
    """
    command = tuple(own_program())
    needed = (Path(command[0]), Path(sys.executable), Path(package_file), find_charts_folder())
    return command, needed


def require_config(settings: Settings, folder: Path) -> Path:
    """The absolute path of the file that ``settings`` came from; a relative one starts at ``folder``.

    Raises ConnmonError where there is none: what a service does must not depend on where it was installed from.
    """
    if settings.source == BUILT_IN:
        folder = CONFIG_FOLDER if sys.platform != "win32" else Path(r"C:\ProgramData") / NAME
        raise ConnmonError(
            "no configuration file; a service must not run on built-in defaults",
            hint=f"Copy config/connmon.yaml to {folder / 'connmon.yaml'}, list your services in it, "
            "and run `connmon-agent config check`",
        )
    return (folder / settings.source).absolute()


def plan_installation(
    settings: Settings,
    config: Path,
    *,
    user: bool,
    sandboxed: bool,
    instance: str | None,
    places: Places,
    state_dir: Path | None,
    account: str | None = None,
) -> tuple[Installation, list[str]]:
    """What is to be installed for ``settings`` of the file ``config``, and what a person should know of it.

    ``sandboxed`` True: it runs as a user of its own, and sees no homes. ``state_dir`` is the one that a person named;
    None: none was. ``account`` as in Installation. Raises ConnmonError.
    """
    command, needed = find_command()
    kubeconfig, credentials, notes = _find_access(settings, places, sandboxed=sandboxed)
    if sys.platform == "win32" and not user:
        refuse_unreadable(name_account(account), list_program_files())
        notes += warn_of_account(
            name_account(account), [config, *list_access_files(settings, places), *settings.notify.files]
        )
    if instance is not None and sys.platform != "win32":
        _refuse_other_kubeconfig(settings, instance)
    if sandboxed:
        refuse_unreachable(
            needed, remedy=f"Install connmon-agent where every user can read it, for example /opt/{NAME}"
        )
        refuse_unreachable([config], remedy=f"Copy it to {CONFIG_FOLDER} and make it readable by every user")
        _refuse_own_folders(settings, state_dir, instance)
        notes += _warn_of_pings(settings)
        secrets, warnings = _find_secrets(settings, instance)
        credentials, notes = tuple(dict.fromkeys((*credentials, *secrets))), [*notes, *warnings]
    ports = [port for forward in settings.forwards.values() for port in (forward.port, *forward.alternatives)]
    installation = Installation(
        command=command,
        config=config,
        user=user,
        instance=instance,
        stop_timeout=settings.stop_timeout,
        credentials=credentials,
        kubeconfig=kubeconfig,
        state_group=settings.state_group,
        low_ports=any(port < LOWEST_FREE_PORT for port in ports),
        account=account,
        web=None if instance is not None or settings.web.listen is None else settings.web,
    )
    return installation, notes


def _find_access(
    settings: Settings, places: Places, *, sandboxed: bool
) -> tuple[Path | None, tuple[Path, ...], list[str]]:
    """The kubeconfig that the service is to use unless the configuration names one, the files that only root may read,
    and what a person should know.
    """
    named = settings.kubernetes.kubeconfig
    try:
        paths = find_kubeconfigs(named, places)
        access = read_access(named, settings.kubernetes.context, places)
    except ClusterError as error:
        return None, (), [f"The service cannot reach the cluster: {error}. Then run `service install` again"]
    if len(paths) > 1:
        raise ConnmonError(
            f"KUBECONFIG names several files ({', '.join(map(str, paths))}), but a service uses one",
            hint="Merge them with `kubectl config view --flatten` into one, and set kubernetes.kubeconfig to it",
        )
    kubeconfig = paths[0].absolute() if paths and named is None else None
    if not sandboxed:
        return kubeconfig, (), []
    return kubeconfig, _find_credentials(access.files), _warn_of_plugin(access)


def list_program_files() -> list[Path]:
    """Some of the files that this connmon-agent consists of: its interpreter, its package, and what it stands on."""
    return [Path(own_interpreter()), Path(package_file), Path(str(click.__file__))]


def list_access_files(settings: Settings, places: Places) -> list[Path]:
    """The files that the service reads to reach the cluster: the kubeconfig, and what it refers to. None are where the
    access itself cannot be read.
    """
    try:
        return list(read_access(settings.kubernetes.kubeconfig, settings.kubernetes.context, places).files)
    except ClusterError:
        return []


def _find_credentials(files: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(path.absolute() for path in files if find_obstacle(path)))


def _find_secrets(settings: Settings, instance: str | None) -> tuple[tuple[Path, ...], list[str]]:
    """The files of ``notify`` that systemd is to hand over, and what a person should know of the others.

    systemd does not start a unit of which such a file is missing. Instances share one unit, which can name none.
    """
    notes = [
        f"The service cannot run {path}: {why}" for path in settings.notify.programs if (why := find_obstacle(path))
    ]
    there = []
    for path in settings.notify.files:
        if not path.is_file():
            notes.append(f"{path}, which notify names, does not exist. Create it, then run `service install` again")
        elif instance is None:
            there.append(path)
        elif why := find_obstacle(path):
            notes.append(f"The instance {instance} cannot read {path}, which notify names: {why}")
    return _find_credentials(there), notes


def _warn_of_plugin(access: Access) -> list[str]:
    if access.plugin is None:
        return []
    command = access.plugin.get("command")
    return [
        f"The kubeconfig uses the credential plugin {command}, which runs as the service's user without a home "
        "directory. Prefer a service account token (`kubectl create token`, or a kubeconfig with tokenFile)"
    ]


def _refuse_other_kubeconfig(settings: Settings, instance: str) -> None:
    """All instances share one unit, so that their kubeconfig has a fixed name."""
    kubeconfig = instance_files(instance)[1]
    named = settings.kubernetes.kubeconfig
    if (named is not None and named != kubeconfig) or not kubeconfig.exists():
        source = named or Path("/etc/rancher/k3s/k3s.yaml")
        raise ConnmonError(
            f"the instance {instance} reads its kubeconfig from {kubeconfig}"
            f"{', which does not exist' if named in (None, kubeconfig) else f', not from {named}'}",
            hint=f"ln -s {source} {kubeconfig}, then remove kubernetes.kubeconfig from its configuration",
        )


def find_state_dir(installation: Installation) -> Path:
    """The state directory of a sandboxed service."""
    return STATE if installation.instance is None else STATE.with_name(f"{NAME}-{installation.instance}")


def _refuse_own_folders(settings: Settings, state_dir: Path | None, instance: str | None) -> None:
    """The service may write to its own two folders alone, which systemd makes for it."""
    suffix = "" if instance is None else f"-{instance}"
    state, logs = STATE.with_name(f"{NAME}{suffix}"), LOGS.with_name(f"{NAME}{suffix}")
    if state_dir not in (None, state):
        raise ConnmonError(
            f"the service cannot write to the state directory {state_dir}; systemd provides {state}",
            hint=f"Remove state_dir from the configuration (and --state-dir), and copy the state file to {state}",
        )
    folder = settings.logging.dir
    if folder is not None and not folder.is_relative_to(logs):
        raise ConnmonError(
            f"the service cannot write logs to {folder}; systemd provides {logs}",
            hint=f"Set logging.dir to {logs} or to null. The service also logs to the journal",
        )


def _warn_of_pings(settings: Settings) -> list[str]:
    if not any(isinstance(target, IcmpTarget | GatewayTarget) for target in settings.targets):
        return []
    try:
        low, high = (int(word) for word in PING_RANGE.read_text(encoding="ascii").split())
    except (OSError, ValueError):
        return []
    if low <= DYNAMIC_IDS.start and DYNAMIC_IDS.stop - 1 <= high:
        return []
    return [
        "Ping targets are skipped: the kernel does not allow the service's user to ping. Write "
        "`net.ipv4.ping_group_range = 0 2147483647` to /etc/sysctl.d/connmon-agent.conf and run `sysctl --system`"
    ]

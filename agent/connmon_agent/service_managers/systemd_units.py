"""The text of the systemd unit: one service, or a template for several, for the machine or for one user.

Directives are those of systemd 252 (Debian 12); `systemd-analyze verify` and `security --threshold=15` are clean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..kube.handed_files import name_credential
from ..processes import AGAIN
from ..seals import seal
from .interface import NAME, Installation
from .sandboxes import USER_SANDBOX, Needs, write_sandbox

CONFIG_FOLDER = Path("/etc") / NAME
STATE = Path("/var/lib") / NAME
LOGS = Path("/var/log") / NAME
WATCHDOG = 30  # seconds; a hung agent is ended and started again
STORED = 512  # sockets; two a local port

TASKS = 512
# What is left open is what the agent needs: IP, Unix and netlink sockets, all of /proc (psutil reads /proc/stat), and
# the users of other sockets in /proc/net/tcp, which PrivateUsers= would hide.
_NEEDS = Needs(
    processes="all", families="AF_UNIX AF_INET AF_INET6 AF_NETLINK", files=65_536, tasks=TASKS, memory="512M"
)


def name_unit(instance: str | None) -> str:
    """The unit that is started: ``connmon-agent.service``, ``connmon-agent@NAME.service``."""
    return f"{NAME}.service" if instance is None else f"{NAME}@{instance}.service"


def name_file(instance: str | None) -> str:
    """The file that it comes from; all instances share one."""
    return f"{NAME}.service" if instance is None else f"{NAME}@.service"


def write_unit(installation: Installation) -> str:
    """The unit file."""
    return seal("\n".join([*_unit(installation), "", *_service(installation), "", *_install(installation), ""]))


def instance_files(instance: str) -> tuple[Path, Path]:
    """The configuration and the kubeconfig of an instance."""
    return CONFIG_FOLDER / f"{instance}.yaml", CONFIG_FOLDER / f"{instance}.kubeconfig"


def _unit(installation: Installation) -> Iterator[str]:
    yield "[Unit]"
    yield f"Description=Restore services after an internet outage{' (%i)' if installation.instance else ''}"
    yield "After=network.target"
    yield "StartLimitIntervalSec=0"


def _service(installation: Installation) -> Iterator[str]:
    command = _command(installation)
    yield "[Service]"
    yield "Type=notify"
    yield "NotifyAccess=main"
    yield f"ExecStart={command} start --mode service"
    yield f"ExecReload={command} reload"
    yield "# `connmon-agent stop` exits with 0 and it stays down. After any other exit it is restarted."
    yield "# An invalid configuration (2) must be corrected first."
    yield "Restart=on-failure"
    yield f"RestartForceExitStatus={AGAIN}"
    yield f"SuccessExitStatus={AGAIN}"
    yield "RestartPreventExitStatus=2"
    yield "RestartSec=1"
    yield f"WatchdogSec={WATCHDOG}"
    yield "TimeoutStartSec=60"
    yield f"TimeoutStopSec={round(installation.stop_timeout) + 10}"
    yield "KillMode=mixed"
    yield "# Keeps the sockets of local ports across a restart, so that no client is refused."
    yield f"FileDescriptorStoreMax={STORED}"
    yield from _access(installation)
    if installation.user:
        yield USER_SANDBOX.format(tasks=TASKS)
        return
    yield from list_user(installation)
    capabilities = "CAP_NET_BIND_SERVICE" if installation.low_ports else ""
    yield f"CapabilityBoundingSet={capabilities}"
    yield f"AmbientCapabilities={capabilities}"
    yield write_sandbox(_NEEDS)


def _command(installation: Installation) -> str:
    config = str(installation.config)
    if installation.instance is not None:
        config = str(CONFIG_FOLDER / "%i.yaml")
        return f"{quote_words(installation.command)} --config {config}"
    return f"{quote_words(installation.command)} --config {quote_words([config])}"


def _access(installation: Installation) -> Iterator[str]:
    """The kubeconfig, and what only root may read."""
    if installation.instance is not None:
        kubeconfig = CONFIG_FOLDER / "%i.kubeconfig"
        yield f"Environment=KUBECONFIG={kubeconfig}"
        yield f"LoadCredential={name_credential(CONFIG_FOLDER / 'NAME.kubeconfig').replace('NAME', '%i')}:{kubeconfig}"
        return
    if installation.kubeconfig is not None:
        yield f"Environment={quote_words([f'KUBECONFIG={installation.kubeconfig}'])}"
    for path in installation.credentials:
        yield f"LoadCredential={name_credential(path)}:{escape(str(path))}"


def list_user(installation: Installation) -> Iterator[str]:
    """The user that a service of the machine runs as, and its folders."""
    folder = NAME if installation.instance is None else f"{NAME}-%i"
    if installation.state_group is None:
        yield "DynamicUser=yes"
        yield f"User={folder}"
        mode = "0700"
    else:
        yield "# Not DynamicUser=, whose state directory only root can enter: a group must be able to read it."
        yield f"User={NAME}"
        yield f"Group={installation.state_group}"
        mode = "0750"
    yield f"StateDirectory={folder}"
    yield f"StateDirectoryMode={mode}"
    yield f"LogsDirectory={folder}"
    yield f"LogsDirectoryMode={mode}"


def _install(installation: Installation) -> Iterator[str]:
    yield "[Install]"
    yield "WantedBy=default.target" if installation.user else "WantedBy=multi-user.target"


def quote_words(words: Iterable[str]) -> str:
    """A command line as systemd reads it: its own quoting, ``$`` and ``%`` doubled."""
    return " ".join(_quote(word) for word in words)


def _quote(word: str) -> str:
    escaped = escape(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    plain = escaped and all(character.isalnum() or character in "/._-+=:@,%$" for character in escaped)
    return escaped if plain else f'"{escaped}"'


def escape(text: str) -> str:
    """``text`` with systemd's specifiers doubled."""
    return text.replace("%", "%%")

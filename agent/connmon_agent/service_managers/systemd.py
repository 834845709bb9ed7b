"""systemd's form of a service manager: units for the machine, or for one user (`--user`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..errors import ConnmonError
from .catalogs import Catalog
from .interface import NAME, Condition, Host, Installation, Ran, Unit, require_instance
from .page_units import SERVICE, SOCKET, write_page_service, write_socket
from .systemd_units import STATE, instance_files, name_file, name_unit, write_unit
from .unit_files import UnitFile

BOOTED = Path("run/systemd/system")  # as sd_booted(3)
LINES = 5  # of the journal that are shown where a start fails


class Systemd:
    """``ServiceManager`` for systemd, 247 or newer."""

    name = "systemd"
    supervises = True
    sandboxed = True

    def __init__(self, host: Host) -> None:
        self._host = host
        self._catalog = Catalog(host.root, host.run)

    @classmethod
    def runs_on(cls, host: Host) -> bool:
        """Whether systemd started this machine."""
        return (host.root / BOOTED).is_dir()

    def unit(self, installation: Installation) -> Unit:
        instance = installation.instance
        require_instance(instance, punctuation="._")
        if instance is not None and installation.config != instance_files(instance)[0]:
            raise ConnmonError(
                f"the instance {instance} reads its configuration from {instance_files(instance)[0]}",
                hint=f"Copy {installation.config} there, and set --config to that file or omit it",
            )
        folder = self._folder(installation)
        companions = () if instance is not None else _page_units(folder, installation)
        place = UnitFile(folder / name_file(instance))
        return Unit(name_unit(instance), place, write_unit(installation), installation.user, companions)

    def check(self, installation: Installation) -> None:
        if not self.runs_on(self._host):
            raise ConnmonError(
                "systemd is not running on this machine",
                hint="Use --manager cron if cron is running, or run `connmon-agent start --mode background`",
            )
        if not installation.user and not self._host.superuser:
            raise ConnmonError(
                "installing for the machine needs root",
                hint="Run the command with sudo, or add --user to install it for this user only",
            )
        if installation.user and not self._host.environment.get("XDG_RUNTIME_DIR"):
            raise ConnmonError(
                "cannot reach this user's systemd: XDG_RUNTIME_DIR is not set",
                hint="Log in as this user (ssh or console, not su or sudo), then repeat the command",
            )

    def notes(self, installation: Installation) -> list[str]:
        notes = []
        if installation.user:
            notes.append("It runs only while this user is logged in. Run `loginctl enable-linger` to start it at boot")
        if installation.credentials:
            names = ", ".join(map(str, installation.credentials))
            notes.append(f"systemd copies {names} at each start. Restart the service after a change")
        return notes

    def activate(self, unit: Unit, *, changed: bool) -> list[str]:
        done = []
        if f"\nUser={NAME}\nGroup=" in unit.text:
            done += self._make_user()
        if changed:
            self._do(unit, "daemon-reload")
        if self._ask(unit, "is-enabled", unit.name).output != "enabled":
            self._do(unit, "enable", unit.name)
            done.append(f"Enabled {unit.name}: starts at {'login' if unit.user else 'boot'}")
        if self._ask(unit, "is-active", unit.name).output != "active":
            self._start(unit, "start")
            done.append(f"Started {unit.name}")
        elif changed:
            if unit.name == SOCKET:  # it cannot be restarted while what it has started runs
                self._do(unit, "stop", SERVICE)
            self._start(unit, "restart")
            done.append(f"Restarted {unit.name}")
        if not unit.user and unit.name != SOCKET:
            done += self._catalog.install()
        return done

    def deactivate(self, unit: Unit) -> list[str]:
        self._do(unit, "disable", "--now", unit.name)
        return [f"Stopped and disabled {unit.name}"]

    def forget(self, unit: Unit) -> bool:
        """A template stays while another instance is enabled: each is a link in the folder of a target."""
        if "@" not in unit.name:
            return True
        return not any((self._host.root / "etc/systemd/system").glob(f"*.wants/{NAME}@*.service"))

    def removed(self, unit: Unit) -> None:
        self._do(unit, "daemon-reload")
        self._ask(unit, "reset-failed", unit.name)  # fails where nothing has failed
        others = (self._host.root / "etc/systemd/system").glob(f"{NAME}*.service")
        if not unit.user and not any(others):
            self._catalog.remove()

    def inspect(self, unit: Unit) -> Condition:
        shown = self._do(unit, "show", unit.name, "-p", ",".join(_SHOWN)).output
        values = dict(line.split("=", 1) for line in shown.split("\n") if "=" in line)
        condition = _describe(unit, values)
        return replace(condition, details=(*condition.details, *self._describe_page(unit)))

    def _describe_page(self, unit: Unit) -> Iterator[str]:
        for one in unit.companions:
            if not one.passive and one.place.read() is not None:
                shown = self._do(one, "show", one.name, "-p", "ActiveState,Listen").output
                values = dict(line.split("=", 1) for line in shown.split("\n") if "=" in line)
                where = values.get("Listen", "").partition(" ")[0]
                yield f"Page: http://{where}/, {one.name} is {values.get('ActiveState', 'unknown')}"

    def _folder(self, installation: Installation) -> Path:
        host = self._host
        if not installation.user:
            return host.root / "etc/systemd/system"
        if config := host.environment.get("XDG_CONFIG_HOME"):
            return Path(config) / "systemd/user"
        if host.home is None:
            raise ConnmonError("this user has no home directory", hint="Install it for the machine, as root")
        return host.home / ".config/systemd/user"

    def _make_user(self) -> list[str]:
        """The user of a service whose state a group may read. It stays when the service goes: its files do."""
        if self._run(["getent", "passwd", NAME]).code == 0:
            return []
        made = self._run(["systemd-sysusers", "--inline", f'u {NAME} - "{NAME}" {STATE}'])
        if made.code != 0:
            raise ConnmonError(
                f"the user {NAME} cannot be created: {made.output}", hint=f"Run `useradd --system {NAME}`"
            )
        return [f"Created the user {NAME}"]

    def _start(self, unit: Unit, verb: str) -> None:
        started = self._ask(unit, verb, unit.name)
        if started.code == 0:
            return
        which = "--user-unit" if unit.user else "--unit"
        log = self._run(["journalctl", which, unit.name, "-n", str(LINES), "-o", "cat", "--no-pager"])
        raise ConnmonError(
            f"{unit.name} is installed but does not start. Last log lines:\n{log.output or started.output}",
            hint=f"Fix this and run `connmon-agent service install` again. `journalctl {which} {unit.name}` has more",
        )

    def _ask(self, unit: Unit, verb: str, *arguments: str) -> Ran:
        return self._run(["systemctl", *(["--user"] if unit.user else []), verb, *arguments])

    def _do(self, unit: Unit, verb: str, *arguments: str) -> Ran:
        ran = self._ask(unit, verb, *arguments)
        if ran.code != 0:
            raise ConnmonError(
                f"`systemctl {' '.join((verb, *arguments))}` failed: {ran.output}", hint="Run it manually for details"
            )
        return ran

    def _run(self, command: Sequence[str]) -> Ran:
        try:
            return self._host.run(command)
        except FileNotFoundError as error:
            raise ConnmonError(f"{command[0]} is not installed", hint="Install the package systemd") from error


_SHOWN = (
    "ActiveState",
    "SubState",
    "UnitFileState",
    "MainPID",
    "StatusText",
    "NRestarts",
    "NFileDescriptorStore",
    "ActiveEnterTimestamp",
    "Result",
)


def _page_units(folder: Path, installation: Installation) -> tuple[Unit, ...]:
    """What serves the page: started by its socket. Without texts where it is not to be installed."""
    web = installation.web
    socket = "" if web is None or web.listen is None else write_socket(web.listen)
    service = "" if web is None or web.listen is None else write_page_service(installation, web)
    return (
        Unit(SERVICE, UnitFile(folder / SERVICE), service, installation.user, passive=True),
        Unit(SOCKET, UnitFile(folder / SOCKET), socket, installation.user),
    )


def _describe(unit: Unit, values: Mapping[str, str]) -> Condition:
    pid, state = values.get("MainPID", "0"), values.get("ActiveState", "unknown")
    running = state in ("active", "reloading", "activating")
    summary = f"{unit.name}: {state} ({values.get('SubState', 'unknown')})"
    if since := values.get("ActiveEnterTimestamp") if running else "":
        summary += f" since {since}"
    details = []
    if said := values.get("StatusText"):
        details.append(f"Status: {said}")
    if (result := values.get("Result", "success")) != "success":
        details.append(f"Last result: {result}; see `journalctl --unit {unit.name}`")
    details.append(f"Restarted by systemd: {values.get('NRestarts', '0')} times")
    details.append(f"Sockets kept by systemd: {values.get('NFileDescriptorStore', '0')}")
    return Condition(
        running=running,
        summary=summary,
        at_boot=values.get("UnitFileState") == "enabled",
        pid=int(pid) if pid.isdecimal() and pid != "0" else None,
        details=tuple(details),
    )

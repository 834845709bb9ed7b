"""launchd's form of a service manager, macOS: a property list (launchd.plist(5)). It was never run on a Mac."""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import ConnmonError
from ..seals import seal
from .interface import NAME, Condition, Host, Installation, Ran, Unit
from .unit_files import UnitFile

LABEL = "io.connmon.agent"
LOGS = Path("/Library/Logs") / NAME
STATE = Path("/Library/Application Support") / NAME
_SEAL_LINE = 2  # below the XML declaration and the document type


class Launchd:
    """``ServiceManager`` for launchd: a daemon of the machine, or an agent of this user."""

    name = "launchd"
    supervises = True
    sandboxed = False

    def __init__(self, host: Host) -> None:
        self._host = host

    @classmethod
    def runs_on(cls, host: Host) -> bool:
        """Whether its command is there."""
        return host.find_program("launchctl") is not None

    def unit(self, installation: Installation) -> Unit:
        label = LABEL if installation.instance is None else f"{LABEL}.{installation.instance}"
        body = plistlib.dumps(self._properties(installation, label), sort_keys=False).decode()
        text = seal(body, before="<!-- ", after=" -->", line=_SEAL_LINE)
        return Unit(label, UnitFile(self._folder(installation) / f"{label}.plist"), text, installation.user)

    def check(self, installation: Installation) -> None:
        if not self.runs_on(self._host):
            raise ConnmonError("launchd is not running on this machine", hint="Use another --manager")
        if not installation.user and not self._host.superuser:
            raise ConnmonError(
                "installing for the machine needs root",
                hint="Run the command with sudo, or add --user to install it for this user only",
            )

    def notes(self, installation: Installation) -> list[str]:
        return ["Never tested on a Mac. Report what happens"]

    def activate(self, unit: Unit, *, changed: bool) -> list[str]:
        loaded = self._ask("print", self._target(unit)).code == 0
        if loaded and not changed:
            return []
        if loaded:
            self._do("bootout", self._target(unit))
        self._do("bootstrap", self._domain(unit), unit.place.name)
        return [f"Loaded {unit.name}: running, and starts at {'login' if unit.user else 'boot'}"]

    def deactivate(self, unit: Unit) -> list[str]:
        if self._ask("print", self._target(unit)).code != 0:
            return []
        self._do("bootout", self._target(unit))
        return [f"Unloaded {unit.name}"]

    def forget(self, unit: Unit) -> bool:
        return True

    def removed(self, unit: Unit) -> None:
        """launchd knows no more of it since it was unloaded."""

    def inspect(self, unit: Unit) -> Condition:
        shown = self._ask("print", self._target(unit))
        lines = [line.strip() for line in shown.output.split("\n")]
        pid = next((line.partition("= ")[2] for line in lines if line.startswith("pid = ")), "")
        state = next((line.partition("= ")[2] for line in lines if line.startswith("state = ")), "not loaded")
        return Condition(
            running=pid.isdecimal(),
            summary=f"{unit.name}: {state}",
            at_boot=shown.code == 0,
            pid=int(pid) if pid.isdecimal() else None,
        )

    def _properties(self, installation: Installation, label: str) -> dict[str, Any]:
        """Restarted unless it ends with 0, as after `connmon-agent stop`; not as a daemon of its own, which launchd
        forbids.
        """
        words = [*installation.command, "--config", str(installation.config)]
        if installation.instance is not None:
            words += ["--state-dir", str(STATE / installation.instance)]
        environment = {} if installation.kubeconfig is None else {"KUBECONFIG": str(installation.kubeconfig)}
        home = self._host.home or Path("/")
        name = NAME if installation.instance is None else f"{NAME}-{installation.instance}"
        log = (home / "Library/Logs" if installation.user else LOGS.parent) / f"{name}.log"
        return {
            "Label": label,
            "ProgramArguments": [*words, "start", "--mode", "service"],
            "RunAtLoad": True,
            "KeepAlive": {"SuccessfulExit": False},
            "ThrottleInterval": 1,
            "ExitTimeOut": round(installation.stop_timeout) + 10,
            "ProcessType": "Background",
            "Umask": 0o077,
            "SoftResourceLimits": {"NumberOfFiles": 8192},
            "StandardErrorPath": str(log),
            **({"EnvironmentVariables": environment} if environment else {}),
        }

    def _folder(self, installation: Installation) -> Path:
        if not installation.user:
            return self._host.root / "Library/LaunchDaemons"
        if self._host.home is None:
            raise ConnmonError("this user has no home directory", hint="Install it for the machine, as root")
        return self._host.home / "Library/LaunchAgents"

    def _domain(self, unit: Unit) -> str:
        return f"gui/{self._host.user_id}" if unit.user else "system"

    def _target(self, unit: Unit) -> str:
        return f"{self._domain(unit)}/{unit.name}"

    def _ask(self, *arguments: str) -> Ran:
        return self._host.run(["launchctl", *arguments])

    def _do(self, *arguments: str) -> None:
        command: Sequence[str] = ["launchctl", *arguments]
        ran = self._host.run(command)
        if ran.code != 0:
            raise ConnmonError(f"`{' '.join(command)}` failed: {ran.output}", hint="Run it manually for details")

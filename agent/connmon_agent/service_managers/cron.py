"""cron's form of a service manager: `@reboot`. It starts the agent at boot; it does not start it again when it dies."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConnmonError
from ..seals import seal
from .interface import NAME, Condition, Host, Installation, Ran, Run, Unit, require_instance
from .unit_files import UnitFile

FOLDER = Path("etc/cron.d")
STATE = Path("/var/lib") / NAME
DAEMONS = ("cron", "crond")


class Cron:
    """``ServiceManager`` for cron: a file in /etc/cron.d, or a part of the user's own table."""

    name = "cron"
    supervises = False
    sandboxed = False

    def __init__(self, host: Host) -> None:
        self._host = host

    @classmethod
    def runs_on(cls, host: Host) -> bool:
        """Whether it is installed; what it says of itself differs too much to know whether it runs."""
        return any(host.find_program(name) is not None for name in DAEMONS)

    def unit(self, installation: Installation) -> Unit:
        instance = installation.instance
        require_instance(instance, punctuation="-_")  # cron passes over files with a dot in their name
        name = NAME if instance is None else f"{NAME}-{instance}"
        body = "\n".join([*self._lines(installation, name), ""])
        if installation.user:
            return Unit(name, _TablePart(name, self._host.run), seal(body), user=True)
        return Unit(name, UnitFile(self._host.root / FOLDER / name), seal(body))

    def check(self, installation: Installation) -> None:
        if not self.runs_on(self._host):
            raise ConnmonError(
                "cron is not installed on this machine",
                hint="Install it (Debian: apt-get install cron), or use --manager systemd where systemd runs",
            )
        if not installation.user and not self._host.superuser:
            raise ConnmonError(
                "installing for the machine needs root",
                hint="Run the command with sudo, or add --user to install it for this user only",
            )

    def notes(self, installation: Installation) -> list[str]:
        return ["cron starts the agent at boot only and does not restart it after a crash. Use systemd where available"]

    def activate(self, unit: Unit, *, changed: bool) -> list[str]:
        return [
            f"{unit.name} starts at the next boot. Run `connmon-agent start --mode background` to start it now"
        ] * changed

    def deactivate(self, unit: Unit) -> list[str]:
        return [f"{unit.name} no longer starts at boot. Run `connmon-agent stop` to stop a running agent"]

    def forget(self, unit: Unit) -> bool:
        return True

    def removed(self, unit: Unit) -> None:
        """cron looks at its tables every minute."""

    def inspect(self, unit: Unit) -> Condition:
        return Condition(
            running=False,
            summary=f"{unit.name}: starts at boot, not supervised; see `connmon-agent status`",
            at_boot=True,
        )

    def _lines(self, installation: Installation, name: str) -> list[str]:
        words = [*installation.command, "--config", str(installation.config)]
        if installation.instance is not None:
            words += ["--state-dir", str(STATE.with_name(name))]
        command = shlex.join([*words, "start", "--mode", "background"]).replace("%", "\\%")
        if installation.user:
            return [f"@reboot {command} >/dev/null 2>&1"]
        environment = [f"KUBECONFIG={installation.kubeconfig}"] if installation.kubeconfig is not None else []
        return [*environment, f"@reboot root {command} >/dev/null 2>&1"]


@dataclass(frozen=True, slots=True)
class _TablePart:
    """``Place`` of some lines in the user's own crontab, between two of ours; the others stay as they are."""

    part: str
    run: Run

    @property
    def name(self) -> str:
        return f"the part {self.part} of this user's crontab"

    @property
    def removal(self) -> str:
        return "Remove it with `crontab -e`"

    def read(self) -> str | None:
        found = _split(self._table(), self.part)
        return None if found is None else found[1]

    def write(self, text: str) -> None:
        table = self._table()
        before, _, after = _split(table, self.part) or (table, "", "")
        self._put(f"{before}# BEGIN {self.part}\n{text}# END {self.part}\n{after}")

    def remove(self) -> None:
        found = _split(self._table(), self.part)
        if found is not None:
            self._put(found[0] + found[2])

    def _table(self) -> str:
        listed = self._crontab("-l")
        if listed.code != 0:
            if "no crontab" in listed.output.lower():
                return ""
            raise _refused("read", listed)
        return f"{listed.output}\n" if listed.output else ""

    def _put(self, table: str) -> None:
        done = self._crontab("-", text=table)
        if done.code != 0:
            raise _refused("written", done)

    def _crontab(self, argument: str, *, text: str | None = None) -> Ran:
        try:
            return self.run(["crontab", argument], text=text)
        except FileNotFoundError as error:
            raise ConnmonError("crontab is not installed", hint="Install the package cron") from error


def _split(table: str, part: str) -> tuple[str, str, str] | None:
    """The table before the part, the part, and after it; None: it is not there."""
    found = re.search(rf"^# BEGIN {re.escape(part)}\n(.*?)^# END {re.escape(part)}\n", table, re.DOTALL | re.MULTILINE)
    return None if found is None else (table[: found.start()], found[1], table[found.end() :])


def _refused(what: str, ran: Ran) -> ConnmonError:
    return ConnmonError(
        f"this user's crontab cannot be {what}: {ran.output}", hint="Check cron.allow and cron.deny, see crontab(1)"
    )

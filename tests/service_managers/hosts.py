"""A machine to install on, whose service managers are simulated: its commands change a state and are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from connmon_agent.service_managers.interface import Host, Installation, Ran

INSTALLATION = Installation(("/opt/connmon-agent/bin/connmon-agent",), Path("/etc/connmon-agent/connmon.yaml"))


@dataclass
class FakeCommands:
    """systemctl, crontab, launchctl and schtasks of one machine. ``failing``: what a command that begins so says,
    failing.
    """

    enabled: set[str] = field(default_factory=set)
    active: set[str] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    table: str | None = None  # the user's crontab
    failing: dict[tuple[str, ...], str] = field(default_factory=dict)
    ran: list[tuple[str, ...]] = field(default_factory=list)

    def __call__(self, command: Sequence[str], *, text: str | None = None) -> Ran:
        words = tuple(word for word in command if word != "--user")
        self.ran.append(tuple(command))
        for beginning, reason in self.failing.items():
            if words[: len(beginning)] == beginning:
                return Ran(1, reason)
        answer = {"systemctl": self._systemctl, "crontab": self._crontab, "launchctl": self._launchctl}
        answer["schtasks"] = self._schtasks
        if words[0] in answer:
            return answer[words[0]](words[1:], text)
        if words[0] == "getent":
            return Ran(0 if words[2] in self.users else 2, "")
        if words[0] == "systemd-sysusers":
            self.users.add(words[2].split()[1])
        return Ran(0, "")

    @property
    def changes(self) -> list[str]:
        """What was ordered, without what only asks."""
        asking = ("is-enabled", "is-active", "print", "-l", "show", "/Query")
        return [" ".join(words) for words in self.ran if not set(words) & set(asking)]

    def _systemctl(self, words: tuple[str, ...], _: str | None) -> Ran:
        verb, unit = words[0], words[-1]
        if verb == "is-enabled":
            return Ran(0, "enabled") if unit in self.enabled else Ran(1, "disabled")
        if verb == "is-active":
            return Ran(0, "active") if unit in self.active else Ran(3, "inactive")
        if verb == "show":
            state = "active" if words[1] in self.active else "inactive"
            if words[1].endswith(".socket"):
                return Ran(0, f"ActiveState={state}\nListen=127.0.0.1:9181 (Stream)")
            return Ran(0, f"ActiveState={state}\nSubState=x\nMainPID=7\nUnitFileState=enabled\nStatusText=ONLINE: good")
        if verb == "enable":
            self.enabled.add(unit)
        if verb in ("start", "restart"):
            self.active.add(unit)
        if verb == "disable":
            self.enabled.discard(unit)
            self.active.discard(unit)
        return Ran(0, "")

    def _crontab(self, words: tuple[str, ...], text: str | None) -> Ran:
        if words == ("-l",):
            return Ran(1, "no crontab for somebody") if self.table is None else Ran(0, self.table.strip())
        self.table = text
        return Ran(0, "")

    def _launchctl(self, words: tuple[str, ...], _: str | None) -> Ran:
        if words[0] == "print":
            return Ran(0, "state = running\n\tpid = 7") if words[1] in self.active else Ran(113, "Could not find")
        if words[0] == "bootstrap":
            self.active.add(f"{words[1]}/{Path(words[2]).stem}")
        if words[0] == "bootout":
            self.active.discard(words[1])
        return Ran(0, "")

    def _schtasks(self, words: tuple[str, ...], _: str | None) -> Ran:
        verb, name = words[0], words[2]
        if verb in ("/Query", "/Run", "/Delete") and name not in self.enabled:
            return Ran(1, "ERROR: The system cannot find the file specified.")
        if verb == "/Create":
            self.enabled.add(name)
        if verb == "/Run":
            self.active.add(name)
        if verb == "/Delete":
            self.enabled.discard(name)
        return Ran(0, "")


def a_host(root: Path, commands: FakeCommands, *, superuser: bool = True, programs: bool = True) -> Host:
    """A machine on which everything is there; ``programs`` False: none of the service managers."""
    if programs:
        (root / "run/systemd/system").mkdir(parents=True, exist_ok=True)
    return Host(
        superuser=superuser,
        home=root / "home",
        environment={
            "XDG_RUNTIME_DIR": "/run/user/1",
            "ProgramData": str(root / "ProgramData"),
            "LOCALAPPDATA": str(root / "AppData"),
            "USERDOMAIN": "SITE",
            "USERNAME": "anna",
        },
        root=root,
        run=commands,
        find_program=lambda name: f"/usr/sbin/{name}" if programs else None,
        user_id=501,
    )


def for_user(installation: Installation = INSTALLATION) -> Installation:
    return replace(installation, user=True)

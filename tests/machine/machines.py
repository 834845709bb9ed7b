"""The machine that is booted for the tests: a Debian with a real systemd, made by $CONNMON_TEST_MACHINE."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 240.0  # seconds for anything that is waited for; only a test that fails waits so long
LONGEST = 600.0  # seconds for one command


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command inside ended."""

    code: int
    output: str
    errors: str


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that runs. ``command`` is what makes it: ``exec CMD...``, ``put SRC DST``, ``reboot``, ``down``."""

    command: Path

    def ask(self, line: str) -> Ran:
        """Run a shell command inside, as root."""
        done = self._call("exec", "bash", "-c", line)
        return Ran(done.returncode, done.stdout, done.stderr)

    def run(self, line: str) -> str:
        """The same; its output. It must succeed."""
        done = self.ask(line)
        assert done.code == 0, f"{line}: {done.code}\n{done.output}\n{done.errors}"
        return done.output

    def put(self, source: Path, target: str) -> None:
        """Copy a file or a folder of the host inside."""
        self._must("put", str(source), target)

    def write(self, path: str, text: str) -> None:
        """Make a file inside."""
        self.run(
            f"mkdir -p {shlex.quote(str(Path(path).parent))} && printf %s {shlex.quote(text)} >{shlex.quote(path)}"
        )

    def up(self) -> str | None:
        """Boot it, afresh. Returns why this host cannot do that, as a container may not; None: it runs."""
        done = self._call("up")
        return None if done.returncode == 0 else " ".join(done.stderr.split()) or f"exit code {done.returncode}"

    def reboot(self) -> None:
        """Boot it again."""
        self._must("reboot")

    def down(self) -> None:
        """Power it off; what was written is forgotten."""
        self._must("down")

    def show(self, unit: str, name: str) -> str:
        """One of systemd's properties of a unit."""
        return self.run(f"systemctl show -P {name} {unit}").strip()

    def status(self, options: str = "") -> dict[str, Any]:
        """``connmon-agent OPTIONS status --json``, whether an agent runs or not."""
        found: dict[str, Any] = json.loads(self.ask(f"connmon-agent {options} status --json").output or "{}")
        return found

    def until(self, what: str, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` holds; ``what`` it is, for people."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                journal = self.ask("journalctl -u connmon-agent -n 40 --no-pager -o short-iso").output
                raise AssertionError(f"after {PATIENCE:g} s it is still not so: {what}\n{self.status()}\n{journal}")
            time.sleep(0.2)

    def _must(self, *arguments: str) -> None:
        done = self._call(*arguments)
        assert done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.command), *arguments], capture_output=True, text=True, timeout=LONGEST, check=False
        )


def find_command() -> Path | str:
    """The command that makes machines; else why there is none."""
    named = os.environ.get("CONNMON_TEST_MACHINE")
    if not named or not Path(named).is_file() or not os.access(named, os.X_OK):
        return "needs the command of a machine that boots systemd in CONNMON_TEST_MACHINE"
    return Path(named) if os.geteuid() == 0 else "needs root, which alone can boot a machine"

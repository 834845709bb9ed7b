"""What this platform's own people call what is named in advice, and the commands that they have."""

from __future__ import annotations

import re
import sys

_WINDOWS = sys.platform == "win32"

SYSTEM_LOG = "the System log of the Event Viewer" if _WINDOWS else "the kernel's log"
AS_SUPERUSER = "as administrator" if _WINDOWS else "as root"  # follows a verb
HOSTS_FILE = r"%SystemRoot%\System32\drivers\etc\hosts" if _WINDOWS else "/etc/hosts"
LIMITS = "a quota" if _WINDOWS else "the limits of this process (ulimit -f)"  # that end the growth of a file
_SERVICE_COMMANDS = {"win32": "sc.exe {} connmon-agent", "darwin": "launchctl {} io.connmon.agent"}


def name_service_command(action: str, *, platform: str = sys.platform) -> str:
    """The command by which the service manager does it; ``action`` is "start" or "stop"."""
    return _SERVICE_COMMANDS.get(platform, "systemctl {} connmon-agent").format(action)


def resume_command(pid: int, *, platform: str = sys.platform) -> str:
    """What lets a process that was stopped go on."""
    if platform == "win32":
        return f"Resume process {pid} in the Resource Monitor (resmon), or: `connmon-agent restart --force`"
    return f"kill -CONT {pid}"


def advise_on_read_only(path: str, *, platform: str = sys.platform) -> str:
    """What makes a file of the agent's writable that this user may not write."""
    if platform == "win32":  # where only the file's attribute says so
        return f'Run: attrib -r "{path}"'
    return "Start the agent as the user that the file belongs to"


def quote_argument(text: str, *, platform: str = sys.platform) -> str:
    """One argument of a command to type: for sh; on Windows, whose paths hold no quotes, for cmd.exe and PowerShell."""
    if platform == "win32":
        return text if re.fullmatch(r"[\w\\/:.~-]+", text) else f'"{text}"'
    import shlex  # `status` need not pay for it

    return shlex.quote(text)

"""The texts of the scripts that ``integrate`` writes: names that the ERP calls, each one call of connmon-agent. Pure.

PowerShell's are UTF-8 with a byte order mark, without which Windows PowerShell 5.1 reads an umlaut as two characters,
and have CRLF; shell's are plain UTF-8. All paths stand in single quotes, in which nothing is expanded.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..seals import seal

BY = "integrate"  # the command that seals them

_USAGE = (
    "# Starts the connection monitor. -Mode: Foreground, Background, Task, Service or Ports.",
    "# -Force: stops a running one first, even if it does not answer. With a bad configuration it keeps running.",
)
_USAGE_ON_WINDOWS = (
    "# On Windows, Task creates a scheduled task that starts at logon, and Service a service (as administrator).",
)
# PowerShell ends a text in single quotes at any of these (about_Quoting_Rules; CharTraits.IsSingleQuote).
_POWERSHELL_QUOTES = "'\u2018\u2019\u201a\u201b"
# A caller with $ErrorActionPreference 'Stop' would otherwise end the script at any exit code but 0 (PowerShell 7.3).
_EXIT_CODES_ARE_NO_ERRORS = "$PSNativeCommandUseErrorActionPreference = $false"


@dataclass(frozen=True, slots=True)
class Wrapper:
    """One script: the name of its file, its content, and its mode."""

    name: str
    data: bytes
    mode: int


def make_wrappers(command: Sequence[str]) -> Iterator[Wrapper]:
    """All scripts. ``command`` is the program and the options that precede a command; each must be printable text."""
    for name, make in _POWERSHELL.items():
        text = seal("\n".join([*make(), ""]).replace("COMMAND", _write_powershell(command)), by=BY)
        yield Wrapper(f"{name}.ps1", text.replace("\n", "\r\n").encode("utf-8-sig"), 0o644)
    for name, make in _SHELL.items():
        text = "\n".join(["#!/bin/sh", *make(), ""]).replace("COMMAND", shlex.join(command))
        yield Wrapper(f"{name}.sh", seal(text, by=BY, line=1).encode(), 0o755)


def quote_powershell(text: str) -> str:
    """``text`` as a literal of PowerShell."""
    return "'" + "".join(2 * char if char in _POWERSHELL_QUOTES else char for char in text) + "'"


def _write_powershell(command: Sequence[str]) -> str:
    return "& " + " ".join(map(quote_powershell, command))


def _start_in_powershell() -> Iterator[str]:
    yield from _USAGE
    yield from _USAGE_ON_WINDOWS
    yield "[CmdletBinding()]"
    yield "param("
    yield "    [string]$Mode = 'Foreground',"
    yield "    [switch]$Force"
    yield ")"
    yield _EXIT_CODES_ARE_NO_ERRORS
    yield "$Options = @(if ($Force) { '--force' })"
    yield "$Windows = $env:OS -eq 'Windows_NT'"
    yield "if ($Windows -and $Mode -eq 'Task') {"
    yield "    COMMAND 'service' 'install' '--manager' 'task-scheduler' '--user' @Options"
    yield "} elseif ($Windows -and $Mode -eq 'Service') {"
    yield "    COMMAND 'service' 'install' '--manager' 'windows-service' @Options"
    yield "} elseif ($Force) {"
    yield "    COMMAND 'restart' '--force' '--mode' $Mode"
    yield "} else {"
    yield "    COMMAND 'start' '--mode' $Mode"
    yield "}"
    yield "exit $LASTEXITCODE"


def _integrate_in_powershell() -> Iterator[str]:
    yield "# Called by the ERP's starter: starts the connection monitor if system_config.json allows it."
    yield _EXIT_CODES_ARE_NO_ERRORS
    yield "COMMAND 'autostart' @args"
    yield "exit $LASTEXITCODE"


def _monitor_in_powershell() -> Iterator[str]:
    yield "# Runs the connection monitor in the foreground; with arguments, any connmon-agent command."
    yield _EXIT_CODES_ARE_NO_ERRORS
    yield "if ($args.Count -eq 0) { COMMAND 'start' } else { COMMAND @args }"
    yield "exit $LASTEXITCODE"


def _start_in_shell() -> Iterator[str]:
    yield from _USAGE
    yield "mode=foreground force="
    yield "while [ $# -gt 0 ]; do"
    yield "    case $1 in"
    yield "        -[Mm][Oo][Dd][Ee]|--mode)"
    yield '            [ $# -ge 2 ] || { echo "Error: $1 needs a mode" >&2; exit 2; }'
    yield "            mode=$2; shift ;;"
    yield "        -[Mm][Oo][Dd][Ee]:*) mode=${1#*:} ;;"
    yield "        --mode=*) mode=${1#*=} ;;"
    yield "        -[Ff][Oo][Rr][Cc][Ee]|--force) force=1 ;;"
    yield '        *) echo "Error: unknown argument $1. Use -Mode MODE or -Force." >&2; exit 2 ;;'
    yield "    esac"
    yield "    shift"
    yield "done"
    yield '[ -z "$force" ] || exec COMMAND restart --force --mode "$mode"'
    yield 'exec COMMAND start --mode "$mode"'


def _integrate_in_shell() -> Iterator[str]:
    yield "# Called by the ERP's starter: starts the connection monitor if system_config.json allows it."
    yield 'exec COMMAND autostart "$@"'


def _monitor_in_shell() -> Iterator[str]:
    yield "# Runs the connection monitor in the foreground; with arguments, any connmon-agent command."
    yield "[ $# -gt 0 ] || set -- start"
    yield 'exec COMMAND "$@"'


_POWERSHELL = {
    "start_connection_monitor": _start_in_powershell,
    "connection_monitor_integration": _integrate_in_powershell,
    "connection_monitor": _monitor_in_powershell,
}
_SHELL = {
    "start_connection_monitor": _start_in_shell,
    "connection_monitor_integration": _integrate_in_shell,
    "connection_monitor": _monitor_in_shell,
}

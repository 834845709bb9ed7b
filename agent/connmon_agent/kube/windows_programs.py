"""Which program a kubeconfig's ``exec`` means on Windows, and the command line that starts it.

CreateProcess, which Python calls, would look in the working directory first, where anybody may have put a program, and
find ``.exe`` alone. kubectl finds what Go's exec.LookPath does: a file with an extension of PATHEXT, in PATH.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_RUNNABLE = (".com", ".exe", ".bat", ".cmd")  # of PATHEXT, what CreateProcess can start; a script needs its interpreter
_BATCH = (".bat", ".cmd")
_PLAIN = frozenset("#$*+-./:?@\\_")  # beside letters and digits, what cmd.exe takes as it stands


def is_path(command: str) -> bool:
    """Whether the command says where the program lies: with a slash of either kind."""
    return "/" in command or "\\" in command


def find_program(command: str, base: Path, environment: Mapping[str, str]) -> Path | None:
    """The file of ``command``: beside the kubeconfig in ``base`` where it is a path, else in PATH. None: there is none.

    The names of ``environment`` are in capitals.
    """
    if is_path(command):
        folders = [base]
    else:
        folders = [Path(part.strip('"')) for part in environment.get("PATH", "").split(";") if part.strip('" ')]
    for folder in folders:
        if not folder.is_absolute() and not is_path(command):
            continue  # it would depend on the working directory
        for name in _names(command, environment):
            if (folder / name).is_file():
                return folder / name
    return None


def write_command_line(program: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The line for CreateProcess. Raises ValueError for an argument that cmd.exe can be given in no way.

    A batch file is run by cmd.exe, whose quoting is another than that of programs: as in Rust's std::process, see
    https://blog.rust-lang.org/2024/04/09/cve-2024-24576.html.
    """
    if program.suffix.lower() not in _BATCH:
        return subprocess.list2cmdline([str(program), *arguments])
    if any(set(word) & set("\0\r\n") for word in arguments):
        raise ValueError("a batch file cannot be given an argument of several lines")
    shell = f"{environment.get('SYSTEMROOT', 'C:' + chr(92) + 'Windows')}\\System32\\cmd.exe"
    words = " ".join([f'"{program}"', *map(_quote_for_batch, arguments)])
    return f'"{shell}" /e:ON /v:OFF /d /c "{words}"'


def _names(command: str, environment: Mapping[str, str]) -> Iterator[str]:
    listed = environment.get("PATHEXT", "").lower().split(";")
    extensions = [one for one in listed if one in _RUNNABLE] or list(_RUNNABLE)
    if command.lower().endswith(tuple(extensions)):
        yield command
    for extension in extensions:
        yield f"{command}{extension}"


def _quote_for_batch(argument: str) -> str:
    """One argument for cmd.exe: what it would take for its own is quoted, and no variable is filled in."""
    plain = all(letter.isascii() and (letter.isalnum() or letter in _PLAIN) for letter in argument)
    if argument and plain and not argument.endswith("\\"):
        return argument
    quoted, slashes = "", 0
    for letter in argument:
        if letter == '"':
            quoted += "\\" * slashes + '"'  # doubled, as are the backslashes before it
        quoted += "%%cd:~,%" if letter == "%" else letter
        slashes = slashes + 1 if letter == "\\" else 0
    return f'"{quoted}{chr(92) * slashes}"'

"""The accounts that a service of Windows runs as, and what they may read and write."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ConnmonError
from ..private_files import make_folder
from ..windows_api.access_lists import admit_to, lets_service_read

LOCAL_SERVICE = r"NT AUTHORITY\LocalService"  # few rights on the machine, none elsewhere; it has no password
# By what a person types, in small letters, without "NT AUTHORITY\" and blanks.
_BUILT_IN = {
    "localservice": LOCAL_SERVICE,
    "networkservice": r"NT AUTHORITY\NetworkService",
    "localsystem": "LocalSystem",
    "system": "LocalSystem",
}
# Their security identifiers (winnt.h), and the letters that SDDL has for them.
_IDENTIFIERS = {
    LOCAL_SERVICE: ("S-1-5-19", "LS"),
    _BUILT_IN["networkservice"]: ("S-1-5-20", "NS"),
    "LocalSystem": ("S-1-5-18", "SY"),
}


def name_account(given: str | None) -> str:
    """The account as the service control manager calls it. None: LocalService."""
    if given is None:
        return LOCAL_SERVICE
    short = given.lower().removeprefix("nt authority\\").replace(" ", "")
    if short in _BUILT_IN:
        return _BUILT_IN[short]
    return given if "\\" in given or "@" in given else f".\\{given}"


def find_built_in(account: str) -> str | None:
    """The security identifier of one of Windows' own accounts; None: it is a user's."""
    found = _IDENTIFIERS.get(account)
    return None if found is None else found[0]


def needs_password(account: str) -> bool:
    """Whether it is a user's, whose password the service control manager keeps."""
    return name_account(account) not in _IDENTIFIERS and not account.endswith("$")  # managed accounts end so


def list_unreadable(account: str, files: Iterable[Path]) -> list[Path]:
    """Those of ``files`` that a service with this account cannot read. What cannot be looked up counts as readable."""
    if sys.platform == "win32":
        from ..windows_api.security import find_identifier, read_access  # Windows alone has it

        users: tuple[str, ...] = _IDENTIFIERS.get(account, ())
        unreadable = []
        try:
            users = users or (find_identifier(account),)
        except OSError:
            return []
        for file in files:
            try:
                if not lets_service_read(read_access(file), users):
                    unreadable.append(file)
            except OSError:
                continue
        return unreadable
    return []


def explain_unreadable(account: str, files: Sequence[Path]) -> tuple[str, str]:
    """What a person should know where a service that runs as ``account`` cannot read ``files``, and what to do."""
    who = f"*{_IDENTIFIERS[account][0]}" if account in _IDENTIFIERS else account
    commands = "; ".join(f'icacls "{file}" /grant "{who}:R"' for file in files)
    return (
        f"{account} cannot read {', '.join(map(str, files))}",
        f"Run `{commands}` (again after minikube or kubectl rewrites such a file), or install the service "
        "with --account and your account",
    )


def warn_of_account(account: str, files: Iterable[Path]) -> list[str]:
    """The same in one sentence, none where it can read all of ``files``."""
    unreadable = list(dict.fromkeys(list_unreadable(account, files)))
    return [". ".join(explain_unreadable(account, unreadable))] if unreadable else []


def refuse_unreadable(account: str, files: Iterable[Path]) -> None:
    """Raise ConnmonError for ``files`` of the program that a service with this account cannot read."""
    unreadable = list_unreadable(account, files)
    if unreadable:
        raise ConnmonError(
            f"{account} cannot start connmon-agent: it cannot read {unreadable[0]}",
            hint=r"Install Python and connmon-agent for all users (C:\Program Files), or use --account",
        )


def grant_folders(folders: Sequence[Path], account: str) -> list[str]:
    """Make ``folders`` where they are missing, and let ``account`` write to all that is in them; what was done, in
    sentences. Raises ConnmonError.
    """
    done: list[str] = []
    if sys.platform == "win32":
        from ..windows_api.security import find_identifier  # Windows alone has it

        for folder in folders:
            try:
                user = _IDENTIFIERS[account][0] if account in _IDENTIFIERS else find_identifier(account)
                make_folder(folder)
                if _admit(folder, user):
                    done.append(f"{account} can now write to {folder}")
            except OSError as error:
                raise ConnmonError(
                    f"cannot give {account} access to {folder}: {error.strerror or error}",
                    hint="Check the account's name and who owns the folder",
                ) from error
    return done


def _admit(folder: Path, user: str) -> bool:
    """Whether anything had to be changed."""
    changed = False
    if sys.platform == "win32":
        from ..windows_api.security import read_access, write_access  # Windows alone has it

        for path in (folder, *folder.rglob("*")):
            before = read_access(path)
            after = admit_to(before, user)
            if after != before:
                write_access(path, after)
                changed = True
    return changed

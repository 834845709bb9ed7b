"""Access lists of files and folders in SDDL, Windows' text for them: who is in one. Can be imported anywhere."""

from __future__ import annotations

import re
from collections.abc import Collection

# SYSTEM, Administrators: they may do everything on the machine anyway.
_POWERFUL = ("SY", "BA")
# Everybody, authenticated, interactive, remote and anonymous users, Users, Guests, by their letters or numbers; and the
# packages of applications. A single user or a group of a site's own was let in on purpose.
_ANYBODY = frozenset({"WD", "AU", "IU", "NU", "AN", "BU", "BG", "AC", "S-1-15-2-2"})
_ANYBODY |= {"S-1-1-0", "S-1-5-11", "S-1-5-4", "S-1-5-2", "S-1-5-7", "S-1-5-32-545", "S-1-5-32-546", "S-1-15-2-1"}
# Who every service's process is, too: Everybody, authenticated users, Users, SERVICE, the logon session's LOCAL.
_SERVICES = frozenset({"WD", "AU", "BU", "SU", "S-1-1-0", "S-1-5-11", "S-1-5-32-545", "S-1-5-6", "S-1-2-0"})
_READING = ("FA", "FR", "GA", "GR", "KA", "KR")  # letters of rights that include reading
_READ_DATA = 0x1  # FILE_READ_DATA, in rights that are written as a number
_ENTRY = re.compile(r"\(([^;()]*);([^;()]*);([^;()]*);[^;()]*;[^;()]*;([^;()]*)[;)]")
_ONLY_INHERITED_BY_OTHERS = "IO"
_ALLOWING = ("A", "XA")


def describe_file(user: str) -> str:
    """The list of a file for ``user`` (a security identifier), SYSTEM and Administrators, whatever its folder has."""
    return "D:P" + "".join(f"(A;;FA;;;{who})" for who in (*_POWERFUL, user))


def describe_folder(user: str) -> str:
    """The same for a folder, and for all that is made in it."""
    return "D:P" + "".join(f"(A;OICI;FA;;;{who})" for who in (*_POWERFUL, user))


def admits_anybody(sddl: str) -> bool:
    """Whether the list lets whoever can log on do anything. No list at all lets everybody do everything."""
    entries = _read(sddl)
    return entries is None or any(kind in _ALLOWING and rights and who in _ANYBODY for kind, rights, who in entries)


def lets_service_read(sddl: str, users: Collection[str]) -> bool:
    """Whether the list lets a service read the file whose account is one of ``users`` (the security identifier, and its
    letters where it has some).
    """
    entries = _read(sddl)
    if entries is None:
        return True
    # The first entry that names it counts, and what denies comes first.
    named = (kind for kind, rights, who in entries if _reads(rights) and who in {*_SERVICES, *users})
    return next(named, None) in _ALLOWING


def admit_to(sddl: str, user: str) -> str:
    """The list with everything allowed to ``user``, for a folder and what is made in it."""
    entries = _read(sddl)
    return sddl if entries is None or ("A", "FA", user) in entries else f"{sddl}(A;OICI;FA;;;{user})"


def _read(sddl: str) -> list[tuple[str, str, str]] | None:
    """Kind, rights and whom of each entry that counts for the file itself; None: there is no list."""
    if not sddl.startswith("D:") or "NO_ACCESS_CONTROL" in sddl:
        return None
    entries = (match.groups() for match in _ENTRY.finditer(sddl))
    return [(kind, rights, who) for kind, flags, rights, who in entries if _ONLY_INHERITED_BY_OTHERS not in flags]


def _reads(rights: str) -> bool:
    if rights.startswith("0x"):
        return bool(int(rights, 16) & _READ_DATA)
    return any(letters in _READING for letters in map("".join, zip(rights[::2], rights[1::2], strict=False)))

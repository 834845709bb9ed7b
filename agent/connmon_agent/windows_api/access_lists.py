"""Access lists of files and folders in SDDL, Windows' text for them: who is in one. Can be imported anywhere."""

from __future__ import annotations

import re

# SYSTEM, Administrators: they may do everything on the machine anyway.
_POWERFUL = ("SY", "BA")
# Everybody, authenticated, interactive, remote and anonymous users, Users, Guests, by their letters or numbers; and the
# packages of applications. A single user or a group of a site's own was let in on purpose.
_ANYBODY = frozenset({"WD", "AU", "IU", "NU", "AN", "BU", "BG", "AC", "S-1-15-2-2"})
_ANYBODY |= {"S-1-1-0", "S-1-5-11", "S-1-5-4", "S-1-5-2", "S-1-5-7", "S-1-5-32-545", "S-1-5-32-546", "S-1-15-2-1"}
_ENTRY = re.compile(r"\(([^;()]*);([^;()]*);([^;()]*);[^;()]*;[^;()]*;([^;()]*)[;)]")
_ONLY_INHERITED_BY_OTHERS = "IO"


def describe_file(user: str) -> str:
    """The list of a file for ``user`` (a security identifier), SYSTEM and Administrators, whatever its folder has."""
    return "D:P" + "".join(f"(A;;FA;;;{who})" for who in (*_POWERFUL, user))


def describe_folder(user: str) -> str:
    """The same for a folder, and for all that is made in it."""
    return "D:P" + "".join(f"(A;OICI;FA;;;{who})" for who in (*_POWERFUL, user))


def admits_anybody(sddl: str) -> bool:
    """Whether the list lets whoever can log on do anything. No list at all lets everybody do everything."""
    if not sddl.startswith("D:") or "NO_ACCESS_CONTROL" in sddl:
        return True
    entries = (match.groups() for match in _ENTRY.finditer(sddl))
    return any(
        kind in ("A", "XA") and _ONLY_INHERITED_BY_OTHERS not in flags and rights and who in _ANYBODY
        for kind, flags, rights, who in entries
    )

"""What Windows' control pipe is called, and who may open it."""

from __future__ import annotations

import hashlib
import ntpath

# FILE_GENERIC_READ and FILE_GENERIC_WRITE without FILE_APPEND_DATA, which for a pipe is FILE_CREATE_PIPE_INSTANCE: with
# that right somebody else could serve the agent's name. A client asks for exactly this.
CLIENT_RIGHTS = 0x0012_019B
SYSTEM, ADMINISTRATORS = "SY", "BA"


def name_pipe(folder: str) -> str:
    r"""The name for the state directory ``folder`` (absolute, links resolved), however it is spelled.

    Windows has all pipes in one folder, and a name may have 256 characters, hence a digest.
    """
    spelled = ntpath.normcase(ntpath.normpath(folder))  # unlike casefold, as file systems compare names
    return rf"\\.\pipe\connmon-agent-{hashlib.sha256(spelled.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def describe_access(user: str) -> str:
    """The pipe's access list in SDDL: all for ``user`` (a security identifier), orders for administrators and SYSTEM.

    Without one Windows would let everybody open the pipe for reading, which takes an instance away from others.
    """
    others = "".join(f"(A;;{CLIENT_RIGHTS:#x};;;{group})" for group in (SYSTEM, ADMINISTRATORS))
    return f"D:P{others}(A;;GA;;;{user})"

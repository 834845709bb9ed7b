"""Files that the agent's own user may not read and systemd hands over as credentials (LoadCredential=).

k3s' kubeconfig and minikube's keys belong to root. systemd reads them when the unit starts and puts copies into
$CREDENTIALS_DIRECTORY, which the unit's user alone may read: a file that changes is taken over at the next start.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import ClusterError

VARIABLE = "CREDENTIALS_DIRECTORY"
RESTART = "restart the service, which uses the copy of the kubeconfig made at its start"
LONGEST_NAME = 200  # characters; systemd takes 255


def name_credential(path: Path) -> str:
    """The name of the credential that holds the file ``path``: ``etc+rancher+k3s+k3s.yaml``.

    What is no letter, digit, dot, dash or underscore is replaced, and a hash keeps such names apart.
    """
    text = str(path).strip("/")
    name = re.sub(r"[^A-Za-z0-9._-]", "+", text)
    if name.replace("+", "/") == text and len(name) <= LONGEST_NAME:
        return name
    return f"{name[-LONGEST_NAME:]}-{hashlib.sha256(os.fsencode(text)).hexdigest()[:8]}"


def find_handed(path: Path, environment: Mapping[str, str]) -> Path:
    """Where to read the file ``path``: there, or its copy where there is one and this user may not read the file."""
    folder = environment.get(VARIABLE)
    if folder and not os.access(path, os.R_OK):
        copy = Path(folder) / name_credential(path)
        if os.access(copy, os.R_OK):
            return copy
    return path


def advise_restart(error: ClusterError, environment: Mapping[str, str]) -> None:
    """Add to the hint of refused credentials that they may be an old copy, where there are copies."""
    if error.kind in ("unauthorized", "credentials") and environment.get(VARIABLE):
        error.hint = RESTART.capitalize() if error.hint is None else f"{error.hint}; then {RESTART}"

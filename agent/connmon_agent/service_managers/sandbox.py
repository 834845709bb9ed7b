"""What a service that runs as a user of its own, without the homes, cannot use: found before it is installed."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..errors import ConnmonError

# ProtectHome= and PrivateTmp= show empty folders in their place.
HIDDEN = (Path("/home"), Path("/root"), Path("/run/user"), Path("/tmp"), Path("/var/tmp"))


def refuse_unreachable(paths: Iterable[Path], *, remedy: str, hidden: tuple[Path, ...] = HIDDEN) -> None:
    """Raise ConnmonError for the first of ``paths`` that the service could not read, with ``remedy``."""
    for path in paths:
        obstacle = find_obstacle(path, hidden)
        if obstacle is not None:
            raise ConnmonError(f"the service cannot read {path}: {obstacle}", hint=remedy)


def find_obstacle(path: Path, hidden: tuple[Path, ...] = HIDDEN) -> str | None:
    """Why another user behind ProtectHome and PrivateTmp could not read ``path``; None: it could."""
    for place in _walk(path):
        for folder in hidden:
            if place.is_relative_to(folder):
                return f"{place} is in {folder}, which is hidden from services"
        try:
            mode = place.stat().st_mode
        except OSError as error:
            return f"{place}: {error.strerror or error}"
        if stat.S_ISDIR(mode) and not mode & stat.S_IXOTH:
            return f"other users cannot enter {place} (`chmod o+x {place}`)"
    return None if mode & stat.S_IROTH else f"other users cannot read it (`chmod o+r {path}`)"


def _walk(path: Path) -> Iterator[Path]:
    """Every folder and link on the way to ``path``, and to what it leads to, and that at last."""
    followed = [path]
    while followed[-1].is_symlink() and len(followed) < 40:
        followed.append(followed[-1].parent / followed[-1].readlink())
    for place in (*followed, path.resolve()):
        yield from reversed(place.parents)
    yield from (place for place in followed if not place.is_symlink())
    yield path.resolve()

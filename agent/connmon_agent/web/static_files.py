"""The page's own files: those that lie in ``static`` when the server starts, by their names, and no others."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from ..files import read_file
from ..http_server import Fields, HttpRequest, Response
from .answers import WORTH_PACKING, takes_gzip

FOLDER = Path(__file__).parent / "static"
INDEX = "index.html"
MOST = 2_000_000  # bytes of a file
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json; charset=utf-8",
    ".webmanifest": "application/manifest+json; charset=utf-8",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
_PACKABLE = (".html", ".js", ".css", ".svg", ".json", ".webmanifest", ".txt")
_KEEP: Fields = (("Cache-Control", "no-cache"),)  # kept, and asked for again by its ETag


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    type: str
    etag: str


class StaticFiles:
    """The files of ``folder`` and of the folders in it. They are read when they are asked for, and not kept."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files: Mapping[str, _File] = dict(_find(folder))

    @property
    def names(self) -> list[str]:
        """What is served, as it is asked for: ``app.js``."""
        return sorted(self._files)

    def answer(self, name: str, request: HttpRequest) -> Response | None:
        """The file called ``name``; None: there is none. Raises OSError."""
        file = self._files.get(name)
        if file is None:
            return None
        fields: Fields = (*_KEEP, ("ETag", file.etag), ("Vary", "Accept-Encoding"))
        if _is_known(request.headers.get("if-none-match", ""), file.etag):
            return Response(HTTPStatus.NOT_MODIFIED, b"", file.type, fields)
        body = read_file(file.path, MOST)
        if file.path.suffix in _PACKABLE and len(body) >= WORTH_PACKING and takes_gzip(request):
            body = gzip.compress(body, mtime=0)
            fields = (*fields, ("Content-Encoding", "gzip"))
        return Response(HTTPStatus.OK, body, file.type, fields)


def _find(folder: Path) -> Iterator[tuple[str, _File]]:
    for path in sorted((*folder.glob("*"), *folder.glob("*/*"))):
        kind = TYPES.get(path.suffix)
        if kind is not None and path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            digest = hashlib.sha256(read_file(path, MOST)).hexdigest()
            yield path.relative_to(folder).as_posix(), _File(path, kind, f'W/"{digest[:20]}"')


def _is_known(header: str, etag: str) -> bool:
    """Whether the client has it (RFC 9110, section 13.1.2)."""
    known = {one.strip().removeprefix("W/") for one in header.split(",")}
    return "*" in known or etag.removeprefix("W/") in known

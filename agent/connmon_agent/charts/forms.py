"""Reading plain data - dictionaries, lists and text, as YAML or JSON give them - and what is wrong with its form."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Path = tuple[str | int, ...]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_EMPTY: tuple[object, ...] = (None, "", [], {})


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake in a chart.

    ``path`` leads to it from the top of the document: ``("transitions", 3, "dest")``. The other fields are those of
    ``errors.Problem``.
    """

    path: Path
    message: str
    value: str | None = None
    remedy: str | None = None

    @property
    def key(self) -> str:
        """The path as people write it: ``transitions[3].dest``."""
        return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path).removeprefix(".")


def suggest(name: str, known: Iterable[str], *, otherwise: str | None = None) -> str | None:
    """The remedy for an unknown ``name``: the known one that it resembles, else ``otherwise``."""
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]}?" if close else otherwise


class Form:
    """Reads plain data and collects what is wrong with its form in ``mistakes``. What cannot be read becomes empty.

    Nothing is reported twice: None stands for what a table has reported already.
    """

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def report(self, path: Path, message: str, value: object = None, remedy: str | None = None) -> None:
        """Note a mistake. ``value`` is the offending value (None: the key itself is the mistake)."""
        self.mistakes.append(Mistake(path, message, None if value is None else _show(value), remedy))

    def table(
        self, data: object, path: Path, *, required: Sequence[str] = (), optional: Sequence[str] = ()
    ) -> Mapping[str, object]:
        """A mapping with exactly the ``required`` keys and some of the ``optional`` ones, without those left empty."""
        if not isinstance(data, Mapping):
            self.report(path, "must be a mapping", "" if data is None else data)
            return {}
        known = [*required, *optional]
        filled = {key: value for key, value in data.items() if key in known and value not in _EMPTY}
        for key in data:
            if key not in known:
                remedy = suggest(str(key), known, otherwise=f"known here: {', '.join(known)}")
                self.report((*path, str(key)), "unknown key", remedy=remedy)
        for key in required:
            if key not in filled:
                self.report((*path, key), "is empty" if key in data else "is missing")
        return filled

    def text(self, data: object, path: Path) -> str:
        """Text that is not empty."""
        if data is None:
            return ""
        if not isinstance(data, str) or not data.strip():
            self.report(path, "must be text", data)
            return ""
        return data

    def name(self, data: object, path: Path) -> str:
        """A name: a letter, then letters, digits, ``_`` or ``-``, so that every drawing can carry it."""
        text = self.text(data, path)
        if not text or _NAME.fullmatch(text):
            return text
        self.report(path, "is not a name", text, "a name is a letter, then letters, digits, _ or -")
        return ""

    def names(self, data: object, path: Path) -> tuple[str, ...]:
        """A list of names, none twice; one name alone stands for a list of one."""
        if data is None:
            return ()
        if isinstance(data, str):
            return (self.name(data, path),)
        if not isinstance(data, Sequence):
            self.report(path, "must be a name or a list of names", data)
            return ()
        names = tuple(self.name(item, (*path, place)) for place, item in enumerate(data))
        for place, name in enumerate(names):
            if name in names[:place]:
                self.report((*path, place), "is named twice", name)
        return names

    def descriptions(self, data: object, path: Path) -> dict[str, str]:
        """A mapping of names to a sentence each."""
        if data is None:
            return {}
        if not isinstance(data, Mapping):
            self.report(path, "must be a mapping of names to descriptions", data)
            return {}
        for key, value in data.items():
            if value is None:
                self.report((*path, key), "has no description", remedy="say in a sentence what it means")
        return {self.name(key, (*path, key)): self.text(value, (*path, key)) for key, value in data.items()}

    def entries(self, top: Mapping[str, object], section: str) -> list[tuple[str, object, Path]]:
        """The entries of a section that maps names, each with its path; none without the section."""
        data = top.get(section, {})
        if not isinstance(data, Mapping):
            self.report((section,), "must be a mapping", data)
            return []
        return [(self.name(key, (section, key)), value, (section, key)) for key, value in data.items()]

    def items(self, top: Mapping[str, object], section: str) -> list[tuple[int, object]]:
        """The items of a section that is a list, each with its place; none without the section."""
        data = top.get(section, [])
        if not isinstance(data, Sequence) or isinstance(data, str):
            self.report((section,), "must be a list", data)
            return []
        return list(enumerate(data))


def _show(value: object) -> str:
    """A value in an error, cut to a length that fits a line; a list or mapping is only named as such."""
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "a list"
    text = str(value)
    return (text if len(text) <= 60 else text[:57] + "...") or "nothing"

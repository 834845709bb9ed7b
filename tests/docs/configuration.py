"""The tables of docs/configuration.md, made of the declarations of the keys.

``python -m tests.docs.configuration`` writes them anew; what stands between them is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from connmon_agent.loading.key_tables import Key, KeyTable, MappingOf
from connmon_agent.loading.keys import ROOT
from connmon_agent.loading.system_keys import SYSTEM_KEYS, SystemKey
from connmon_agent.loading.targets import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
COMMAND = "python -m tests.docs.configuration"
_BLOCK = re.compile(rf"(<!-- ([^,\n]+), written by {re.escape(COMMAND)} -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def fill_page(page: str) -> str:
    """The page with each of its tables as the declarations have it. Raises KeyError for a table that there is not."""
    tables = make_tables()
    return _BLOCK.sub(lambda found: f"{found[1]}\n{tables[found[2]]}\n{found[4]}", page)


def list_tables(page: str) -> list[str]:
    """The names of the tables that the page holds."""
    return [found[2] for found in _BLOCK.finditer(page)]


def make_tables() -> Mapping[str, str]:
    """Every table, in Markdown, by its name."""
    return {
        **{f"keys of {path or 'the file'}": _describe_keys(table) for path, table in list_sections()},
        "kinds of targets": _describe_kinds(),
        "keys of targets": _describe_target_keys(),
        "keys of system_config.json": _describe_system_keys(SYSTEM_KEYS),
    }


def list_sections() -> Iterator[tuple[str, KeyTable]]:
    """Every section of connmon.yaml with its dotted path; the file itself with none."""
    yield "", ROOT
    yield from _list_below(ROOT, "")


def _list_below(table: KeyTable, prefix: str) -> Iterator[tuple[str, KeyTable]]:
    for key in table.keys.values():
        path = f"{prefix}.{key.name}".strip(".")
        if isinstance(key.type, KeyTable):
            yield path, key.type
            yield from _list_below(key.type, path)
        elif isinstance(key.type, MappingOf) and isinstance(key.type.type, KeyTable):
            yield path, key.type.type
            yield from _list_below(key.type.type, path)


def _describe_keys(table: KeyTable) -> str:
    keys = table.keys.values()
    sources = [key.source for key in keys] if any(key.source for key in keys) else None
    head = ["key", "default", "allowed", "meaning", *(["where the default comes from"] if sources else [])]
    rows = [[f"`{key.name}`", _default_of(key), _limits_of(key), key.help] for key in keys]
    if sources:
        rows = [[*row, source] for row, source in zip(rows, sources, strict=True)]
    return _write_table(head, rows)


def _default_of(key: Key) -> str:
    if key.usual or not key.has_default:
        return "required" if key.needed else key.usual
    written = key.type.write(key.default) if not isinstance(key.type, MappingOf) else "{}"
    return f"`{written}`"


def _limits_of(key: Key) -> str:
    own = "a mapping" if isinstance(key.type, KeyTable | MappingOf) else key.type.limits
    return ", ".join(filter(None, (own, key.limits)))


def _describe_kinds() -> str:
    rows = [
        [f"`{word}`", _name_all(kind.keys.keys), kind.answers + ("" if kind.votes else "; no vote")]
        for word, kind in KINDS.items()
    ]
    return _write_table(["kind", "keys", "answers when"], rows)


def _describe_target_keys() -> str:
    """Each key once, with the kinds that have it."""
    kinds: dict[Key, list[str]] = {}
    for word, kind in KINDS.items():
        for key in kind.keys.keys.values():
            kinds.setdefault(key, []).append(word)
    rows = [[f"`{key.name}`", _name_all(of), _default_of(key), _limits_of(key), key.help] for key, of in kinds.items()]
    return _write_table(["key", "of kind", "default", "allowed", "meaning"], rows)


def _describe_system_keys(keys: Iterable[SystemKey]) -> str:
    rows = [[f"`{key.path}`", f"`{key.becomes}`" if key.becomes else "", key.help] for key in keys]
    return _write_table(["key", "becomes", "how"], rows)


def _name_all(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _write_table(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("".join(f"| {cell} " if cell else "| " for cell in line) + "|\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(fill_page(PAGE.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")

"""Reading one file that a person wrote, whatever editor or shell wrote it down."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from pathlib import Path

from ..errors import ConfigurationError
from .json_nodes import parse_json
from .nodes import MappingNode, show_node
from .problems import Problems, refuse_file
from .yaml_nodes import parse_yaml

MAX_BYTES = 1_000_000  # a hundred times the largest honest configuration


@dataclass(frozen=True, slots=True)
class Document:
    """A file whose top is a mapping. ``problems`` holds what was wrong already (duplicate keys, tags); add to it."""

    root: MappingNode
    problems: Problems


def read_document(path: Path) -> Document:
    """The mapping in ``path``: JSON when its name ends so, else YAML. UTF-8, with or without BOM, or UTF-16 with one.

    Raises ConfigurationError when there is no mapping to be had: file missing, unreadable, empty, not text, bad syntax.
    """
    file = str(path)
    text = decode_text(read_bytes(path), file)
    problems = Problems(file)
    if not text.strip():
        raise refuse_file(file, "this file is empty", remedy="write settings into it, or remove it")
    root = parse_json(text, problems) if path.suffix.lower() == ".json" else parse_yaml(text, problems)
    if root is None:
        raise refuse_file(file, "there is nothing but comments in this file", remedy="write settings, or remove it")
    if not isinstance(root, MappingNode):
        shown = show_node(root)
        problems.add("the file must hold keys and values", line=root.line, value=shown, remedy="begin with a key")
        raise ConfigurationError(problems.found)
    return Document(root, problems)


def read_bytes(path: Path) -> bytes:
    """All of the file. Raises ConfigurationError where it cannot be read, or is larger than a configuration is."""
    file = str(path)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise refuse_file(file, "there is no such file", remedy="check the path, or create the file") from error
    except IsADirectoryError as error:
        raise refuse_file(file, "this is a directory", remedy="name the file in it") from error
    except PermissionError as error:
        raise refuse_file(file, "reading is not permitted", remedy="give this user the right to read it") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse_file(file, f"the file cannot be read: {reason}", remedy="check the path and the disk") from error
    if len(data) > MAX_BYTES:
        raise refuse_file(file, f"the file is larger than {MAX_BYTES // 1_000_000} MB", remedy="check the path")
    return data


def decode_text(data: bytes, file: str) -> str:
    """The text of ``data``. PowerShell 5 writes UTF-16 with a BOM, Windows editors UTF-8 with one.

    Raises ConfigurationError naming the line of the first byte that is not text.
    """
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"this is not UTF-8 text: byte 0x{data[error.start]:02X}"
        raise refuse_file(file, message, line=line, remedy="save the file as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise refuse_file(file, "this is not a text file: it holds a zero byte", line=line, remedy="check the path")
    return text

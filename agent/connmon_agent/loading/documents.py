"""Reading one file that a person wrote, whatever editor or shell wrote it down."""

from __future__ import annotations

import codecs
import sys
from pathlib import Path

from msgspec import Struct

from ..errors import ConfigurationError
from ..files import NotAFile, TooLarge, read_file
from .json_nodes import parse_json
from .nodes import MappingNode, show_node
from .problems import Problems, refuse_file
from .yaml_nodes import parse_yaml

# The codec of what Notepad calls ANSI and PowerShell 5 writes without -Encoding; None: this platform has none.
ANSI = "mbcs" if sys.platform == "win32" else None
MAX_BYTES = 1_000_000  # a hundred times the largest honest configuration


class Document(Struct, frozen=True):
    """A file whose top is a mapping. ``problems`` holds what was wrong already (duplicate keys, tags); add to it."""

    root: MappingNode
    problems: Problems


def read_document(path: Path) -> Document:
    """The mapping in ``path``: JSON when its name ends so, else YAML. UTF-8 or UTF-16, each with or without BOM; on
    Windows the machine's ANSI code page, too, with a warning.

    Raises ConfigurationError when there is no mapping to be had: file missing, unreadable, empty, not text, bad syntax.
    """
    is_json = path.suffix.lower() == ".json"
    data = read_bytes(path)
    document = parse_document(decode_text(data, str(path), lenient=is_json), path)
    if ANSI is not None and not _is_unicode(data):
        message = "not UTF-8; read in the code page of this machine"
        document.problems.warn(message, line=None, key="", remedy="save the file as UTF-8")
    return document


def parse_document(text: str, path: Path) -> Document:
    """The mapping that ``text``, what ``path`` holds or is to hold, is. Raises ConfigurationError."""
    file = str(path)
    is_json = path.suffix.lower() == ".json"
    problems = Problems(file, json=is_json)
    if not text.strip():
        raise refuse_file(file, "this file is empty", remedy="write settings into it, or remove it")
    root = parse_json(text, problems) if is_json else parse_yaml(text, problems)
    if root is None:
        raise refuse_file(file, "the file has only comments", remedy="write settings, or remove it")
    if not isinstance(root, MappingNode):
        shown = show_node(root)
        problems.add("the file must contain keys and values", line=root.line, value=shown, remedy="begin with a key")
        raise ConfigurationError(problems.found)
    return Document(root, problems)


def read_bytes(path: Path) -> bytes:
    """All of the file. Raises ConfigurationError where it cannot be read, or is larger than a configuration is."""
    file = str(path)
    try:
        return read_file(path, MAX_BYTES)
    except NotAFile as error:
        raise refuse_file(file, f"{error.strerror}", remedy="name a file, or write its contents into one") from error
    except TooLarge as error:
        raise refuse_file(
            file, f"the file is larger than {MAX_BYTES // 1_000_000} MB", remedy="check the path"
        ) from error
    except FileNotFoundError as error:
        raise refuse_file(file, "file not found", remedy="check the path, or create the file") from error
    except IsADirectoryError as error:
        raise refuse_file(file, "this is a directory", remedy="name the file in it") from error
    except PermissionError as error:
        raise refuse_file(file, "permission denied", remedy="make it readable by this user") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise refuse_file(file, f"the file cannot be read: {reason}", remedy="check the path and the disk") from error


def decode_text(data: bytes, file: str, *, lenient: bool = False) -> str:
    """The text of ``data``. PowerShell 5 writes UTF-16 with a BOM, Windows editors UTF-8 with one.

    ``lenient``: bytes that are not UTF-8 become lone surrogates, which no reader accepts. A file of several programs
    may hold a Windows code page's umlaut in a section that is not ours. On Windows what is not UTF-8 is read as ANSI.
    Raises ConfigurationError naming the line of the first byte that is not text.
    """
    encoding = _encoding_of(data)
    if ANSI is not None and not _is_unicode(data):
        encoding = ANSI
    try:
        text = data.decode(encoding, "surrogateescape" if lenient and encoding == "utf-8-sig" else "strict")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"this is not UTF-8 text: byte 0x{data[error.start]:02X}"
        raise refuse_file(file, message, line=line, remedy="save the file as UTF-8") from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise refuse_file(file, "not a text file: it contains a zero byte", line=line, remedy="check the path")
    return text


def _is_unicode(data: bytes) -> bool:
    try:
        data.decode(_encoding_of(data))
    except UnicodeDecodeError as error:
        return error.encoding != "utf-8"  # UTF-16 that is torn is no ANSI
    return True


def _encoding_of(data: bytes) -> str:
    """By the BOM; without one by which byte of the first character is zero: that is ASCII (RFC 4627, section 3)."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    zeros = bytes(byte == 0 for byte in data[:4])
    return {b"\0\1\0\1": "utf-16-le", b"\1\0\1\0": "utf-16-be"}.get(zeros, "utf-8-sig")
